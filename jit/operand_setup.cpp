#include "jit/operand_setup.h"

#include <algorithm>

#include <Zydis/Zydis.h>

#include "jit/block_plan.h"
#include "jit/layout.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;

bool is_high_byte(const Operand& operand) {
  return operand.kind == OperandKind::Gpr && operand.reg % 8 == 1;
}

/// Its first operand is overwritten whole, without being read.
bool only_writes_first(const Instruction& insn) {
  if (insn.operand[0].bytes < 4) return false;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_RORX:
    case ZYDIS_MNEMONIC_SARX:
    case ZYDIS_MNEMONIC_SHLX:
    case ZYDIS_MNEMONIC_SHRX:
    case ZYDIS_MNEMONIC_ANDN:
    case ZYDIS_MNEMONIC_PDEP:
    case ZYDIS_MNEMONIC_PEXT:
    case ZYDIS_MNEMONIC_BZHI:
    case ZYDIS_MNEMONIC_BEXTR:
      return true;
    case ZYDIS_MNEMONIC_IMUL:
      return insn.operand[2].kind == OperandKind::Immediate;
    default:
      return false;
  }
}

/// Operand `n` may be the register's place in the CpuState.
bool may_be_in_memory(const Instruction& insn, unsigned n, bool is_written) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_XCHG:  // Would lock the bus.
    case ZYDIS_MNEMONIC_BT:    // Would address a bit string.
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      return false;
    default:
      break;
  }
  if (!is_written) return true;
  // Results of 32 bits clear the upper half of a register, but not of memory.
  return !uses_vectors(insn) && n == 0 && insn.operand[0].bytes != 4;
}

}  // namespace

std::optional<OperandSetup> set_up_operands(const Instruction& insn, const Homes& homes) {
  OperandSetup setup;
  std::copy(homes.begin(), homes.end(), setup.with.registers);
  const bool has_memory = operand_of(insn, OperandKind::Memory) < 4;
  const u32 written = registers_written(insn, Treatment::Identical);
  bool has_high_byte = false;
  bool borrows_rcx = false;
  for (const Operand& operand : insn.operand) has_high_byte = has_high_byte || is_high_byte(operand);
  for (const Operand& operand : insn.operand) {
    if (operand.kind != OperandKind::Gpr || operand.reg / 8 != RCX) continue;
    borrows_rcx = borrows_rcx || has_high_byte || operand.field == cpu::OperandField::None;
  }
  // PCMPxSTRI leaves its result in ECX.
  const bool leaves_rcx = (written >> RCX & 1) != 0 && operand_of(insn, OperandKind::Xmm) < 4 &&
                          insn.operand[0].kind == OperandKind::Xmm;
  borrows_rcx = borrows_rcx || leaves_rcx;
  bool rcx_is_free = true;
  bool r14_is_free = true;
  if (borrows_rcx) {
    rcx_is_free = false;
    setup.with.registers[RCX] = kRcx;
    setup.passages.push_back({RCX, kRcx, true, (written >> RCX & 1) != 0});
  }
  if (has_high_byte && has_memory) {
    if (!rcx_is_free) return std::nullopt;
    rcx_is_free = false;
    setup.address_in_rcx = true;
  }
  const auto try_out = [&] {
    u8 bytes[kMaxHostInstruction];
    if (has_memory) setup.with.memory = {setup.address_in_rcx ? u8{kRcx} : u8{kR13}, HostMemory::kNone, 0, 0x40};
    return reencode(insn, setup.with, bytes) != 0;
  };
  for (unsigned n = 0; n < 4; ++n) {
    const Operand& operand = insn.operand[n];
    if (operand.kind != OperandKind::Gpr) continue;
    const u8 guest = operand.reg / 8;
    if (setup.with.registers[guest] != kNoHome) continue;
    const bool is_written = (written >> guest & 1) != 0;
    const bool again = std::count_if(std::begin(insn.operand), std::end(insn.operand), [&](const Operand& other) {
                         return other.kind == OperandKind::Gpr && other.reg / 8 == guest;
                       }) > 1;
    if (!has_memory && !again && setup.with.operand_in_memory == Substitution::kNone &&
        may_be_in_memory(insn, n, is_written)) {
      // Try it: if another operand has no home either, that one takes a scratch register.
      const OperandSetup before = setup;
      setup.with.operand_in_memory = static_cast<u8>(n);
      setup.with.memory = {kR15, HostMemory::kNone, 0, gpr_offset(guest)};
      u8 bytes[kMaxHostInstruction];
      Substitution probe = setup.with;
      for (u8& host : probe.registers) host = host == kNoHome ? u8{kR14} : host;
      if (reencode(insn, probe, bytes) != 0) {
        setup.with.registers[guest] = kR14;  // Names no operand any more.
        continue;
      }
      setup = before;
    }
    u8 scratch = kNoHome;
    if (rcx_is_free && !has_high_byte) {
      scratch = kRcx;
      rcx_is_free = false;
    } else if (r14_is_free) {
      scratch = kR14;
      r14_is_free = false;
    }
    if (scratch == kNoHome) return std::nullopt;
    setup.with.registers[guest] = scratch;
    const bool is_read = !(n == 0 && !again && only_writes_first(insn));
    setup.passages.push_back({guest, scratch, is_read, is_written});
  }
  for (u8& host : setup.with.registers) {
    if (host == kNoHome) host = kR14;  // Not named by this instruction.
  }
  if (!try_out()) return std::nullopt;
  return setup;
}

}  // namespace doppel::jit
