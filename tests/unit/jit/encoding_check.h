#pragma once

// Reads what the re-encoder wrote and compares it with what the guest wrote.

#include <span>
#include <string>

#include "cpu/decoder.h"
#include "jit/reencode.h"

namespace doppel::jit {

/// Empty if `host` is the guest's instruction with the substitution made and nothing else changed,
/// otherwise what is different.
std::string compare_encodings(cpu::CodeSize size, const cpu::Instruction& guest,
                              const Substitution& with, std::span<const u8> host);

/// Whether the host has no such instruction, or one that the caller could not use.
bool may_be_refused(const cpu::Instruction& guest, const Substitution& with);

/// "16-bit 66 0F C1 ..", for messages.
std::string bytes_text(std::span<const u8> bytes);

}  // namespace doppel::jit
