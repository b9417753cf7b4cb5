#pragma once

// Every form of every instruction that doppel knows.
//
// Nobody writes the list down: the opcode maps are walked, byte by byte, prefix by prefix, and what
// decodes to a mnemonic with a row in the instruction table is a form. A form that is left out
// is left out by a rule, and the rule's reason is printed.

#include <string>
#include <vector>

#include <Zydis/Zydis.h>

#include "cpu/decoder.h"

namespace doppel::differential {

/// A decoded instruction as Zydis gives it, operands included.
struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  bool has_attribute(ZydisInstructionAttributes attribute) const {
    return (insn.attributes & attribute) != 0;
  }
};

/// False where the bytes are no instruction.
bool decode(cpu::CodeSize size, const u8* bytes, size_t available, Decoded& out);

enum class OpcodeMap : u8 { OneByte, Map0F, Map0F38, Map0F3A };
/// 66, F3 and F2 as VEX numbers them.
enum class OpcodePrefix : u8 { None, Has66, HasF3, HasF2 };

struct Form {
  cpu::CodeSize size = cpu::CodeSize::Bits64;
  u16 mnemonic = 0;
  bool vex = false;
  OpcodeMap map = OpcodeMap::OneByte;
  OpcodePrefix prefix = OpcodePrefix::None;
  u8 opcode = 0;
  bool register_in_opcode = false;  ///< Its low three bits are free.
  bool w = false;
  bool l = false;
  bool has_modrm = false;
  bool memory = false;   ///< ModRM.mod is not 3.
  bool is_vsib = false;
  int fixed_reg = -1;    ///< ModRM.reg where it is part of the opcode.
  int fixed_rm = -1;
  std::string text;      ///< "64 ADD r32, m32 (03)"
  std::string excluded;  ///< Why the form is not compared; empty if it is.
};

/// All forms of mnemonics with a row, in opcode order.
std::vector<Form> enumerate_forms();

/// Why an instruction cannot be compared with the host processor; empty if it can.
std::string reason_not_covered(const Decoded& decoded);

}  // namespace doppel::differential
