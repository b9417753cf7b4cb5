#include "frontend/monitor/json_stream.h"

#include <utility>

namespace doppel::frontend {

JsonStream::Message JsonStream::damaged(Message::Kind kind, u8 byte) {
  text_.clear();
  depth_ = 0;
  state_ = byte == '\n' ? State::Between : State::Skipping;
  return {kind, {}};
}

std::optional<JsonStream::Message> JsonStream::take(u8 byte) {
  const bool is_space = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
  if (state_ == State::Skipping) {
    if (byte == '\n') state_ = State::Between;
    return std::nullopt;
  }
  if (state_ == State::Between) {
    if (is_space) return std::nullopt;
    if (byte != '{') return damaged(Message::Kind::Damaged, byte);
    state_ = State::Inside;
  } else if (text_.size() >= kLongest) {
    return damaged(Message::Kind::TooLong, byte);
  }
  text_ += static_cast<char>(byte);
  switch (state_) {
    case State::Escape:
      state_ = State::String;
      break;
    case State::String:
      if (byte == '\\')
        state_ = State::Escape;
      else if (byte == '"')
        state_ = State::Inside;
      else if (byte < 0x20)
        return damaged(Message::Kind::Damaged, byte);
      break;
    default:
      if (byte == '"') {
        state_ = State::String;
      } else if (byte == '{' || byte == '[') {
        if (++depth_ > kDeepest) return damaged(Message::Kind::Damaged, byte);
      } else if (byte == '}' || byte == ']') {
        if (--depth_ > 0) break;
        state_ = State::Between;
        return Message{Message::Kind::Object, std::exchange(text_, {})};
      }
      break;
  }
  return std::nullopt;
}

}  // namespace doppel::frontend
