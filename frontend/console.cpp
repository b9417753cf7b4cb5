#include "frontend/console.h"

#include <cerrno>
#include <ctime>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace doppel::frontend {
namespace {

constexpr u8 kEscape = 0x01;  // Ctrl-A
constexpr std::string_view kPrompt = "(doppel) ";
constexpr std::string_view kHelp =
    "\r\nCtrl-A h    this help\r\n"
    "Ctrl-A x    end doppel\r\n"
    "Ctrl-A c    switch between the machine and the monitor\r\n"
    "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

}  // namespace

bool Console::poll(i64 timeout_ns) {
  pollfd wait = {open() ? STDIN_FILENO : -1, POLLIN, 0};
  const timespec timeout = {static_cast<time_t>(timeout_ns / 1'000'000'000),
                            static_cast<long>(timeout_ns % 1'000'000'000)};
  if (::ppoll(&wait, 1, timeout_ns < 0 ? nullptr : &timeout, nullptr) <= 0 || !open()) return false;
  u8 bytes[256];
  const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  for (ssize_t i = 0; i < count; ++i) take(bytes[i]);
  return true;
}

void Console::take(u8 byte) {
  if (escaped_) {
    escaped_ = false;
    escape(byte);
  } else if (config_.multiplexed && byte == kEscape) {
    escaped_ = true;
  } else if (in_monitor_) {
    monitor_key(byte);
  } else {
    queue_.push(config_.target, byte);
  }
}

void Console::escape(u8 byte) {
  switch (byte) {
    case 'x':
      quit_ = true;
      show("\r\ndoppel: ended by Ctrl-A x\r\n");
      break;
    case 'c':
      in_monitor_ = !in_monitor_;
      line_.clear();
      if (in_monitor_) show("\r\n" + std::string(kPrompt));
      break;
    case 'h':
    case '?':
      show(kHelp);
      break;
    case kEscape:
      if (!in_monitor_) queue_.push(config_.target, kEscape);
      break;
    default:
      break;
  }
}

void Console::monitor_key(u8 byte) {
  if (byte == '\r' || byte == '\n') {
    show("\r\n");
    const std::string line = std::exchange(line_, {});
    if (monitor_) show(monitor_(line));
    show(kPrompt);
  } else if (byte == 0x7f || byte == 0x08) {
    if (!line_.empty()) {
      line_.pop_back();
      show("\b \b");
    }
  } else if (byte == 0x15) {  // Ctrl-U
    line_.clear();
    show("\r\n" + std::string(kPrompt));
  } else if (byte >= 0x20 && line_.size() < 1000) {
    line_ += static_cast<char>(byte);
    show(std::string(1, static_cast<char>(byte)));
  }
}

void Console::show(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    // The terminal is raw: a new line needs its carriage return.
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) output_.write('\r');
    output_.write(static_cast<u8>(text[i]));
  }
  output_.flush();
}

}  // namespace doppel::frontend
