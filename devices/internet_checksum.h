#pragma once

// The checksum of IP, TCP and UDP: the ones' complement sum of 16-bit words, most significant byte
// first, an odd last byte being the upper half of a word.
//
// @source  RFC 1071 "Computing the Internet Checksum"

#include <cstring>
#include <span>

#include "cpu/base/types.h"

namespace doppel::devices {

/// Adds bytes to a sum that `fold_sum` makes 16 bits of. Each piece but the last has an even length.
inline u64 add_to_sum(u64 sum, std::span<const u8> bytes) {
  // The sum does not care for the byte order as long as it is the same everywhere: words are added
  // as the host has them, four bytes at a time, and turned at the end.
  u64 words = 0;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    u32 pair;
    std::memcpy(&pair, bytes.data() + at, sizeof pair);
    words += pair;
  }
  if (at + 2 <= bytes.size()) {
    u16 word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    words += word;
    at += 2;
  }
  if (at < bytes.size()) words += bytes[at];
  while (words >> 16 != 0) words = (words & 0xffff) + (words >> 16);
  return sum + ((words & 0xff) << 8 | words >> 8);
}

inline u16 fold_sum(u64 sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<u16>(sum);
}

}  // namespace doppel::devices
