#pragma once

#include "cpu/base/types.h"

namespace doppel {

/// General registers by their encoding.
enum Gpr : u8 { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/// Segment registers by their encoding.
enum class Seg : u8 { ES, CS, SS, DS, FS, GS };
inline constexpr unsigned kSegCount = 6;

}  // namespace doppel
