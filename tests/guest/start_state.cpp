#include "tests/guest/start_state.h"

#include "cpu/segmentation.h"

namespace doppel::guest {
namespace {

constexpr u64 kGdt = 0x2000;
constexpr u16 kGdtLimit = 0x3ff;
constexpr u64 kLdt = 0x2400;
constexpr u64 kTss = 0x2800;
constexpr u32 kTssLimit = 0x67;
constexpr u64 kStack = 0x7c00;
constexpr u64 kRing0Stack = 0x7000;
constexpr u64 kPageTables = 0x10000;

constexpr u16 kCode64 = 0x08, kCode32 = 0x18, kData32 = 0x20, kTssSelector = 0x58;

constexpr u64 descriptor(u64 base, u64 limit, u64 attributes) {
  return bit_field(limit, 15, 0) | bit_field(base, 23, 0) << 16 |
         bit_field(attributes, 7, 0) << 40 | bit_field(limit, 19, 16) << 48 |
         bit_field(attributes, 11, 8) << 52 | bit_field(base, 31, 24) << 56;
}

class Builder {
 public:
  Builder(const Program& program, cpu::Cpu& cpu)
      : program_(program),
        cpu_(cpu),
        memory_(cpu.mmu.memory()),
        long_(program.mode == StartMode::Long64) {}

  void run() {
    write_descriptors();
    write_tss();
    write_page_tables();
    memory_.write_bytes(PhysAddr(program_.origin), program_.image);
    cpu::CpuState& state = cpu_.state;
    for (unsigned i = 0; i < 16; ++i) state.gpr[i] = 0;
    state.gpr[RSP] = program_.runs_on("host") ? program_.origin + 0x80000 : kStack;
    state.rip() = program_.origin;
    state.set_rflags(rflags::FIXED);
    if (program_.mode == StartMode::Real) {
      enter_real();
    } else {
      enter_protected();
    }
    cpu_.update_paging();
    cpu_.update_mode();
    cpu_.mmu.flush_all();
  }

 private:
  void poke(u64 address, u64 value, Width width = Width::Qword) {
    memory_.write(PhysAddr(address), width, value);
  }

  void write_descriptors() {
    struct Row {
      u16 selector;
      u64 value;
    };
    const u64 tss_type = program_.mode == StartMode::Real ? 0x89 : 0x8b;
    const Row rows[] = {
        {0x08, descriptor(0, 0xfffff, 0xa9b)},         {0x10, descriptor(0, 0xfffff, 0xc93)},
        {0x18, descriptor(0, 0xfffff, 0xc9b)},         {0x20, descriptor(0, 0xfffff, 0xc93)},
        {0x28, descriptor(0, 0xfffff, 0xcfb)},         {0x30, descriptor(0, 0xfffff, 0xcf3)},
        {0x38, descriptor(0, 0xfffff, 0xafb)},         {0x40, descriptor(0, 0xfffff, 0xcf3)},
        {0x48, descriptor(0, 0xffff, 0x09b)},          {0x50, descriptor(0, 0xffff, 0x093)},
        {0x58, descriptor(kTss, kTssLimit, tss_type)}, {0x68, descriptor(0, 0xfffff, 0xc9f)},
        {0x70, descriptor(kLdt, 0x3ff, 0x082)},
    };
    for (const Row& row : rows) poke(kGdt + row.selector, row.value);
  }

  void write_tss() {
    poke(kTss + 4, kRing0Stack);
    if (long_) {
      poke(kTss + 36, 0x6800);
      poke(kTss + 44, 0x6400);
    } else {
      poke(kTss + 8, kData32);
    }
    poke(kTss + 0x66, kTssLimit + 1, Width::Word);
  }

  void write_page_tables() {
    constexpr u64 kTable = pte::P | pte::W | pte::U;
    const u64 pdpt = kPageTables + 0x1000, directory = kPageTables + 0x2000,
              table = kPageTables + 0x3000;
    poke(kPageTables, pdpt | kTable);
    poke(pdpt, directory | kTable);
    poke(directory, table | kTable);
    for (u64 i = 1; i < 4; ++i) poke(directory + i * 8, i << 21 | kTable | pte::PS);
    for (u64 i = 0; i < 512; ++i) poke(table + i * 8, i << kPageShift | kTable);
  }

  void enter_real() {
    cpu::CpuState& state = cpu_.state;
    state.cr0 = cr0::ET;
    for (cpu::SegmentRegister& one : state.seg) cpu::set_real_segment(one, 0, false);
  }

  void enter_protected() {
    cpu::CpuState& state = cpu_.state;
    state.cr0 = cr0::PE | cr0::ET | cr0::NE;
    state.gdtr = {kGdt, kGdtLimit};
    state.idtr = {0, 0};
    load(state.tr, kTssSelector, kTss, kTssLimit, 0x08b);
    for (cpu::SegmentRegister& one : state.seg) load(one, kData32, 0, 0xffff'ffff, 0xc93);
    load(state.segment(Seg::CS), long_ ? kCode64 : kCode32, 0, 0xffff'ffff, long_ ? 0xa9b : 0xc9b);
    state.cpl = 0;
    if (!long_) return;
    state.cr3 = kPageTables;
    state.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT;
    state.efer = efer::LME | efer::LMA | efer::NXE | efer::SCE;
    state.cr0 |= cr0::PG | cr0::WP;
  }

  static void load(cpu::SegmentRegister& segment, u16 selector, u64 base, u32 limit,
                   u16 attributes) {
    segment.selector = selector;
    segment.base = base;
    segment.limit = limit;
    segment.attributes = attributes;
    segment.update_window();
  }

  const Program& program_;
  cpu::Cpu& cpu_;
  mmu::PhysicalMemory& memory_;
  const bool long_;
};

}  // namespace

void place(const Program& program, cpu::Cpu& cpu) { Builder(program, cpu).run(); }

}  // namespace doppel::guest
