#pragma once

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// A first-in first-out queue of at most N bytes; what does not fit is refused.
template <unsigned N>
class ByteQueue {
 public:
  bool empty() const { return count_ == 0; }
  unsigned size() const { return count_; }
  unsigned room() const { return N - count_; }
  bool push(u8 byte) {
    if (count_ == N) return false;
    bytes_[(first_ + count_) % N] = byte;
    ++count_;
    return true;
  }
  /// Zero when empty.
  u8 pop() {
    if (count_ == 0) return 0;
    const u8 byte = bytes_[first_];
    first_ = (first_ + 1) % N;
    --count_;
    return byte;
  }
  void clear() { first_ = count_ = 0; }

  void serialize(Archive& archive) {
    archive(bytes_, first_, count_);
    if (first_ >= N || count_ > N) {
      archive.fail("a byte queue is fuller than it can be");
      clear();
    }
  }

 private:
  std::array<u8, N> bytes_{};
  u32 first_ = 0;
  u32 count_ = 0;
};

}  // namespace doppel::devices
