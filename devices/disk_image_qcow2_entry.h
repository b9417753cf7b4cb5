#pragma once

// Bits of the entries in L1 and L2 tables.
//
//      63     62         61..56     55..9    8..1       0
//     copied compressed  reserved   offset   reserved   zeros
//
// @source  QEMU, docs/interop/qcow2, "L1 table entry", "L2 table entry"

#include "cpu/base/types.h"

namespace doppel::devices::qcow2_entry {

/// Nobody else refers to the cluster: it may be written in place.
inline constexpr u64 kCopied = u64{1} << 63;
inline constexpr u64 kCompressed = u64{1} << 62;
/// The cluster reads as zeros, whatever is at the offset. Version 3 only.
inline constexpr u64 kZero = 1;
inline constexpr u64 kOffset = 0x00ff'ffff'ffff'fe00;

/// Where the bytes of a compressed cluster are.
struct CompressedPlace {
  u64 offset = 0;
  u64 length_bytes = 0;
};

/// The rightmost bits of the entry are where it begins, to the byte; those left of them are how many
/// sectors it touches beyond the first.
constexpr CompressedPlace compressed_place(u64 entry, unsigned cluster_bits) {
  constexpr u64 kSectorBytes = 512;
  const unsigned offset_bits = 62 - (cluster_bits - 8);
  const u64 offset = entry & ((u64{1} << offset_bits) - 1);
  const u64 more_sectors = (entry & ~(kCopied | kCompressed)) >> offset_bits;
  return {offset, (more_sectors + 1) * kSectorBytes - offset % kSectorBytes};
}

}  // namespace doppel::devices::qcow2_entry
