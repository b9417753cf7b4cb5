// What a write to a control register means.
//
// The bits are few, the transitions are many: CR0.PG with EFER.LME is the door to long mode, with
// CR4.PAE it reads four page-directory pointers, and most combinations are forbidden. Each function
// checks everything first and then changes the register, the MMU and the mode together.
//
// @source Intel SDM Vol. 2, "MOV—Move to/from Control Registers"; Vol. 3A, "Control Registers",
//         "Initializing IA-32e Mode"

#include "cpu/control_registers.h"

#include <algorithm>

#include "cpu/cpuid.h"

namespace doppel::cpu {
namespace {

constexpr u64 kCr0Bits = cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::ET | cr0::NE | cr0::WP | cr0::AM |
                         cr0::NW | cr0::CD | cr0::PG;
/// With PAE paging, a change of these reads the page-directory pointers again.
constexpr u64 kPdpteCr0 = cr0::PG | cr0::CD | cr0::NW;
constexpr u64 kMmuCr0 = cr0::PE | cr0::WP | kPdpteCr0;
constexpr u64 kPdpteCr4 = cr4::PAE | cr4::PGE | cr4::PSE | cr4::SMEP;
constexpr u64 kCr3NoFlush = u64{1} << 63;

/// Bits of CR4 that exist on this model.
u64 cr4_bits(const CpuModel& model) {
  struct Row {
    Feature feature;
    u64 bits;
  };
  static constexpr Row kRows[] = {
      {Feature::vme, cr4::VME | cr4::PVI},
      {Feature::tsc, cr4::TSD},
      {Feature::de, cr4::DE},
      {Feature::pse, cr4::PSE},
      {Feature::pae, cr4::PAE},
      {Feature::mce, cr4::MCE},
      {Feature::pge, cr4::PGE},
      {Feature::mmx, cr4::PCE},  // RDPMC came with it.
      {Feature::fxsr, cr4::OSFXSR},
      {Feature::sse, cr4::OSXMMEXCPT},
      {Feature::umip, cr4::UMIP},
      {Feature::la57, cr4::LA57},
      {Feature::fsgsbase, cr4::FSGSBASE},
      {Feature::pcid, cr4::PCIDE},
      {Feature::xsave, cr4::OSXSAVE},
      {Feature::smep, cr4::SMEP},
      {Feature::smap, cr4::SMAP},
      {Feature::pku, cr4::PKE},
  };
  u64 bits = 0;
  for (const Row& row : kRows) bits |= model.has(row.feature) ? row.bits : 0;
  return bits;
}

bool pae_paging(u64 cr0_value, u64 cr4_value, u64 efer_value) {
  return (cr0_value & cr0::PG) != 0 && (cr4_value & cr4::PAE) != 0 && (efer_value & efer::LMA) == 0;
}

/// The four PDPTEs that CR3 points to. @errors #GP(0): reserved bits
Result<std::array<u64, 4>> read_pdptes(Cpu& cpu, u64 cr3_value, u64 cr4_value) {
  PagingContext context;
  context.cr0 = cpu.state.cr0;
  context.cr3 = cr3_value;
  context.cr4 = cr4_value;
  context.efer = cpu.state.efer;
  DOPPEL_TRY(cpu.mmu.walker().load_pdptes(context));
  std::array<u64, 4> result;
  std::copy(std::begin(context.pdpte), std::end(context.pdpte), result.begin());
  return result;
}

/// May PG go from 0 to 1 now, with LME set?
bool may_enter_long_mode(const CpuState& state) {
  const bool tss16 = (state.tr.attributes & 8) == 0;
  return (state.cr4 & cr4::PAE) != 0 && (state.segment(Seg::CS).attributes & attr::L) == 0 && !tss16;
}

}  // namespace

Result<void> write_cr0(Cpu& cpu, u64 value) {
  CpuState& state = cpu.state;
  if (value >> 32 != 0) return gp();
  value = (value & kCr0Bits) | cr0::ET;
  const bool paging = (value & cr0::PG) != 0;
  if (paging && (value & cr0::PE) == 0) return gp();
  if ((value & cr0::NW) != 0 && (value & cr0::CD) == 0) return gp();

  u64 efer_value = state.efer;
  const bool was_paging = (state.cr0 & cr0::PG) != 0;
  if (paging && !was_paging && (efer_value & efer::LME) != 0) {
    if (!may_enter_long_mode(state)) return gp();
    efer_value |= efer::LMA;
  }
  if (!paging && was_paging) {
    if (cpu.code64() || (state.cr4 & cr4::PCIDE) != 0) return gp();
    efer_value &= ~efer::LMA;
  }
  if (pae_paging(value, state.cr4, efer_value) && ((value ^ state.cr0) & kPdpteCr0) != 0) {
    DOPPEL_TRY(cpu.pdpte, read_pdptes(cpu, state.cr3, state.cr4));
  }
  const u64 changed = value ^ state.cr0;
  state.cr0 = value;
  state.efer = efer_value;
  // TS goes on and off at every context switch; the MMU takes a call without news for a CR3 write.
  if ((changed & kMmuCr0) != 0) cpu.update_paging();
  if (changed != 0) cpu.update_mode();
  return {};
}

Result<void> write_cr3(Cpu& cpu, u64 value) {
  CpuState& state = cpu.state;
  bool keep = false;
  if ((state.cr4 & cr4::PCIDE) != 0) {
    keep = (value & kCr3NoFlush) != 0;
    value &= ~kCr3NoFlush;
  }
  if (state.long_mode() && value >> physical_bits(cpu.model()) != 0) return gp();
  if (pae_paging(state.cr0, state.cr4, state.efer)) {
    DOPPEL_TRY(cpu.pdpte, read_pdptes(cpu, value, state.cr4));
  }
  state.cr3 = value;
  cpu.update_paging(keep);
  return {};
}

Result<void> write_cr4(Cpu& cpu, u64 value) {
  CpuState& state = cpu.state;
  if ((value & ~cr4_bits(cpu.model())) != 0) return gp();
  const u64 changed = value ^ state.cr4;
  if (state.long_mode()) {
    if ((value & cr4::PAE) == 0 || (changed & cr4::LA57) != 0) return gp();
  }
  if ((changed & value & cr4::PCIDE) != 0 && (!state.long_mode() || (state.cr3 & 0xfff) != 0)) {
    return gp();
  }
  if (pae_paging(state.cr0, value, state.efer) && (changed & kPdpteCr4) != 0) {
    DOPPEL_TRY(cpu.pdpte, read_pdptes(cpu, state.cr3, value));
  }
  if (changed == 0) return {};
  state.cr4 = value;
  cpu.update_paging();
  cpu.update_mode();
  return {};
}

}  // namespace doppel::cpu
