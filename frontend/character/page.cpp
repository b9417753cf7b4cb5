#include "frontend/character/page.h"

namespace doppel::frontend {

void PageDevice::write(u8 byte) {
  ++version_;
  std::string& line = lines_.back();
  if (escape_ == Escape::Started) {
    escape_ = byte == '[' ? Escape::Bracket : Escape::None;
    return;
  }
  if (escape_ == Escape::Bracket) {
    if (byte < 0x40) return;
    escape_ = Escape::None;
    if (byte == 'K') line.resize(column_);  // Of the sequences only "clear to the end of the line".
    return;
  }
  switch (byte) {
    case '\r':
      column_ = 0;
      break;
    case '\n':
      lines_.emplace_back();
      column_ = 0;
      if (lines_.size() > kMostLines) lines_.pop_front();
      break;
    case '\b':
      if (column_ > 0) --column_;
      break;
    case 0x1b:
      escape_ = Escape::Started;
      break;
    default:
      if (byte < 0x20 || column_ >= kLongestLine) break;
      if (column_ < line.size())
        line[column_] = static_cast<char>(byte);
      else
        line += static_cast<char>(byte);
      ++column_;
      break;
  }
}

}  // namespace doppel::frontend
