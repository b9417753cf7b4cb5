// The state of the SIMD units: MXCSR, FXSAVE and FXRSTOR, EMMS, VZEROUPPER and VZEROALL.

#include <cstring>

#include "cpu/instruction_table.h"
#include "cpu/interpreter/fpu_image.h"

namespace doppel::cpu {
namespace {

Result<void> check_sse_or_avx(const Cpu& cpu, const Instruction& insn) {
  return insn.has(prefix::kVex) ? check_avx(cpu) : check_sse(cpu);
}

Result<void> interpret_ldmxcsr(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_sse_or_avx(cpu, insn));
  DOPPEL_TRY(const u32 value, cpu.load_operand<u32>(insn));
  if ((value & ~kMxcsrDefined) != 0) return gp();
  cpu.state.x87.mxcsr = value;
  return {};
}

Result<void> interpret_stmxcsr(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_sse_or_avx(cpu, insn));
  return cpu.store_operand<u32>(insn, cpu.state.x87.mxcsr);
}

/// @source Intel SDM Vol. 1, "EMMS Instruction"
Result<void> interpret_emms(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(check_mmx(cpu));
  x87_set_top(cpu.state.x87, 0);
  cpu.state.x87.ftw = 0;
  return {};
}

Result<void> interpret_vzeroupper(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(check_avx(cpu));
  for (unsigned i = 0; i < vector_registers(cpu); ++i) std::memset(cpu.state.ymm[i] + 16, 0, 16);
  return {};
}

Result<void> interpret_vzeroall(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(check_avx(cpu));
  for (unsigned i = 0; i < vector_registers(cpu); ++i) std::memset(cpu.state.ymm[i], 0, 32);
  return {};
}

/// FXSAVE and FXRSTOR do not wait for x87 errors.
Result<void> check_fxsave(const Cpu& cpu) {
  if ((cpu.state.cr0 & cr0::EM) != 0) return ud();
  if ((cpu.state.cr0 & cr0::TS) != 0) return Fault::make(Vector::NM);
  return {};
}

/// Without CR4.OSFXSR the image has no XMM registers.
unsigned image_registers(const Cpu& cpu) {
  return (cpu.state.cr4 & cr4::OSFXSR) != 0 ? vector_registers(cpu) : 0;
}

Result<void> interpret_fxsave(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_fxsave(cpu));
  const u64 offset = cpu.effective_address(insn);
  DOPPEL_TRY(check_alignment(cpu, insn, offset, fpu_image::kBytes, Access::Write, 15));
  DOPPEL_TRY(probe_store(cpu, insn, offset, fpu_image::kBytes));
  // What lies past the registers is the program's own and not written.
  const unsigned registers = image_registers(cpu);
  u8 area[fpu_image::kBytes] = {};
  write_x87_image(cpu.state.x87, insn.has(prefix::kRexW), area);
  write_mxcsr_image(cpu.state.x87, area);
  write_xmm_image(cpu.state, registers, area);
  return cpu.store_bytes(insn.segment, offset, area, fpu_image::kXmm + registers * size_t{16});
}

Result<void> interpret_fxrstor(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_fxsave(cpu));
  const u64 offset = cpu.effective_address(insn);
  DOPPEL_TRY(check_alignment(cpu, insn, offset, fpu_image::kBytes, Access::Read, 15));
  u8 area[fpu_image::kBytes];
  DOPPEL_TRY(cpu.load_bytes(insn.segment, offset, area, sizeof area));
  const u32 mxcsr = mxcsr_of_image(area);
  if ((mxcsr & ~kMxcsrDefined) != 0) return gp();
  cpu.state.x87.mxcsr = mxcsr;
  read_xmm_image(cpu.state, image_registers(cpu), area);
  read_x87_image(cpu, insn.has(prefix::kRexW), area);
  return {};
}

}  // namespace

Handler select_ldmxcsr(const Instruction&) { return interpret_ldmxcsr; }
Handler select_stmxcsr(const Instruction&) { return interpret_stmxcsr; }
Handler select_emms(const Instruction&) { return interpret_emms; }
Handler select_vzeroupper(const Instruction&) { return interpret_vzeroupper; }
Handler select_vzeroall(const Instruction&) { return interpret_vzeroall; }
Handler select_fxsave(const Instruction&) { return interpret_fxsave; }
Handler select_fxrstor(const Instruction&) { return interpret_fxrstor; }

}  // namespace doppel::cpu
