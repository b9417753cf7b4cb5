#pragma once

// The counters of an e1000, each of which starts anew when it is read.

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "Statistics Registers" (13.7)
class E1000Statistics {
 public:
  /// What a frame was addressed to.
  enum class Kind : u8 { Unicast, Multicast, Broadcast };

  /// A frame that went out; `bytes` without the frame check sequence.
  void sent(size_t bytes, Kind kind);
  /// A frame that passed the filters and reached memory.
  void received(size_t bytes, Kind kind);
  /// A frame that passed the filters and found no room.
  void missed();
  /// A segmented packet is done.
  void segmented() { add(kTsctc); }

  /// Offsets from 4000h.
  u32 read(u32 offset);

  void reset() { counters_.fill(0); }
  void serialize(Archive& archive) { archive(counters_); }

 private:
  static constexpr u32 kTsctc = 0xf8;

  void add(u32 offset, u32 count = 1);
  void add_bytes(u32 offset, u64 bytes);
  void add_size(u32 first, size_t bytes);

  std::array<u32, 64> counters_{};
};

}  // namespace doppel::devices
