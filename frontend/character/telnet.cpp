#include "frontend/character/telnet.h"

namespace doppel::frontend {
namespace {

constexpr u8 kSubnegotiationEnd = 240;
constexpr u8 kSubnegotiation = 250;
constexpr u8 kWill = 251;
constexpr u8 kDont = 254;

// IAC WILL ECHO, IAC WILL SUPPRESS-GO-AHEAD, IAC WILL BINARY, IAC DO BINARY.
constexpr char kGreeting[] = "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00";

}  // namespace

std::string_view Telnet::greeting() { return {kGreeting, sizeof kGreeting - 1}; }

std::vector<u8> Telnet::text_of(std::span<const u8> bytes) {
  std::vector<u8> text;
  for (const u8 byte : bytes) {
    switch (state_) {
      case State::Text:
        if (byte == kCommand) {
          state_ = State::Command;
        } else if (!after_return_ || (byte != 0 && byte != '\n')) {
          text.push_back(byte);
        }
        after_return_ = byte == '\r';
        break;
      case State::Command:
        state_ = State::Text;
        if (byte == kCommand)
          text.push_back(byte);
        else if (byte == kSubnegotiation)
          state_ = State::Subnegotiation;
        else if (byte >= kWill && byte <= kDont)
          state_ = State::Option;
        break;
      case State::Option:
        state_ = State::Text;
        break;
      case State::Subnegotiation:
        if (byte == kCommand) state_ = State::SubnegotiationCommand;
        break;
      case State::SubnegotiationCommand:
        state_ = byte == kSubnegotiationEnd ? State::Text : State::Subnegotiation;
        break;
    }
  }
  return text;
}

}  // namespace doppel::frontend
