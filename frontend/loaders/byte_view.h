#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "cpu/base/types.h"

namespace doppel::frontend::loaders {

/// A file's bytes, hostile until proven otherwise: what lies outside reads as zero, and says so.
class ByteView {
 public:
  explicit ByteView(std::span<const u8> bytes) : bytes_(bytes) {}

  u64 size() const { return bytes_.size(); }
  bool contains(u64 offset, u64 count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  template <class T>
  T at(u64 offset) const {
    T value{};
    if (contains(offset, sizeof(T))) std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  /// Nothing if the range leaves the file.
  std::span<const u8> slice(u64 offset, u64 count) const {
    return contains(offset, count) ? bytes_.subspan(offset, count) : std::span<const u8>{};
  }

 private:
  std::span<const u8> bytes_;
};

/// Stores a little-endian value into bytes that are known to be there.
template <class T>
void put(std::vector<u8>& bytes, u64 offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace doppel::frontend::loaders
