#include "devices/e1000_statistics.h"

namespace doppel::devices {

namespace {

constexpr u32 kMpc = 0x10;
constexpr u32 kPrc64 = 0x5c;  // Six of them, by size.
constexpr u32 kGprc = 0x74;
constexpr u32 kBprc = 0x78;
constexpr u32 kMprc = 0x7c;
constexpr u32 kGptc = 0x80;
constexpr u32 kGorc = 0x88;  // 64 bits, as all counters of bytes.
constexpr u32 kGotc = 0x90;
constexpr u32 kRnbc = 0xa0;
constexpr u32 kTor = 0xc0;
constexpr u32 kTot = 0xc8;
constexpr u32 kTpr = 0xd0;
constexpr u32 kTpt = 0xd4;
constexpr u32 kPtc64 = 0xd8;  // Six of them.
constexpr u32 kMptc = 0xf0;
constexpr u32 kBptc = 0xf4;

constexpr size_t kFcsBytes = 4;

/// The upper halves of counters of bytes; reading one clears both halves.
bool is_upper_half(u32 offset) {
  return offset == kGorc + 4 || offset == kGotc + 4 || offset == kTor + 4 || offset == kTot + 4;
}
bool is_lower_half(u32 offset) { return is_upper_half(offset + 4); }

}  // namespace

/// Counters stick at their highest value.
void E1000Statistics::add(u32 offset, u32 count) {
  u32& counter = counters_[offset / 4];
  counter = counter > ~u32{0} - count ? ~u32{0} : counter + count;
}

void E1000Statistics::add_bytes(u32 offset, u64 bytes) {
  u64 value = counters_[offset / 4] | u64{counters_[offset / 4 + 1]} << 32;
  value = value > ~u64{0} - bytes ? ~u64{0} : value + bytes;
  counters_[offset / 4] = static_cast<u32>(value);
  counters_[offset / 4 + 1] = static_cast<u32>(value >> 32);
}

/// Up to 64, 127, 255, 511, 1023 bytes, and more, with the frame check sequence.
void E1000Statistics::add_size(u32 first, size_t bytes) {
  u32 index = 0;
  for (const size_t most : {64, 127, 255, 511, 1023}) {
    if (bytes <= most) break;
    ++index;
  }
  add(first + 4 * index);
}

void E1000Statistics::sent(size_t bytes, Kind kind) {
  const size_t on_wire = bytes + kFcsBytes;
  add(kTpt);
  add(kGptc);
  add_bytes(kTot, on_wire);
  add_bytes(kGotc, on_wire);
  add_size(kPtc64, on_wire);
  if (kind == Kind::Multicast) add(kMptc);
  if (kind == Kind::Broadcast) add(kBptc);
}

void E1000Statistics::received(size_t bytes, Kind kind) {
  const size_t on_wire = bytes + kFcsBytes;
  add(kTpr);
  add(kGprc);
  add_bytes(kTor, on_wire);
  add_bytes(kGorc, on_wire);
  add_size(kPrc64, on_wire);
  if (kind == Kind::Multicast) add(kMprc);
  if (kind == Kind::Broadcast) add(kBprc);
}

void E1000Statistics::missed() {
  add(kMpc);
  add(kRnbc);
}

u32 E1000Statistics::read(u32 offset) {
  u32& counter = counters_[offset / 4 % counters_.size()];
  const u32 value = counter;
  if (is_lower_half(offset)) return value;
  counter = 0;
  if (is_upper_half(offset)) counters_[offset / 4 - 1] = 0;
  return value;
}

}  // namespace doppel::devices
