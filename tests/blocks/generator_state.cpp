// What a block starts from: registers that lead somewhere interesting, numbers that are.

#include <cstring>

#include "cpu/arch/rflags.h"
#include "tests/blocks/generator.h"

namespace doppel::blocks {

u64 BlockGenerator::random_integer() {
  switch (random_.below(10)) {
    case 0: return random_.below(256);
    case 1: return ~u64{0} - random_.below(16);
    case 2: return u64{1} << random_.below(64);
    case 3: return (u64{1} << random_.below(64)) - 1;
    case 4: return 0;
    case 5: {
      static constexpr u64 kEdges[] = {0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff'ffff, 0x8000'0000, 0xffff'ffff};
      return kEdges[random_.below(std::size(kEdges))];
    }
    case 6:
    case 7: return random_.below(64);
    default: return random_.next();
  }
}

/// A linear address that a pointer may hold. `calm`: one that can be written.
u64 BlockGenerator::window_address(bool calm) {
  const bool low = is_low(block_.setting);
  const u64 window = low ? kDataFrames : kData;
  const u64 inside = window + 0x100 + random_.below(kWritableBytes - 0x300);
  if (!calm || random_.one_in(30)) {
    switch (random_.below(20)) {
      case 0: return window + kReadOnlyPage + random_.below(0x1000);
      case 1: return window + kReadOnlyPage - random_.below(40);
      case 2: return window + random_.below(16) - 8;
      case 3: return window + 0x4000 - random_.below(40);
      case 4: return window + kSupervisorPage + random_.below(0x1000);
      case 5:
      case 6: return window + kRemappedPage + random_.below(0xf80);
      case 7: return code_linear(block_) + block_.entry_offset + random_.below(400);  // Data beside code, or code.
      case 8: return code_linear(block_) + random_.below(0x2000);
      case 9: return (low ? kStackFrames : kStack) + random_.below(0x2000);
      default: break;
    }
  }
  switch (random_.below(6)) {
    case 0: return window + 0x1000 * (1 + random_.below(2)) - random_.below(40);  // Across two pages.
    case 1: return inside;
    case 2: return align_down(inside, 8);
    default: return align_down(inside, 64);
  }
}

void BlockGenerator::start_state(StartState& start, bool calm) {
  const u64 mask = bits64() ? ~u64{0} : u64{0xffff'ffff};
  const u64 data_base = data_segment_base(static_cast<unsigned>(Seg::DS));
  const u64 stack_base = data_segment_base(static_cast<unsigned>(Seg::SS));
  const u64 stack = is_low(block_.setting) ? kStackFrames : kStack;
  for (unsigned i = 0; i < 16; ++i) {
    if (i < 8 || is_long(block_.setting)) start.gpr[i] = random_integer() & (i < 8 ? mask : ~u64{0});
  }
  const auto offset = [&](u64 address, u64 base) {
    u64 value = (address - base) & mask;
    if (bits16()) {
      value &= 0xffff;
      // What lies above a 16-bit address must not matter.
      if (random_.one_in(8)) value |= random_.next() & 0xffff'0000;
    }
    return value;
  };
  for (u8 reg : roles_.pointers) start.gpr[reg] = offset(window_address(calm), data_base);
  for (u8 reg : roles_.small) start.gpr[reg] = random_.one_in(20) ? random_integer() & mask : random_.below(20);
  const u64 frame = random_.one_in(4) ? window_address(calm) : stack + 0x800 + random_.below(0x1000);
  start.gpr[RBP] = offset(frame, stack_base);
  u64 top = stack + 0x400 + align_down(random_.below(0x1800), bits64() ? 8 : bits16() ? 2 : 4);
  if (!calm && random_.one_in(6)) top = stack + random_.below(64);
  if (!calm && random_.one_in(6)) top = stack + 0x2000 - random_.below(64);
  if (random_.one_in(12)) top = stack + 0x1000 - random_.below(24);
  start.gpr[RSP] = (top - stack_base) & mask;
  if (bits16()) start.gpr[RSP] &= 0xffff;

  u64 flags = random_.next() & rflags::kArithmetic;
  flags |= rflags::FIXED;
  if (random_.one_in(2)) flags |= rflags::IF;
  if (random_.one_in(12)) flags |= rflags::DF;
  if (random_.one_in(60)) flags |= rflags::TF;
  if (random_.one_in(80)) flags |= rflags::AC;
  if (random_.one_in(block_.setting == Setting::V86 ? 2 : 10)) flags |= rflags::IOPL;
  if (block_.setting == Setting::V86) flags |= rflags::VM;
  start.rflags = flags;
  start.fs_base = random_.one_in(12) ? random_.next() >> 16 : align_down(random_.below(0x400), 16);
  start.gs_base = random_.one_in(12) ? sign_extend(random_.next(), 47) : align_down(random_.below(0x400), 16);

  if (used_.empty() && !random_.one_in(6)) return;
  const differential::Form* form = used_.empty() ? nullptr : used_[random_.below(used_.size())];
  differential::TestCase values;
  differential::Decoded decoded;
  if (form != nullptr && values_.make(*form, random_.next(), values, decoded)) {
    start.fp = values.before.fp;
    std::memcpy(start.ymm_high, values.before.ymm_high, sizeof start.ymm_high);
  } else {
    for (unsigned i = 0; i < 16; ++i) {
      for (unsigned at = 0; at < 16; at += 8) {
        const u64 low = random_integer(), high = random_integer();
        std::memcpy(start.fp.xmm[i] + at, &low, 8);
        std::memcpy(start.ymm_high[i] + at, &high, 8);
      }
    }
  }
  // Unmasked exceptions end a block early.
  if (calm && !random_.one_in(8)) {
    start.fp.fcw |= 0x3f;
    start.fp.fsw = static_cast<u16>(start.fp.fsw & ~0x8080u);
    start.fp.mxcsr |= 0x1f80;
  }
}

void BlockGenerator::choose_runs() {
  const u64 count = 3 + random_.below(5);
  for (u64 i = 0; i < count; ++i) {
    RunSpec run;
    start_state(run.start, random_.below(4) != 0);
    // An engine may leave the end of a budget to the interpreter: most runs leave room behind the block.
    run.budget = (random_.one_in(4) ? 10 : 150) + block_.items.size() * 2 + random_.below(random_.one_in(4) ? 400 : 80);
    switch (random_.below(6)) {
      case 0: run.slices = static_cast<u8>(1 + random_.below(7)); break;
      case 2: run.slices = static_cast<u8>(8 + random_.below(200)); break;
      default: break;
    }
    run.slice_seed = random_.next();
    if (run.slices != 0 && random_.one_in(4)) run.interrupt_after = static_cast<int>(random_.below(12));
    block_.runs.push_back(run);
  }
}

}  // namespace doppel::blocks
