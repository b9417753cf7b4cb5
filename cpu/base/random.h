#pragma once

#include "cpu/base/types.h"

namespace doppel {

/// The next number of a machine's own sequence (xorshift64*): a run can be repeated. Whoever owns
/// the sequence saves it; zero stands for one.
inline u64 next_random(u64& sequence) {
  u64 x = sequence != 0 ? sequence : 1;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  sequence = x;
  return x * 0x2545'f491'4f6c'dd1d;
}

}  // namespace doppel
