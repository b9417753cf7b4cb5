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

/// What the operands ask for beside their homes.
struct Wishes {
  bool has_memory = false;
  bool has_high_byte = false;
  bool borrows_rcx = false;
  bool has_homeless = false;
  u8 turned_operand = Substitution::kNone;
};

Wishes wishes_of(const Instruction& insn, const Homes& homes) {
  Wishes wishes;
  bool names_rcx = false;
  bool names_rcx_by_opcode = false;
  u8 ch = Substitution::kNone;
  for (u8 n = 0; n < 4; ++n) {
    const Operand& operand = insn.operand[n];
    wishes.has_memory = wishes.has_memory || operand.kind == OperandKind::Memory;
    if (operand.kind != OperandKind::Gpr) continue;
    const u8 guest = operand.reg / 8;
    wishes.has_high_byte = wishes.has_high_byte || is_high_byte(operand);
    wishes.has_homeless = wishes.has_homeless || homes[guest] == kNoHome;
    if (guest != RCX) continue;
    names_rcx = true;
    if (is_high_byte(operand)) ch = n;
    names_rcx_by_opcode = names_rcx_by_opcode || operand.field == cpu::OperandField::None;
  }
  // PCMPxSTRI leaves its result in ECX.
  const bool leaves_rcx = insn.operand[0].kind == OperandKind::Xmm &&
                          (registers_written(insn, Treatment::Identical) >> RCX & 1) != 0;
  wishes.borrows_rcx = names_rcx_by_opcode || (names_rcx && wishes.has_high_byte) || leaves_rcx;
  if (ch != Substitution::kNone && wishes.has_memory && !names_rcx_by_opcode && !leaves_rcx) {
    wishes.turned_operand = ch;
    wishes.borrows_rcx = wishes.has_high_byte = false;
  }
  return wishes;
}

unsigned times_named(const Instruction& insn, u8 guest) {
  return static_cast<unsigned>(std::count_if(std::begin(insn.operand), std::end(insn.operand), [&](const Operand& operand) {
    return operand.kind == OperandKind::Gpr && operand.reg / 8 == guest;
  }));
}

/// Finds places for the operands whose registers have no home. False if there are too few.
bool place_homeless(const Instruction& insn, const Wishes& wishes, OperandSetup& setup) {
  const u32 written = registers_written(insn, Treatment::Identical);
  bool rcx_is_free = !wishes.borrows_rcx && !setup.address_in_rcx;
  bool r14_is_free = setup.turned_operand == Substitution::kNone;
  for (unsigned n = 0; n < 4; ++n) {
    const Operand& operand = insn.operand[n];
    if (operand.kind != OperandKind::Gpr) continue;
    const u8 guest = operand.reg / 8;
    if (setup.with.registers[guest] != kNoHome) continue;
    const bool is_written = (written >> guest & 1) != 0;
    const bool again = times_named(insn, guest) > 1;
    if (!wishes.has_memory && !again && setup.with.operand_in_memory == Substitution::kNone &&
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
    if (rcx_is_free && !wishes.has_high_byte) {
      scratch = kRcx;
      rcx_is_free = false;
    } else if (r14_is_free) {
      scratch = kR14;
      r14_is_free = false;
    }
    if (scratch == kNoHome) return false;
    setup.with.registers[guest] = scratch;
    const bool is_read = !(n == 0 && !again && only_writes_first(insn));
    setup.passages.push_back({guest, scratch, is_read, is_written});
  }
  return true;
}

}  // namespace

size_t reencode(const Instruction& insn, const OperandSetup& setup, u8* out) {
  if (setup.turned_operand == Substitution::kNone) return reencode(insn, setup.with, out);
  Instruction turned = insn;
  --turned.operand[setup.turned_operand].reg;
  return reencode(turned, setup.with, out);
}

std::optional<OperandSetup> set_up_operands(const Instruction& insn, const Homes& homes) {
  std::optional<OperandSetup> made(std::in_place);
  OperandSetup& setup = *made;
  std::copy(homes.begin(), homes.end(), setup.with.registers);
  const Wishes wishes = wishes_of(insn, homes);
  if (wishes.turned_operand != Substitution::kNone) {
    const bool is_written = (registers_written(insn, Treatment::Identical) >> RCX & 1) != 0;
    setup.turned_operand = wishes.turned_operand;
    setup.with.registers[RCX] = kR14;
    setup.passages.push_back({RCX, kR14, true, is_written, true});
  }
  if (wishes.borrows_rcx) {
    const bool is_written = (registers_written(insn, Treatment::Identical) >> RCX & 1) != 0;
    setup.with.registers[RCX] = kRcx;
    setup.passages.push_back({RCX, kRcx, true, is_written});
  }
  if (wishes.has_high_byte && wishes.has_memory) {
    if (wishes.borrows_rcx) return std::nullopt;
    setup.address_in_rcx = true;
  }
  if (wishes.has_homeless && !place_homeless(insn, wishes, setup)) return std::nullopt;
  // Whatever its memory operand will be, it can be expressed as this one can.
  if (wishes.has_memory) setup.with.memory = {setup.address_in_rcx ? u8{kRcx} : u8{kR13}, HostMemory::kNone, 0, 0x40};
  const size_t size = reencode(insn, setup, setup.bytes);
  if (size == 0) return std::nullopt;
  setup.size = wishes.has_memory ? u8{0} : static_cast<u8>(size);
  return made;
}

}  // namespace doppel::jit
