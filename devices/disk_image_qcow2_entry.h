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

}  // namespace doppel::devices::qcow2_entry
