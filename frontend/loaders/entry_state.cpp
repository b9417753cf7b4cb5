#include "frontend/loaders/entry_state.h"

#include "cpu/arch/paging.h"
#include "devices/pc_layout.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u16 kData32 = attr::P | attr::S | attr::RW | attr::A | attr::DB | attr::G;
constexpr u16 kCode32 = kData32 | attr::CODE;
constexpr u16 kCode64 = attr::P | attr::S | attr::RW | attr::A | attr::CODE | attr::L | attr::G;

void set_segment(cpu::SegmentRegister& segment, u16 selector, u64 base, u32 limit, u16 attributes) {
  segment.selector = selector;
  segment.base = base;
  segment.limit = limit;
  segment.attributes = attributes;
  segment.update_window();
}

/// Memory types as firmware leaves them: write-back everywhere except video memory, ROMs (write
/// protected) and the hole for PCI.
/// @source Intel SDM Vol. 3A, "Memory Type Range Registers (MTRRs)"
void set_memory_types(cpu::CpuState& state) {
  constexpr u64 kWriteBack = 6;
  constexpr u64 kWriteProtected = 5;
  constexpr u64 kEachByte = 0x0101'0101'0101'0101;
  constexpr u64 kAddressMask = (u64{1} << kMaxPhysBits) - 1;
  constexpr u64 kEnable = 1u << 11;
  constexpr u64 kFixedEnable = 1u << 10;
  constexpr u64 kRangeValid = 1u << 11;
  state.mtrr_fixed[0] = state.mtrr_fixed[1] = kWriteBack * kEachByte;  // 00000-9FFFF
  state.mtrr_fixed[2] = 0;                                             // A0000-BFFFF
  for (unsigned i = 3; i < 11; ++i) state.mtrr_fixed[i] = kWriteProtected * kEachByte;
  state.mtrr_variable[0] = devices::layout::kPciHole;
  state.mtrr_variable[1] =
      (kAddressMask & ~(devices::layout::kFourGib - devices::layout::kPciHole - 1)) | kRangeValid;
  state.mtrr_def_type = kEnable | kFixedEnable | kWriteBack;
}

void enter_real(const Entry& entry, cpu::CpuState& state) {
  constexpr u16 kReal = attr::P | attr::S | attr::RW | attr::A;
  for (cpu::SegmentRegister& segment : state.seg) {
    set_segment(segment, entry.data_segment, u64{entry.data_segment} << 4, 0xffff, kReal);
  }
  set_segment(state.segment(Seg::CS), entry.segment, u64{entry.segment} << 4, 0xffff, kReal);
  state.idtr = {0, 0x3ff};
}

void enter_flat(const Entry& entry, cpu::CpuState& state) {
  const bool long_mode = entry.mode == Entry::Mode::Long64;
  for (cpu::SegmentRegister& segment : state.seg) {
    set_segment(segment, boot_gdt::kData, 0, 0xffff'ffff, kData32);
  }
  set_segment(state.segment(Seg::CS), boot_gdt::kCode, 0, 0xffff'ffff,
              long_mode ? kCode64 : kCode32);
  state.gdtr = {boot_gdt::kAddress, static_cast<u16>(boot_gdt::kSize - 1)};
  state.idtr = {0, 0};
  state.cr0 |= cr0::PE;
  if (long_mode) {
    state.cr3 = entry.page_table;
    state.cr4 |= cr4::PAE;
    state.efer |= efer::LME | efer::LMA;
    state.cr0 |= cr0::PG;
  }
}

}  // namespace

void apply_entry(const Entry& entry, cpu::Cpu& cpu) {
  if (entry.mode == Entry::Mode::Reset) return;
  cpu::CpuState& state = cpu.state;
  state.cr0 &= ~(cr0::CD | cr0::NW);  // Firmware leaves the caches on.
  if (cpu.has(cpu::Feature::mtrr)) set_memory_types(state);
  if (entry.mode == Entry::Mode::Real) {
    enter_real(entry, state);
  } else {
    enter_flat(entry, state);
  }
  for (unsigned i = 0; i < 16; ++i) state.gpr[i] = 0;
  state.gpr[RAX] = entry.rax;
  state.gpr[RBX] = entry.rbx;
  state.gpr[RDX] = entry.rdx;
  state.gpr[RSI] = entry.rsi;
  state.gpr[RDI] = entry.rdi;
  state.gpr[RSP] = entry.stack_pointer;
  state.rip() = entry.ip;
  state.set_rflags(rflags::FIXED);
  cpu.update_paging();
  cpu.update_mode();
}

}  // namespace doppel::frontend::loaders
