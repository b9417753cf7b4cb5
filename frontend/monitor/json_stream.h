#pragma once

// Cuts a stream of bytes into JSON objects.
//
// An object ends where its outermost brace closes: it may span lines, and a line may hold several.
// Damage lasts until the end of the line: a line that begins with something else, a string that a
// line end breaks, an object that grows past all reason.

#include <optional>
#include <span>
#include <string>

#include "cpu/base/types.h"

namespace doppel::frontend {

class JsonStream {
 public:
  struct Message {
    enum class Kind : u8 { Object, Damaged, TooLong };
    Kind kind = Kind::Object;
    std::string text;  ///< Object: it looks whole, and may still be damaged inside.
  };
  /// Takes the next byte; a message if it was the last one of it.
  std::optional<Message> take(u8 byte);
  void clear() { *this = JsonStream(); }

  static constexpr size_t kLongest = size_t{1} << 20;
  static constexpr unsigned kDeepest = 64;

 private:
  Message damaged(Message::Kind kind, u8 byte);

  enum class State : u8 { Between, Inside, String, Escape, Skipping };
  State state_ = State::Between;
  unsigned depth_ = 0;
  std::string text_;
};

}  // namespace doppel::frontend
