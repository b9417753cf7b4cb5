// Model-specific registers.
//
// Three kinds: those that are processor state, those that chips own (local APIC, deadline timer; the
// environment answers), and constants firmware likes to read. What is none of these is #GP(0), as on
// hardware: systems probe for registers that way.
//
// @source Intel SDM Vol. 4, "Architectural MSRs"; Vol. 3A, "Memory Type Range Registers (MTRRs)"

#include "cpu/arch/msr.h"

#include "cpu/cpuid.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

constexpr u32 kP5McAddress = 0x0, kP5McType = 0x1;
constexpr u32 kPlatformId = 0x17;
constexpr u32 kMtrrFix4kLast = msr::MTRR_FIX4K_C0000 + 7;
constexpr u32 kVariableMtrrs = 8;
constexpr u64 kMtrrCap = kVariableMtrrs | 1u << 8 | 1u << 10;  // Fixed ranges, write combining.
constexpr u64 kMtrrDefBits = 0xcff;  // E, FE, type.
constexpr u64 kMtrrMaskValid = 1u << 11;
constexpr u64 kFeatureControlLocked = 1;
constexpr u64 kMicrocodeRevision = u64{1} << 32;
constexpr u64 kDebugctlBits = 3;       // LBR, BTF.
/// Fast strings, TCC, XD bit disable and the like may be written; nothing depends on them.
constexpr u64 kMiscEnableBits = u64{1} << 0 | u64{1} << 3 | u64{1} << 16 | u64{1} << 18 | u64{1} << 22;

bool is_mtrr_type(u64 type) { return type == 0 || type == 1 || type == 4 || type == 5 || type == 6; }
bool is_pat_type(u64 type) { return is_mtrr_type(type) || type == 7; }

template <class Check>
bool all_bytes(u64 value, Check check) {
  for (unsigned i = 0; i < 8; ++i) {
    if (!check(value >> (i * 8) & 0xff)) return false;
  }
  return true;
}

/// Index into CpuState::mtrr_fixed, or -1.
int fixed_mtrr(u32 index) {
  if (index == msr::MTRR_FIX64K_00000) return 0;
  if (index == msr::MTRR_FIX16K_80000) return 1;
  if (index == msr::MTRR_FIX16K_A0000) return 2;
  if (index >= msr::MTRR_FIX4K_C0000 && index <= kMtrrFix4kLast) {
    return 3 + static_cast<int>(index - msr::MTRR_FIX4K_C0000);
  }
  return -1;
}

bool is_variable_mtrr(u32 index) {
  return index >= msr::MTRR_PHYSBASE0 && index < msr::MTRR_PHYSBASE0 + 2 * kVariableMtrrs;
}

/// Is this register a chip's, on this model?
bool is_environment_msr(const Cpu& cpu, u32 index) {
  if (index == msr::APIC_BASE) return cpu.has(Feature::apic);
  if (index == msr::TSC_DEADLINE) return cpu.has(Feature::tsc_deadline);
  return index >= msr::X2APIC_FIRST && index <= msr::X2APIC_LAST && cpu.has(Feature::x2apic);
}

/// Which feature a register came with; kCount: always there.
Feature required_feature(u32 index) {
  switch (index) {
    case kP5McAddress:
    case kP5McType:
      return Feature::mce;
    case msr::TSC:
      return Feature::tsc;
    case msr::TSC_ADJUST:
      return Feature::tsc_adjust;
    case msr::SYSENTER_CS:
    case msr::SYSENTER_ESP:
    case msr::SYSENTER_EIP:
      return Feature::sep;
    case msr::MTRRCAP:
    case msr::MTRR_DEF_TYPE:
      return Feature::mtrr;
    case msr::MCG_CAP:
    case msr::MCG_STATUS:
      return Feature::mca;
    case msr::PAT:
      return Feature::pat;
    case msr::EFER:
    case msr::STAR:
      return Feature::syscall;
    case msr::LSTAR:
    case msr::CSTAR:
    case msr::SFMASK:
    case msr::FS_BASE:
    case msr::GS_BASE:
    case msr::KERNEL_GS_BASE:
      return Feature::lm;
    case msr::TSC_AUX:
      return Feature::rdtscp;
    default:
      return is_variable_mtrr(index) || fixed_mtrr(index) >= 0 ? Feature::mtrr : Feature::kCount;
  }
}

bool exists(const Cpu& cpu, u32 index) {
  if (index == msr::TSC_AUX && cpu.has(Feature::rdpid)) return true;
  if (index == msr::EFER && (cpu.has(Feature::nx) || cpu.has(Feature::lm))) return true;
  // Registers of the P6 family and later.
  const bool p6 = index == kPlatformId || index == msr::BIOS_SIGN_ID || index == msr::DEBUGCTL ||
                  index == msr::FEATURE_CONTROL || index == msr::MISC_ENABLE;
  if (p6 && cpu.model().family < 6) return false;
  const Feature needed = required_feature(index);
  return needed == Feature::kCount || cpu.has(needed);
}

Result<void> write_efer(Cpu& cpu, u64 value) {
  CpuState& state = cpu.state;
  const u64 allowed = (cpu.has(Feature::syscall) ? efer::SCE : 0) | (cpu.has(Feature::nx) ? efer::NXE : 0) |
                      (cpu.has(Feature::lm) ? efer::LME | efer::LMA : 0);
  if ((value & ~allowed) != 0) return gp();
  if (((value ^ state.efer) & efer::LME) != 0 && (state.cr0 & cr0::PG) != 0) return gp();
  // LMA follows paging and cannot be written.
  const u64 after = (value & ~efer::LMA) | (state.efer & efer::LMA);
  const u64 changed = after ^ state.efer;
  state.efer = after;
  if ((changed & (efer::NXE | efer::LME)) != 0) cpu.update_paging();
  return {};
}

Result<void> write_variable_mtrr(Cpu& cpu, u32 index, u64 value) {
  const bool is_mask = (index & 1) != 0;
  const u64 address_bits = ((u64{1} << physical_bits(cpu.model())) - 1) & ~kPageOffsetMask;
  if (is_mask) {
    if ((value & ~(address_bits | kMtrrMaskValid)) != 0) return gp();
  } else if ((value & ~(address_bits | 0xff)) != 0 || !is_mtrr_type(value & 0xff)) {
    return gp();
  }
  cpu.state.mtrr_variable[index - msr::MTRR_PHYSBASE0] = value;
  return {};
}

/// A register that holds a linear address.
Result<void> write_address(const Cpu& cpu, u64& target, u64 value) {
  if (!cpu.has(Feature::lm)) {
    target = value & 0xffff'ffff;
    return {};
  }
  if (!is_canonical(value, linear_bits(cpu.model()))) return gp();
  target = value;
  return {};
}

Result<void> write_base(Cpu& cpu, Seg segment, u64 value) {
  DOPPEL_TRY(write_address(cpu, cpu.state.segment(segment).base, value));
  cpu.update_segment(segment);
  return {};
}

}  // namespace

Result<u64> read_msr(Cpu& cpu, u32 index) {
  const CpuState& state = cpu.state;
  if (is_environment_msr(cpu, index)) {
    u64 value = 0;
    if (!cpu.environment.read_msr(index, value)) return gp();
    return value;
  }
  if (!exists(cpu, index)) return gp();
  if (is_variable_mtrr(index)) return u64{state.mtrr_variable[index - msr::MTRR_PHYSBASE0]};
  if (const int fixed = fixed_mtrr(index); fixed >= 0) return u64{state.mtrr_fixed[fixed]};
  switch (index) {
    case kP5McAddress:
    case kP5McType:
    case kPlatformId:
    case msr::MCG_CAP:  // No banks.
      return u64{0};
    case msr::TSC: return cpu.environment.tsc();
    case msr::TSC_ADJUST: return cpu.environment.tsc_adjust();
    case msr::FEATURE_CONTROL: return u64{kFeatureControlLocked};
    case msr::BIOS_SIGN_ID: return u64{kMicrocodeRevision};
    case msr::MTRRCAP: return u64{kMtrrCap};
    case msr::MTRR_DEF_TYPE: return u64{state.mtrr_def_type};
    case msr::SYSENTER_CS: return u64{state.sysenter_cs};
    case msr::SYSENTER_ESP: return u64{state.sysenter_esp};
    case msr::SYSENTER_EIP: return u64{state.sysenter_eip};
    case msr::MCG_STATUS: return u64{state.mcg_status};
    case msr::MISC_ENABLE: return u64{state.misc_enable};
    case msr::DEBUGCTL: return u64{state.debugctl};
    case msr::PAT: return u64{state.pat};
    case msr::EFER: return u64{state.efer};
    case msr::STAR: return u64{state.star};
    case msr::LSTAR: return u64{state.lstar};
    case msr::CSTAR: return u64{state.cstar};
    case msr::SFMASK: return u64{state.sfmask};
    case msr::FS_BASE: return u64{state.segment(Seg::FS).base};
    case msr::GS_BASE: return u64{state.segment(Seg::GS).base};
    case msr::KERNEL_GS_BASE: return u64{state.kernel_gs_base};
    case msr::TSC_AUX: return u64{state.tsc_aux};
    default: return gp();
  }
}

Result<void> write_msr(Cpu& cpu, u32 index, u64 value) {
  CpuState& state = cpu.state;
  if (is_environment_msr(cpu, index)) {
    if (!cpu.environment.write_msr(index, value)) return gp();
    cpu.attention = true;  // Timers and interrupt priorities may have moved.
    return {};
  }
  if (!exists(cpu, index)) return gp();
  if (is_variable_mtrr(index)) return write_variable_mtrr(cpu, index, value);
  if (const int fixed = fixed_mtrr(index); fixed >= 0) {
    if (!all_bytes(value, is_mtrr_type)) return gp();
    state.mtrr_fixed[fixed] = value;
    return {};
  }
  switch (index) {
    case kP5McAddress:
    case kP5McType:
    case msr::BIOS_SIGN_ID:  // Written before CPUID to ask for the revision.
      return {};
    case msr::TSC:
      cpu.environment.set_tsc(value);
      cpu.attention = true;  // A deadline may have come nearer.
      return {};
    case msr::TSC_ADJUST:
      cpu.environment.set_tsc_adjust(value);
      cpu.attention = true;
      return {};
    case msr::MTRR_DEF_TYPE:
      if ((value & ~kMtrrDefBits) != 0 || !is_mtrr_type(value & 0xff)) return gp();
      state.mtrr_def_type = value;
      return {};
    case msr::SYSENTER_CS:
      state.sysenter_cs = value & 0xffff'ffff;
      return {};
    case msr::SYSENTER_ESP: return write_address(cpu, state.sysenter_esp, value);
    case msr::SYSENTER_EIP: return write_address(cpu, state.sysenter_eip, value);
    case msr::MCG_STATUS:
      if ((value & ~u64{7}) != 0) return gp();
      state.mcg_status = value;
      return {};
    case msr::MISC_ENABLE:
      state.misc_enable = (state.misc_enable & ~kMiscEnableBits) | (value & kMiscEnableBits);
      return {};
    case msr::DEBUGCTL:
      // Simplified: BTF does not turn single-stepping into branch-stepping.
      if ((value & ~kDebugctlBits) != 0) return gp();
      state.debugctl = value;
      return {};
    case msr::PAT:
      if (!all_bytes(value, is_pat_type)) return gp();
      state.pat = value;
      return {};
    case msr::EFER: return write_efer(cpu, value);
    case msr::STAR:
      state.star = value;
      return {};
    case msr::LSTAR: return write_address(cpu, state.lstar, value);
    case msr::CSTAR: return write_address(cpu, state.cstar, value);
    case msr::SFMASK:
      state.sfmask = value & 0xffff'ffff;
      return {};
    case msr::FS_BASE: return write_base(cpu, Seg::FS, value);
    case msr::GS_BASE: return write_base(cpu, Seg::GS, value);
    case msr::KERNEL_GS_BASE: return write_address(cpu, state.kernel_gs_base, value);
    case msr::TSC_AUX:
      if (value >> 32 != 0) return gp();
      state.tsc_aux = value;
      return {};
    default:
      return gp();
  }
}

}  // namespace doppel::cpu
