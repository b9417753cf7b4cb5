#pragma once

// What other files need of the monitor: handlers behind shared mnemonics, and checks.
//
// Zydis gives near and far transfers, and moves to every kind of register, one mnemonic each. Their
// rows stand on the integer sheet; its selectors hand the sensitive forms over to these.

#include "cpu/cpu.h"
#include "cpu/instruction.h"

namespace doppel::cpu {

/// MOV to and from CR0-CR8: operand 0 or 1 is OperandKind::Control.
Handler select_mov_control(const Instruction& insn);
/// MOV to and from DR0-DR7: operand 0 or 1 is OperandKind::Debug.
Handler select_mov_debug(const Instruction& insn);
/// MOV to and from a segment register: operand 0 or 1 is OperandKind::Segment.
Handler select_mov_segment(const Instruction& insn);
/// POP and PUSH of a segment register: operand 0 is OperandKind::Segment.
Handler select_pop_segment(const Instruction& insn);
Handler select_push_segment(const Instruction& insn);
/// CALL and JMP ptr16:16/32 (9A, EA) and m16:16/32/64 (FF /3, FF /5).
Handler select_far_call(const Instruction& insn);
Handler select_far_jump(const Instruction& insn);
/// RETF (CA, CB).
Handler select_far_return(const Instruction& insn);
/// True for the forms above: what CALL, JMP and RET look like when they change CS.
bool is_far_transfer(const Instruction& insn);

/// May this program touch `bytes` ports from `port` on?
/// @errors #GP(0): CPL > IOPL (or virtual-8086 mode) and the TSS's I/O permission bitmap says no.
/// @source Intel SDM Vol. 1, "I/O Permission Bit Map"
Result<void> check_io(Cpu& cpu, u16 port, unsigned bytes);

/// @errors #GP(0) unless CPL is 0.
inline Result<void> require_cpl0(const Cpu& cpu) {
  if (cpu.state.cpl != 0) return gp();
  return {};
}
/// True if the operand size is 16 bits outside 64-bit code, whatever Zydis calls the width.
inline bool operand_size_16(const Cpu& cpu, const Instruction& insn) {
  return !cpu.code64() && cpu.state.segment(Seg::CS).big() == insn.has(prefix::kOperandSize);
}

/// RDMSR and WRMSR without their privilege checks. @errors #GP(0): unknown register, reserved bits.
Result<u64> read_msr(Cpu& cpu, u32 index);
Result<void> write_msr(Cpu& cpu, u32 index, u64 value);

}  // namespace doppel::cpu
