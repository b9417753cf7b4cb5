#pragma once

// Random encodings of instruction forms: other registers, other memory, prefixes that mean nothing.

#include <array>
#include <random>
#include <vector>

#include "jit/reencode.h"
#include "tests/differential/forms.h"

namespace doppel::jit {

using Random = std::mt19937_64;

const cpu::Decoder& decoder_of_everything();

/// All forms whose row is `identical`.
const std::vector<differential::Form>& identical_forms();

/// False if the bytes are no instruction, or one whose row is not `identical`.
bool decode_identical(cpu::CodeSize size, const std::array<u8, 15>& bytes, cpu::Instruction& insn);

/// Bytes that begin with an instruction much like `form`, and very likely of that form.
std::array<u8, 15> make_guest_bytes(const differential::Form& form, Random& random);

/// A memory operand of any shape.
HostMemory make_memory(Random& random);

/// Every guest register to some host register of its own.
Substitution make_substitution(Random& random);

/// Every guest register to itself, memory behind RSI.
Substitution identity();

}  // namespace doppel::jit
