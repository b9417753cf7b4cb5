#pragma once

// Where the memory operands of a test lead, worked out from its registers.

#include "tests/differential/forms.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

/// The general register of a Zydis register, or -1.
int gpr_number(ZydisRegister reg);

/// The base of an address, or -1. SIB base 101 with mod 00 names none, R13 included; Zydis 4.0 shows
/// one where a 67 prefix stands.
int base_number(const Decoded& decoded, const ZydisDecodedOperandMem& mem);

/// The displacement of an address, by the same rule.
u64 displacement_of(const Decoded& decoded, const ZydisDecodedOperandMem& mem);

/// The local descriptor a selector names; null for the others.
const LdtEntry* ldt_entry(u16 selector);

u64 segment_base(const TestCase& test, ZydisRegister segment);

/// Offset of a memory operand in its segment.
u64 effective_address(const TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand);

/// Linear address of the first memory operand; 0 where there is none.
u64 operand_address(const TestCase& test, const Decoded& decoded);

/// Linear address that a stack pointer leads to.
u64 stack_address(const TestCase& test, u64 stack_pointer);

}  // namespace doppel::differential
