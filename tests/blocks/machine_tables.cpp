// What the machines hold before a case: descriptors, gates, handlers and page tables for all modes.

#include "tests/blocks/machine.h"
#include "tests/differential/generator.h"

namespace doppel::blocks {
namespace {

constexpr u64 kDescriptorBytes = 8;
constexpr u64 kEverything = pte::P | pte::W | pte::U;

struct SegmentRow {
  u64 base;
  u64 limit;
  u16 attributes;
};

constexpr u16 kDataAttributes = attr::A | attr::RW | attr::S | attr::P;
constexpr u16 kCodeAttributes = kDataAttributes | attr::CODE;
constexpr u16 k32Bit = attr::DB;
constexpr u16 kPages = attr::G;

constexpr SegmentRow kSegments[kSegmentCount] = {
    {0, 0xfffff, kCodeAttributes | attr::L | kPages},
    {0, 0xfffff, kDataAttributes | k32Bit | kPages},
    {0, 0xfffff, kCodeAttributes | k32Bit | kPages},
    {kCode, 0xfffff, kCodeAttributes | k32Bit | kPages},
    {kCode, 0xffff, kCodeAttributes},
    {kData - kData16Slack, 0xffff, kDataAttributes},
    {kStack - kStack16Slack, 0xffff, kDataAttributes},
    {kCode, 0xffff, kDataAttributes},
    {kData - 0x10000, 0xfffff, kDataAttributes | k32Bit | kPages},  // Offsets wrap around 4 GiB.
    {kData, 0x17fb, kDataAttributes | k32Bit},                      // The limit lies inside a page.
    {kData, 0x1ffe, kDataAttributes | attr::EC | k32Bit},
    {kData, 0x2fff, attr::A | attr::S | attr::P},
    {kData - kData16Slack, 0x47fb, kDataAttributes},
    {kData - kData16Slack, 0x2fff, kDataAttributes | attr::EC},
    {kData, 0xffff, attr::A | attr::RW | attr::S},
};

constexpr u64 descriptor(u64 base, u64 limit, u64 a) {
  return (limit & 0xffff) | (base & 0xff'ffff) << 16 | (a & 0xff) << 40 | (limit >> 16 & 0xf) << 48 | (a >> 8) << 52 |
         (base >> 24 & 0xff) << 56;
}

/// Traps and interrupts return, faults end the run.
constexpr bool returns(unsigned vector) { return (vector >= 1 && vector <= 4) || vector >= 0x20; }

}  // namespace

void BlockMachine::write_descriptors() {
  for (unsigned i = 0; i < kSegmentCount; ++i) {
    const SegmentRow& row = kSegments[i];
    for (unsigned privilege : {0u, 3u}) {
      const u16 selector = selector_of(static_cast<Segments>(i), privilege);
      put(kGdt + (selector & 0xfff8), descriptor(row.base, row.limit, row.attributes | privilege << attr::kDplShift));
    }
  }
  constexpr u16 kBusy = attr::P | static_cast<u16>(SystemType::TssBusy);
  put(kGdt + kTss64Selector, descriptor(kSystem + kTss64, 103, kBusy));
  put(kGdt + kTss64Selector + kDescriptorBytes, u64{0});
  put(kGdt + kTss32Selector, descriptor(kSystem + kTss32, 103, kBusy));
  // @source Intel SDM Vol. 3A, "64-Bit TSS": RSP0 at 4, IST1 at 36; "Task-State Segment (TSS)": ESP0 at 4, SS0 at 8
  put(kTss64 + 4, kSystem + kKernelStackEnd);
  put(kTss64 + 36, kSystem + kIstStackEnd);
  put(kTss64 + 102, u16{0xffff});
  put(kTss32 + 4, static_cast<u32>(kSystem + kKernelStackEnd));
  put(kTss32 + 8, u32{selector_of(kFlat, 0)});
  put(kTss32 + 102, u16{0xffff});
  put(kPseudoDescriptors, kGdtLimit);
  put(kPseudoDescriptors + 2, kSystem + kGdt);
}

void BlockMachine::write_gates() {
  constexpr u64 kCodeSelector64 = selector_of(kCode64, 0), kCodeSelector32 = selector_of(kCode32, 0);
  for (unsigned vector = 0; vector < 256; ++vector) {
    // Software may call the returning ones.
    const u64 type = returns(vector) ? 0xee : 0x8e;
    const u64 ist = vector < 0x20 ? 1 : 0;
    const u64 at64 = kSystem + kHandlers + (returns(vector) ? kReturnHandler64 : kHaltHandler);
    put(kIdt64 + vector * 16, (at64 & 0xffff) | kCodeSelector64 << 16 | ist << 32 | type << 40 | (at64 >> 16 & 0xffff) << 48);
    put(kIdt64 + vector * 16 + 8, at64 >> 32);
    const u64 at32 = kSystem + kHandlers + (returns(vector) ? kReturnHandler32 : kHaltHandler);
    put(kIdt32 + vector * 8, (at32 & 0xffff) | kCodeSelector32 << 16 | type << 40 | (at32 >> 16) << 48);
    put(u64{vector} * 4, static_cast<u32>(kRealHandlers + (returns(vector) ? kReturnHandler32 : kHaltHandler)));
  }
  static constexpr u8 kHalt[] = {0xf4, 0xeb, 0xfd};  // HLT, and again.
  for (u64 handlers : {kHandlers, kRealHandlers}) {
    put(handlers + kHaltHandler, kHalt, sizeof kHalt);
    put(handlers + kReturnHandler64, u16{0xcf48});
    put(handlers + kReturnHandler32, u8{0xcf});
  }
}

void BlockMachine::map_long(u64 linear, u64 entry) {
  u64 table = kPageTables;
  for (unsigned shift = 39; shift > 12; shift -= 9) {
    const u64 at = table + (linear >> shift & 511) * 8;
    u64 next = physical_.read<u64>(PhysAddr(at)) & kPageMask;
    if (next == 0) {
      next = next_table_;
      next_table_ += kPageSize;
      put(at, next | kEverything);
    }
    table = next;
  }
  put(table + (linear >> 12 & 511) * 8, entry);
}

void BlockMachine::map_legacy(u64 linear, u64 entry) {
  const u64 at = directory_ + (linear >> 22) * 4;
  u64 table = physical_.read<u32>(PhysAddr(at)) & kPageMask;
  if (table == 0) {
    table = next_table_;
    next_table_ += kPageSize;
    put(at, static_cast<u32>(table | kEverything));
  }
  put(table + (linear >> 12 & 1023) * 4, static_cast<u32>(entry));
}

u64 BlockMachine::entry_of(u64 linear, bool long_mode) {
  if (!long_mode) {
    const u64 table = physical_.read<u32>(PhysAddr(directory_ + (linear >> 22) * 4)) & kPageMask;
    return table + (linear >> 12 & 1023) * 4;
  }
  u64 table = kPageTables;
  for (unsigned shift = 39; shift > 12; shift -= 9) {
    table = physical_.read<u64>(PhysAddr(table + (linear >> shift & 511) * 8)) & kPageMask;
  }
  return table + (linear >> 12 & 511) * 8;
}

void BlockMachine::map(u64 linear, u64 physical, u64 flags) {
  const u64 entry = flags == 0 ? 0 : physical | flags | pte::P;
  map_long(linear, entry);
  map_legacy(linear, entry & ~pte::NX);
}

void BlockMachine::map_code(const BlockCase& block) {
  const u64 frames = code_frames(block);
  const u64 linear = code_linear(block);
  u64 second = kEverything;
  switch (block.second_page) {
    case SecondPage::Present: break;
    case SecondPage::Absent: second = 0; break;
    case SecondPage::Supervisor: second = pte::P | pte::W; break;
    case SecondPage::NoExecute: second = kEverything | pte::NX; break;
  }
  const auto set = [&](u64 address, u64 frame, u64 flags) {
    if (flags != 0 && block.warm) flags |= pte::A | pte::D;
    if (is_low(block.setting)) map_legacy(address, flags == 0 ? 0 : (frame | flags) & ~pte::NX);
    else map(address, frame, flags);
  };
  set(linear, frames, kEverything);
  set(linear + kSecondPage, frames + kPageSize, second);
  set(linear + kOtherPage, frames + 2 * kPageSize, kEverything);
  set(linear + kAliasPage, frames, kEverything);
}

void BlockMachine::write_tables() {
  write_gates();
  write_descriptors();
  directory_ = kPageTables + kPageSize;
  next_table_ = directory_ + kPageSize;
  const auto map_data = [&](u64 linear) {
    constexpr u64 kFlags[] = {kEverything, kEverything, kEverything, pte::P | pte::U, 0, pte::P | pte::W, 0, kEverything};
    for (unsigned i = 0; i < 8; ++i) {
      const u64 entry = kFlags[i] == 0 ? 0 : (kDataFrames + i * kPageSize) | kFlags[i];
      if (linear == kData) map_long(linear + i * kPageSize, entry);
      map_legacy(linear + i * kPageSize, entry);
    }
  };
  map_data(kData);
  map_data(kDataFrames);
  for (unsigned i = 0; i < kStackFrameCount; ++i) {
    map(kStack + i * kPageSize, kStackFrames + i * kPageSize, kEverything);
    map_legacy(kStackFrames + i * kPageSize, (kStackFrames + i * kPageSize) | kEverything);
  }
  for (unsigned i = 0; i < 4; ++i) map(kCode + i * kPageSize, kHighSets + i * kPageSize, kEverything);
  for (u64 at = 0; at < kSystemEnd; at += kPageSize) map(kSystem + at, at, pte::W);

  // Contents of data and stack, as the differential test has them.
  std::vector<u8> bytes(kDataFrameCount * kPageSize + kStackFrameCount * kPageSize + 2 * kPageSize);
  differential::MemoryView view{bytes.data() + (kDataFrameCount + kStackFrameCount) * kPageSize, bytes.data(),
                                bytes.data() + kDataFrameCount * kPageSize};
  differential::Generator(7).fill_background(view);
  for (unsigned page = 4; page < kDataFrameCount; ++page) {
    std::copy_n(bytes.begin(), kPageSize, bytes.begin() + page * static_cast<long>(kPageSize));
    bytes[page * kPageSize] = static_cast<u8>(page);
  }
  put(kDataFrames, bytes.data(), kDataFrameCount * kPageSize);
  put(kStackFrames, bytes.data() + kDataFrameCount * kPageSize, kStackFrameCount * kPageSize);
}

}  // namespace doppel::blocks
