#pragma once

// What every Ethernet frame has in common.
//
//     | destination 6 | source 6 | type 2 | data 46..1500 |        with a VLAN tag:
//     | destination 6 | source 6 | 81 00 | tag 2 | type 2 | data |
//
// @source  IEEE 802.3, "Media Access Control frame and packet specifications"; 802.1Q

#include "devices/big_endian.h"

namespace doppel::devices::ethernet {

inline constexpr size_t kAddressBytes = 6;
inline constexpr size_t kTypeOffset = 12;
inline constexpr size_t kHeaderBytes = 14;
inline constexpr size_t kTagBytes = 4;
/// Shorter frames are filled up on the way. Without the frame check sequence.
inline constexpr size_t kLeastBytes = 60;
inline constexpr size_t kFcsBytes = 4;

inline constexpr u16 kTypeIpv4 = 0x0800;
inline constexpr u16 kTypeIpv6 = 0x86dd;
inline constexpr u16 kTypeVlan = 0x8100;

/// Of the address at the beginning of a frame.
inline bool is_multicast(const u8* frame) { return (frame[0] & 1) != 0; }
inline bool is_broadcast(const u8* frame) {
  return load_be32(frame) == 0xffff'ffff && load_be16(frame + 4) == 0xffff;
}

}  // namespace doppel::devices::ethernet
