#pragma once

// Guest programs as bytes, in 64-bit mode: just enough to write loops and branches by hand.

#include <initializer_list>
#include <vector>

#include "cpu/base/types.h"

namespace doppel::bench {

class Code {
 public:
  explicit Code(u64 origin) : origin_(origin) {}

  u64 here() const { return origin_ + bytes_.size(); }
  u64 origin() const { return origin_; }
  const std::vector<u8>& bytes() const { return bytes_; }

  Code& put(std::initializer_list<u8> bytes) {
    bytes_.insert(bytes_.end(), bytes);
    return *this;
  }
  Code& put32(u32 value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
      bytes_.push_back(static_cast<u8>(value >> shift));
    return *this;
  }
  Code& put64(u64 value) {
    return put32(static_cast<u32>(value)).put32(static_cast<u32>(value >> 32));
  }

  Code& mov_eax(u32 value) { return put({0xb8}).put32(value); }
  Code& mov_ecx(u32 value) { return put({0xb9}).put32(value); }
  Code& mov_edx(u32 value) { return put({0xba}).put32(value); }
  Code& mov_ebx(u32 value) { return put({0xbb}).put32(value); }
  Code& mov_ebp(u32 value) { return put({0xbd}).put32(value); }
  Code& mov_rsi(u64 value) { return put({0x48, 0xbe}).put64(value); }
  Code& mov_rdi(u64 value) { return put({0x48, 0xbf}).put64(value); }
  Code& jmp(u64 target) { return put({0xe9}).put32(distance(target)); }
  Code& call(u64 target) { return put({0xe8}).put32(distance(target)); }
  /// Bytes that are never executed.
  Code& skip(u64 count) {
    bytes_.insert(bytes_.end(), count, 0xf4);
    return *this;
  }
  Code& hlt() { return put({0xf4}); }
  /// dec ebp; jnz target
  Code& loop_ebp(u64 target) { return put({0xff, 0xcd, 0x0f, 0x85}).put32(distance(target)); }

 private:
  u32 distance(u64 target) const { return static_cast<u32>(target - (here() + 4)); }

  u64 origin_;
  std::vector<u8> bytes_;
};

}  // namespace doppel::bench
