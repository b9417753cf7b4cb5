#pragma once

// A line that a person types: with backspace, and the lines before it on the cursor keys.
//
// The host's terminal is raw, so the echo comes from here.

#include <deque>
#include <optional>
#include <string>

#include "cpu/base/types.h"

namespace doppel::frontend {

class LineEditor {
 public:
  explicit LineEditor(std::string prompt) : prompt_(std::move(prompt)) {}

  /// Takes a key; a whole line when it was the return key. What the person shall see is appended to
  /// `echo`.
  std::optional<std::string> take(u8 byte, std::string& echo);
  const std::string& prompt() const { return prompt_; }
  /// Forgets the line at hand.
  void clear();

 private:
  void show_again(const std::string& line, std::string& echo);
  void recall(int direction, std::string& echo);

  static constexpr size_t kLongest = 4000;
  static constexpr size_t kMostRemembered = 100;
  enum class Escape : u8 { None, Started, Bracket };

  const std::string prompt_;
  std::string line_;
  std::deque<std::string> history_;
  size_t at_ = 0;  // In the history; its size: the line at hand is new.
  Escape escape_ = Escape::None;
  bool after_return_ = false;
};

}  // namespace doppel::frontend
