#pragma once

// The one table of instructions: what each mnemonic is to the translator, and who executes it.
//
// cpu/instructions.inc has a row INST(mnemonic, class, interpreter, translator, then) for every
// mnemonic. `interpreter` names a selector `select_<name>` which picks a handler for the operands
// at hand (a row without its function does not link). What has no row raises #UD and never reaches
// the host.

#include "cpu/instruction.h"

namespace doppel::cpu {

enum class InstructionClass : u8 {
  None,         ///< No row.
  Innocuous,    ///< Same effect on host and guest; registers only or the memory form below.
  Memory,       ///< Innocuous, may have a memory operand.
  Branch,
  Sensitive,    ///< Touches what the monitor owns.
  Interpreted,  ///< Never emitted, always interpreted.
};

/// identical: emitted as it is, memory operand replaced. rewritten: in another form. branch, stack, string, system: jit/translate_branch.cpp,
/// jit/translate_stack.cpp, jit/translate_string.cpp, jit/translate_system.cpp. callout: calls the handler.
enum class Translation : u8 { None, identical, rewritten, branch, stack, string, system, callout };

enum class Then : u8 { Next, Ends };

struct InstructionRow {
  InstructionClass klass = InstructionClass::None;
  Handler (*select)(const Instruction& insn) = nullptr;
  Translation translation = Translation::None;
  Then then = Then::Ends;
  const char* name = "";
};

/// The row of a ZydisMnemonic; class None where there is none.
const InstructionRow& instruction_row(u16 mnemonic);
/// The row stands on the floating-point sheet: it may look at the x87 or vector units.
bool is_float_row(u16 mnemonic);

#define INST(mnemonic, klass, interpreter, translator, then) \
  Handler select_##interpreter(const Instruction& insn);
#include "cpu/instructions.inc"
#undef INST

/// Raises #UD: what bytes without a meaning decode to.
Result<void> interpret_invalid(Cpu& cpu, const Instruction& insn);
/// Raises #GP(0): instructions of more than 15 bytes.
Result<void> interpret_too_long(Cpu& cpu, const Instruction& insn);

}  // namespace doppel::cpu
