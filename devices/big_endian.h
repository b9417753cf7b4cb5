#pragma once

// Numbers in the order of the network: most significant byte first, at any address.

#include "cpu/base/types.h"

namespace doppel::devices {

inline u16 load_be16(const u8* at) { return static_cast<u16>(at[0] << 8 | at[1]); }
inline u32 load_be32(const u8* at) { return u32{load_be16(at)} << 16 | load_be16(at + 2); }
inline u64 load_be64(const u8* at) { return u64{load_be32(at)} << 32 | load_be32(at + 4); }

inline void store_be16(u8* at, u16 value) {
  at[0] = static_cast<u8>(value >> 8);
  at[1] = static_cast<u8>(value);
}
inline void store_be32(u8* at, u32 value) {
  store_be16(at, static_cast<u16>(value >> 16));
  store_be16(at + 2, static_cast<u16>(value));
}
inline void store_be64(u8* at, u64 value) {
  store_be32(at, static_cast<u32>(value >> 32));
  store_be32(at + 4, static_cast<u32>(value));
}

}  // namespace doppel::devices
