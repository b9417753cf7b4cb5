#include "cpu/base/archive.h"

namespace doppel {

void Archive::raw(void* data, size_t size_bytes) {
  if (output_ != nullptr) {
    const u8* first = static_cast<const u8*>(data);
    output_->insert(output_->end(), first, first + size_bytes);
    return;
  }
  if (size_bytes > input_.size() - position_) {
    fail("the data ends too early");
    std::memset(data, 0, size_bytes);
    position_ = input_.size();
    return;
  }
  std::memcpy(data, input_.data() + position_, size_bytes);
  position_ += size_bytes;
}

size_t Archive::begin_section(std::string_view name) {
  std::string stored(name);
  item(stored);
  if (is_loading() && stored != name) {
    fail("expected section '" + std::string(name) + "', found '" + stored.substr(0, 40) + "'");
  }
  u64 length = 0;
  item(length);
  if (is_loading()) return position_ + length;
  return output_->size();
}

void Archive::end_section(std::string_view name, size_t start) {
  if (is_loading()) {
    if (position_ != start) fail("section '" + std::string(name) + "' has another length");
    return;
  }
  const u64 length = output_->size() - start;
  std::memcpy(output_->data() + start - sizeof length, &length, sizeof length);
}

void Archive::item(std::string& text) {
  u64 length = text.size();
  item(length);
  if (is_loading()) {
    if (length > input_.size() - position_) {
      fail("a text is longer than the data that follows");
      text.clear();
      return;
    }
    text.resize(length);
  }
  raw(text.data(), text.size());
}

}  // namespace doppel
