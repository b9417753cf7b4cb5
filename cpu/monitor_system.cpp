// HLT and its relatives, caches and translations, CPUID, counters, XCR0, protection keys.
//
// @source Intel SDM Vol. 2, the instructions' pages

#include "cpu/cpuid.h"
#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

u32 low(u64 value) { return static_cast<u32>(value); }
u32 ecx(const Cpu& cpu) { return low(cpu.state.gpr[RCX]); }

/// Writes EDX:EAX, which clears the upper halves.
void write_pair(Cpu& cpu, u64 value) {
  cpu.state.gpr[RAX] = low(value);
  cpu.state.gpr[RDX] = value >> 32;
}
u64 read_pair(const Cpu& cpu) { return (cpu.state.gpr[RDX] << 32) | low(cpu.state.gpr[RAX]); }

Result<void> interpret_hlt(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(require_cpl0(cpu));
  cpu.state.halted = true;
  return {};
}

/// Simplified: nothing is watched; MWAIT ends at the next interrupt, or at once.
Result<void> interpret_monitor(Cpu& cpu, const Instruction& insn) {
  if (cpu.state.cpl != 0) return ud();
  if (ecx(cpu) != 0) return gp();
  const u64 offset = cpu.state.gpr[RAX] & insn.address_mask;
  DOPPEL_TRY(const u8 watched, cpu.load<u8>(insn.segment, offset));
  (void)watched;
  return {};
}

/// A processor may leave MWAIT for any reason. With interrupts off only the watched store could end
/// it, and nobody watches: then it ends at once.
Result<void> interpret_mwait(Cpu& cpu, const Instruction&) {
  if (cpu.state.cpl != 0) return ud();
  if ((ecx(cpu) & ~1u) != 0) return gp();
  cpu.state.halted = cpu.interrupts_enabled();
  return {};
}

/// INVD, WBINVD, WBNOINVD: there is no cache to see.
Result<void> interpret_cache_flush(Cpu& cpu, const Instruction&) { return require_cpl0(cpu); }

Result<void> interpret_invlpg(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_cpl0(cpu));
  const u64 offset = cpu.effective_address(insn);
  const bool based = !cpu.code64() || insn.segment == Seg::FS || insn.segment == Seg::GS;
  u64 address = offset + (based ? cpu.state.segment(insn.segment).base : 0);
  if (!cpu.code64()) address &= 0xffff'ffff;
  if (is_canonical(address, cpu.mmu.linear_bits())) cpu.mmu.flush_page(LinearAddr(address));
  return {};
}

Result<void> interpret_invpcid(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_cpl0(cpu));
  const u64 type = cpu.code64() ? cpu.state.at<u64>(insn.operand[0].reg)
                                : cpu.state.at<u32>(insn.operand[0].reg);
  u64 descriptor[2];
  DOPPEL_TRY(cpu.load_bytes(insn.segment, cpu.effective_address(insn), descriptor, sizeof descriptor));
  if (type > 3 || descriptor[0] >> 12 != 0) return gp();
  const bool has_pcids = (cpu.state.cr4 & cr4::PCIDE) != 0;
  if (type <= 1 && !has_pcids && descriptor[0] != 0) return gp();
  switch (type) {
    case 0:
      if (!is_canonical(descriptor[1], cpu.mmu.linear_bits())) return gp();
      cpu.mmu.flush_page(LinearAddr(descriptor[1]));
      break;
    case 2:
      cpu.mmu.flush_translations();
      break;
    default:
      cpu.mmu.flush_non_global();
      break;
  }
  return {};
}

Result<void> interpret_cpuid(Cpu& cpu, const Instruction&) {
  if (!cpu.model().has_cpuid) return ud();
  u32 out[4];
  cpuid(cpu, low(cpu.state.gpr[RAX]), ecx(cpu), out);
  cpu.state.gpr[RAX] = out[0];
  cpu.state.gpr[RBX] = out[1];
  cpu.state.gpr[RCX] = out[2];
  cpu.state.gpr[RDX] = out[3];
  return {};
}

/// @errors #GP(0): CR4.TSD keeps programs from the counter.
Result<void> require_counter(const Cpu& cpu) {
  if (!cpu.has(Feature::tsc)) return ud();
  if ((cpu.state.cr4 & cr4::TSD) != 0 && cpu.state.cpl != 0) return gp();
  return {};
}

/// A loop that waits says so. Real processors sleep for a while, and time must pass here too: a program that
/// waits for its clock would else count a whole second's instructions in each second.
/// @source Intel Optimization Reference Manual, "Pause Latency in Skylake Client Microarchitecture": up to 140
///         cycles, which is at the 1 GHz of the time-stamp counter
Result<void> interpret_pause(Cpu& cpu, const Instruction&) {
  constexpr u64 kPauseNs = 140;
  cpu.environment.wait(kPauseNs);
  cpu.attention = true;  // An event may be due.
  return {};
}

Result<void> interpret_rdtsc(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(require_counter(cpu));
  write_pair(cpu, cpu.environment.tsc());
  return {};
}

Result<void> interpret_rdtscp(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(require_counter(cpu));
  write_pair(cpu, cpu.environment.tsc());
  cpu.state.gpr[RCX] = low(cpu.state.tsc_aux);
  return {};
}

Result<void> interpret_rdpid(Cpu& cpu, const Instruction& insn) {
  if (cpu.code64()) {
    cpu.state.set_at<u64>(insn.operand[0].reg, low(cpu.state.tsc_aux));
  } else {
    cpu.state.set_at<u32>(insn.operand[0].reg, low(cpu.state.tsc_aux));
  }
  return {};
}

/// No counter exists, so every index is one too many.
Result<void> interpret_rdpmc(Cpu&, const Instruction&) { return gp(); }

Result<void> interpret_rdmsr(Cpu& cpu, const Instruction&) {
  if (!cpu.has(Feature::msr)) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  DOPPEL_TRY(const u64 value, read_msr(cpu, ecx(cpu)));
  write_pair(cpu, value);
  return {};
}

Result<void> interpret_wrmsr(Cpu& cpu, const Instruction&) {
  if (!cpu.has(Feature::msr)) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  return write_msr(cpu, ecx(cpu), read_pair(cpu));
}

Result<void> interpret_xgetbv(Cpu& cpu, const Instruction&) {
  if ((cpu.state.cr4 & cr4::OSXSAVE) == 0) return ud();
  switch (ecx(cpu)) {
    case 0:
      write_pair(cpu, cpu.state.xcr0);
      return {};
    case 1:
      // Simplified: every enabled component counts as in use.
      if (!cpu.has(Feature::xgetbv1)) return gp();
      write_pair(cpu, cpu.state.xcr0);
      return {};
    default:
      return gp();
  }
}

Result<void> interpret_xsetbv(Cpu& cpu, const Instruction&) {
  if ((cpu.state.cr4 & cr4::OSXSAVE) == 0) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  if (ecx(cpu) != 0) return gp();
  const u64 value = read_pair(cpu);
  if ((value & ~xcr0_bits(cpu.model())) != 0 || (value & xcr0::X87) == 0) return gp();
  if ((value & xcr0::AVX) != 0 && (value & xcr0::SSE) == 0) return gp();
  cpu.state.xcr0 = value;
  cpu.update_mode();
  return {};
}

Result<void> interpret_rdpkru(Cpu& cpu, const Instruction&) {
  if ((cpu.state.cr4 & cr4::PKE) == 0) return ud();
  if (ecx(cpu) != 0) return gp();
  write_pair(cpu, cpu.state.pkru);
  return {};
}

Result<void> interpret_wrpkru(Cpu& cpu, const Instruction&) {
  if ((cpu.state.cr4 & cr4::PKE) == 0) return ud();
  if (ecx(cpu) != 0 || low(cpu.state.gpr[RDX]) != 0) return gp();
  if (cpu.state.pkru == low(cpu.state.gpr[RAX])) return {};
  cpu.state.pkru = low(cpu.state.gpr[RAX]);
  cpu.update_paging();
  return {};
}

Result<void> interpret_stac(Cpu& cpu, const Instruction&) {
  if (cpu.state.cpl != 0) return ud();
  cpu.write_flags(rflags::AC, rflags::AC);
  return {};
}
Result<void> interpret_clac(Cpu& cpu, const Instruction&) {
  if (cpu.state.cpl != 0) return ud();
  cpu.write_flags(0, rflags::AC);
  return {};
}

/// Outside system-management mode RSM is not an instruction.
Result<void> interpret_undefined(Cpu&, const Instruction&) { return ud(); }

}  // namespace

Handler select_hlt(const Instruction&) { return interpret_hlt; }
Handler select_monitor(const Instruction&) { return interpret_monitor; }
Handler select_mwait(const Instruction&) { return interpret_mwait; }
Handler select_cache_flush(const Instruction&) { return interpret_cache_flush; }
Handler select_invlpg(const Instruction&) { return interpret_invlpg; }
Handler select_invpcid(const Instruction&) { return interpret_invpcid; }
Handler select_cpuid(const Instruction&) { return interpret_cpuid; }
Handler select_pause(const Instruction&) { return interpret_pause; }
Handler select_rdtsc(const Instruction&) { return interpret_rdtsc; }
Handler select_rdtscp(const Instruction&) { return interpret_rdtscp; }
Handler select_rdpid(const Instruction&) { return interpret_rdpid; }
Handler select_rdpmc(const Instruction&) { return interpret_rdpmc; }
Handler select_rdmsr(const Instruction&) { return interpret_rdmsr; }
Handler select_wrmsr(const Instruction&) { return interpret_wrmsr; }
Handler select_xgetbv(const Instruction&) { return interpret_xgetbv; }
Handler select_xsetbv(const Instruction&) { return interpret_xsetbv; }
Handler select_rdpkru(const Instruction&) { return interpret_rdpkru; }
Handler select_wrpkru(const Instruction&) { return interpret_wrpkru; }
Handler select_stac(const Instruction&) { return interpret_stac; }
Handler select_clac(const Instruction&) { return interpret_clac; }
Handler select_undefined(const Instruction&) { return interpret_undefined; }

}  // namespace doppel::cpu
