#include "devices/e1000_ring.h"

#include <cstring>

namespace doppel::devices {

namespace {

constexpr u32 kBal = 0x00;
constexpr u32 kBah = 0x04;
constexpr u32 kLen = 0x08;
constexpr u32 kHead = 0x10;
constexpr u32 kTail = 0x18;

constexpr u32 kLengthBits = 0x000f'ff80;  // Whole lines of 128 bytes, up to a mebibyte.
constexpr u32 kIndexBits = 0xffff;

}  // namespace

u32 E1000Ring::read(u32 offset) const {
  switch (offset) {
    case kBal:
      return static_cast<u32>(base_);
    case kBah:
      return static_cast<u32>(base_ >> 32);
    case kLen:
      return length_;
    case kHead:
      return head_;
    case kTail:
      return tail_;
    default:
      return 0;
  }
}

void E1000Ring::write(u32 offset, u32 value) {
  switch (offset) {
    case kBal:
      base_ = (base_ & ~u64{0xffff'ffff}) | (value & ~u32{0xf});
      break;
    case kBah:
      base_ = (base_ & 0xffff'ffff) | u64{value} << 32;
      break;
    case kLen:
      length_ = value & kLengthBits;
      break;
    case kHead:
      head_ = value & kIndexBits;
      break;
    case kTail:
      tail_ = value & kIndexBits;
      break;
    default:
      break;
  }
}

/// An index outside the ring belongs to a driver that is not done with it: nothing is the card's.
u32 E1000Ring::available() const {
  if (head_ >= size() || tail_ >= size()) return 0;
  return tail_ >= head_ ? tail_ - head_ : tail_ + size() - head_;
}

E1000Ring::Descriptor E1000Ring::fetch() const {
  u8 bytes[kDescriptorBytes];
  memory_.read_bytes(at_head(), bytes);
  Descriptor descriptor;
  std::memcpy(descriptor.data(), bytes, sizeof bytes);
  return descriptor;
}

void E1000Ring::write_back(u32 offset, std::span<const u8> bytes) {
  memory_.write_bytes(at_head() + offset, bytes);
}

void E1000Ring::advance() {
  if (++head_ >= size()) head_ = 0;
}

void E1000Ring::reset() {
  base_ = 0;
  length_ = head_ = tail_ = 0;
}

}  // namespace doppel::devices
