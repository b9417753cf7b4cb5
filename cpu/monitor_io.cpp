// IN and OUT, and who may use which port.
//
// @source Intel SDM Vol. 1, "I/O Permission Bit Map"; Vol. 2, "IN", "OUT"

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

constexpr u32 kIoMapBase = 0x66;  // Where a 32-bit TSS holds the bitmap's offset.

/// I/O breakpoints (DR7 type 10B, CR4.DE) that this access touches.
u64 io_breakpoints(const CpuState& state, u16 port, unsigned size) {
  if ((state.cr4 & cr4::DE) == 0 || (state.dr[7] & 0xff) == 0) return 0;
  u64 hits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const bool enabled = bit_field(state.dr[7], i * 2 + 1, i * 2) != 0;
    if (!enabled || bit_field(state.dr[7], 17 + i * 4, 16 + i * 4) != 2) continue;
    const u64 length = bit_field(state.dr[7], 19 + i * 4, 18 + i * 4) + 1;  // 1, 2 or 4
    const u64 first = state.dr[i] & ~(length - 1);
    if (first < u64{port} + size && port < first + length) hits |= u64{1} << i;
  }
  return hits;
}

/// The debug trap comes after the access; RIP is already past the instruction.
void after_access(Cpu& cpu, u16 port, unsigned size) {
  cpu.attention = true;
  const u64 hits = io_breakpoints(cpu.state, port, size);
  if (hits != 0) cpu.raise_debug_trap(hits);
}

/// DX, or the immediate byte.
u16 port_of(const Cpu& cpu, const Instruction& insn, unsigned operand) {
  return insn.operand[operand].kind == OperandKind::Immediate ? static_cast<u16>(insn.immediate & 0xff)
                                                              : static_cast<u16>(cpu.state.gpr[RDX]);
}

template <class T>
Result<void> interpret_in(Cpu& cpu, const Instruction& insn) {
  const u16 port = port_of(cpu, insn, 1);
  DOPPEL_TRY(check_io(cpu, port, sizeof(T)));
  const u64 value = cpu.environment.read_port(port, static_cast<Width>(sizeof(T)));
  cpu.state.set_at<T>(RAX * 8, static_cast<T>(value));
  after_access(cpu, port, sizeof(T));
  return {};
}

template <class T>
Result<void> interpret_out(Cpu& cpu, const Instruction& insn) {
  const u16 port = port_of(cpu, insn, 0);
  DOPPEL_TRY(check_io(cpu, port, sizeof(T)));
  cpu.environment.write_port(port, static_cast<Width>(sizeof(T)), cpu.state.at<T>(RAX * 8));
  after_access(cpu, port, sizeof(T));
  return {};
}

}  // namespace

Result<void> check_io(Cpu& cpu, u16 port, unsigned size) {
  const CpuState& state = cpu.state;
  if (!state.protected_mode() || (!state.v86() && state.cpl <= state.iopl())) return {};
  const bool tss32 = (state.tr.attributes & 8) != 0;
  if (!state.tr.usable() || !tss32 || state.tr.limit < kIoMapBase + 1) return gp();
  DOPPEL_TRY(const u16 map, cpu.mmu.read_system<u16>(LinearAddr(state.tr.base + kIoMapBase)));
  // Two bytes are always read, so that an access across eight ports needs no second look.
  const u32 offset = u32{map} + port / 8u;
  if (offset + 1 > state.tr.limit) return gp();
  DOPPEL_TRY(const u16 bits, cpu.mmu.read_system<u16>(LinearAddr(state.tr.base + offset)));
  const u32 mask = (1u << size) - 1;
  if ((u32{bits} >> (port % 8) & mask) != 0) return gp();
  return {};
}

Handler select_in(const Instruction& insn) {
  switch (insn.operand[0].bytes) {
    case 1: return interpret_in<u8>;
    case 2: return interpret_in<u16>;
    case 4: return interpret_in<u32>;
    default: return interpret_invalid;
  }
}

Handler select_out(const Instruction& insn) {
  switch (insn.operand[1].bytes) {
    case 1: return interpret_out<u8>;
    case 2: return interpret_out<u16>;
    case 4: return interpret_out<u32>;
    default: return interpret_invalid;
  }
}

}  // namespace doppel::cpu
