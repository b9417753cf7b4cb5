#pragma once

// How the operands of an innocuous instruction reach the host's instruction.
//
// Most guest registers have a home and stand for themselves. Those without one pass through a
// scratch register, or are operands in memory. RCX's home is elsewhere, so what names CL by its
// opcode, or CH, borrows the host's RCX for a moment.

#include <optional>

#include <boost/container/static_vector.hpp>

#include "cpu/instruction.h"
#include "jit/layout.h"
#include "jit/reencode.h"

namespace doppel::jit {

struct OperandSetup {
  Substitution with{};
  struct Passage {
    u8 guest = 0;
    u8 host = 0;
    bool loaded = false;  ///< Its value is needed,
    bool stored = false;  ///< or changed.
    bool is_turned = false;  ///< Bits 8 to 15 are the host register's lowest meanwhile.
  };
  /// Registers that differ from their home while the instruction runs.
  boost::container::static_vector<Passage, 3> passages;
  /// The host's instruction, where no memory operand has to be put in.
  u8 bytes[kMaxHostInstruction];
  u8 size = 0;
  /// The address of the memory operand must be in RCX: a high byte register allows no REX prefix.
  bool address_in_rcx = false;
  /// This operand, CH, is a low byte on the host: the address needs RCX, too.
  u8 turned_operand = Substitution::kNone;
};

/// Writes the host's instruction for `insn`, as set up. As `reencode`.
size_t reencode(const cpu::Instruction& insn, const OperandSetup& setup, u8* out);

/// Nothing if the instruction cannot be expressed: its handler must do it. The memory operand, if
/// there is one, is expected at [r13 + displacement].
std::optional<OperandSetup> set_up_operands(const cpu::Instruction& insn, const Homes& homes = kHome);

}  // namespace doppel::jit
