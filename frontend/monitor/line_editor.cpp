#include "frontend/monitor/line_editor.h"

#include <utility>

namespace doppel::frontend {
namespace {

constexpr u8 kBackspace = 0x08;
constexpr u8 kDelete = 0x7f;
constexpr u8 kCtrlU = 0x15;
constexpr u8 kCtrlW = 0x17;
constexpr u8 kEscapeKey = 0x1b;
constexpr u8 kCtrlN = 0x0e;
constexpr u8 kCtrlP = 0x10;

}  // namespace

void LineEditor::clear() {
  line_.clear();
  at_ = history_.size();
  escape_ = Escape::None;
}

std::optional<std::string> LineEditor::take(u8 byte, std::string& echo) {
  // A program may send CR LF: that is one return.
  const bool second_half = std::exchange(after_return_, byte == '\r') && byte == '\n';
  if (second_half) return std::nullopt;
  if (escape_ == Escape::Started) {
    escape_ = byte == '[' || byte == 'O' ? Escape::Bracket : Escape::None;
    return std::nullopt;
  }
  if (escape_ == Escape::Bracket) {
    if (byte >= 0x40) escape_ = Escape::None;
    if (byte == 'A') recall(-1, echo);
    if (byte == 'B') recall(+1, echo);
    return std::nullopt;
  }
  switch (byte) {
    case '\r':
    case '\n': {
      echo += "\r\n";
      std::string line = std::exchange(line_, {});
      if (!line.empty() && (history_.empty() || history_.back() != line)) history_.push_back(line);
      if (history_.size() > kMostRemembered) history_.pop_front();
      at_ = history_.size();
      return line;
    }
    case kEscapeKey:
      escape_ = Escape::Started;
      break;
    case kBackspace:
    case kDelete:
      if (line_.empty()) break;
      line_.pop_back();
      echo += "\b \b";
      break;
    case kCtrlU:
      show_again("", echo);
      break;
    case kCtrlW: {
      std::string line = line_;
      while (!line.empty() && line.back() == ' ') line.pop_back();
      while (!line.empty() && line.back() != ' ') line.pop_back();
      show_again(line, echo);
      break;
    }
    case kCtrlP:
      recall(-1, echo);
      break;
    case kCtrlN:
      recall(+1, echo);
      break;
    default:
      if (byte < 0x20 || line_.size() >= kLongest) break;
      line_ += static_cast<char>(byte);
      echo += static_cast<char>(byte);
      break;
  }
  return std::nullopt;
}

void LineEditor::show_again(const std::string& line, std::string& echo) {
  line_ = line;
  echo += "\r\x1b[K" + prompt_ + line_;
}

void LineEditor::recall(int direction, std::string& echo) {
  if (direction < 0 && at_ > 0)
    --at_;
  else if (direction > 0 && at_ < history_.size())
    ++at_;
  else
    return;
  show_again(at_ == history_.size() ? std::string() : history_[at_], echo);
}

}  // namespace doppel::frontend
