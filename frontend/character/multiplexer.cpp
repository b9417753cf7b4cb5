#include "frontend/character/multiplexer.h"

namespace doppel::frontend {
namespace {

constexpr u8 kEscape = 0x01;  // Ctrl-A
constexpr std::string_view kHelp =
    "\r\nCtrl-A h    this help\r\n"
    "Ctrl-A x    end doppel\r\n"
    "Ctrl-A c    switch between the machine and the monitor\r\n"
    "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

}  // namespace

void Multiplexer::add(CharacterUser& user) { users_.push_back(&user); }

void Multiplexer::opened() { front().opened(); }

void Multiplexer::closed() {
  escaped_ = false;
  front().closed();
}

void Multiplexer::received(std::span<const u8> bytes) {
  for (const u8 byte : bytes) {
    if (escaped_) {
      escaped_ = false;
      escape(byte);
    } else if (byte == kEscape) {
      escaped_ = true;
    } else {
      front().received(std::span(&byte, 1));
    }
  }
}

void Multiplexer::escape(u8 byte) {
  switch (byte) {
    case 'x':
      device_.write_text("\r\ndoppel: ended by Ctrl-A x\r\n");
      if (quit_) quit_();
      break;
    case 'c':
      front().closed();
      front_ = (front_ + 1) % users_.size();
      if (users_.size() > 1) front().opened();
      break;
    case 'h':
    case '?':
      device_.write_text(kHelp);
      break;
    case kEscape:
      front().received(std::span(&byte, 1));
      break;
    default:
      break;
  }
}

}  // namespace doppel::frontend
