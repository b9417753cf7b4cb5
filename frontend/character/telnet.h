#pragma once

// The few words of telnet that make a client pass keys on as they are pressed.
//
// Commands begin with IAC; a byte of that value in the text is doubled. What the client answers is
// swallowed: the words said at the start are all there is.
// @source  RFC 854, RFC 856 (binary), RFC 857 (echo), RFC 858 (suppress go-ahead)

#include <span>
#include <string_view>
#include <vector>

#include "cpu/base/types.h"

namespace doppel::frontend {

class Telnet {
 public:
  /// What is said to a client that has just come.
  static std::string_view greeting();
  static constexpr u8 kCommand = 0xff;  ///< IAC

  /// The text in what came; commands are taken out, however they are cut.
  std::vector<u8> text_of(std::span<const u8> bytes);

 private:
  enum class State : u8 { Text, Command, Option, Subnegotiation, SubnegotiationCommand };
  State state_ = State::Text;
  bool after_return_ = false;  // CR NUL and CR LF are one key.
};

}  // namespace doppel::frontend
