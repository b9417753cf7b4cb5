#pragma once

// What is loaded before an instruction and compared after it.

#include <cstring>
#include <string>
#include <vector>

#include "cpu/decoder.h"
#include "cpu/base/types.h"
#include "tests/differential/layout.h"

namespace doppel::differential {

using cpu::CodeSize;

/// The first 416 bytes of FXSAVE's 64-bit image. @source Intel SDM Vol. 2, "FXSAVE"
struct FloatImage {
  u16 fcw = 0x37f;
  u16 fsw = 0;
  u8 ftw = 0;
  u8 reserved = 0;
  u16 fop = 0;
  u64 fip = 0;
  u64 fdp = 0;
  u32 mxcsr = 0x1f80;
  u32 mxcsr_mask = 0xffff;
  u8 st[8][16] = {};
  u8 xmm[16][16] = {};
};
static_assert(sizeof(FloatImage) == 416);

struct MachineState {
  u64 gpr[16] = {};
  u64 rip = 0;  ///< Offset in CS.
  u64 rflags = 0;
  u16 selectors[6] = {};  ///< By Seg.
  u64 fs_base = 0;        ///< 64-bit code only; elsewhere selectors say it.
  u64 gs_base = 0;
  FloatImage fp;
  u8 ymm_high[16][16] = {};
};

/// How one instruction ended.
struct Outcome {
  bool faulted = false;
  u8 vector = 0;
  u32 error_code = 0;
  u64 cr2 = 0;       ///< Page faults only.
  u64 steps = 0;     ///< Iterations of a repeated instruction that the host was stepped through.
  bool unfinished = false;  ///< A repeated instruction that was not run to its end.
};

/// Bytes that a test puts into memory before it runs.
struct Patch {
  u64 address = 0;
  std::vector<u8> bytes;
};

/// The four writable or readable ranges, as one side left them.
struct MemoryView {
  u8* code = nullptr;   ///< kCodePages
  u8* data = nullptr;   ///< kDataPages + 1
  u8* stack = nullptr;  ///< kStackPages

  /// Where linear `address` lies, or null.
  u8* at(u64 address) const {
    if (address - kCode < kCodePages * kPageSize) return code + (address - kCode);
    if (address - kData < kDataBytes) return data + (address - kData);
    if (address - kStack < kStackBytes) return stack + (address - kStack);
    return nullptr;
  }
};

/// One instruction with everything it sees.
struct TestCase {
  CodeSize size = CodeSize::Bits64;
  u8 bytes[15] = {};
  unsigned length = 0;
  bool repeats = false;  ///< A string instruction with F2 or F3.
  MachineState before;
  std::vector<Patch> patches;
};

/// Deterministic random numbers (SplitMix64).
class Random {
 public:
  explicit Random(u64 seed) : state_(seed) {}
  u64 next() {
    u64 z = state_ += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }
  /// 0 .. bound - 1
  u64 below(u64 bound) { return next() % bound; }
  bool one_in(u64 n) { return below(n) == 0; }

 private:
  u64 state_;
};

}  // namespace doppel::differential
