#pragma once

// A decoded instruction, small enough to keep for every instruction that runs.

#include "cpu/arch/exception.h"
#include "cpu/arch/registers.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

class Cpu;
struct Instruction;

/// Executes one instruction. RIP is already past it; on a fault nothing the guest can see has
/// changed (except where the manual says so: string instructions keep their progress) and the
/// engine puts RIP back.
using Handler = Result<void> (*)(Cpu& cpu, const Instruction& insn);

enum class OperandKind : u8 {
  None,
  Gpr,        ///< `reg` is a byte offset into CpuState::gpr (AH = 1, R8 = 64).
  Memory,     ///< The instruction's one memory operand (base, index, scale, displacement, segment).
  Immediate,  ///< `immediate`, already extended to 64 bits as the instruction wants it.
  Relative,   ///< `immediate` is the distance from the next instruction.
  FarPointer, ///< `immediate` is the offset, `immediate2` the selector.
  Segment,    ///< `reg` is a Seg.
  Control,    ///< `reg` is the number of a control register.
  Debug,      ///< `reg` is the number of a debug register.
  X87,        ///< `reg` is i of ST(i).
  Mmx,
  Xmm,
  Ymm,
};

/// Where the encoding names an operand; the translator puts host registers there.
enum class OperandField : u8 {
  None,    ///< Implied by the opcode, or not a register.
  Reg,     ///< ModRM.reg
  Rm,      ///< ModRM.rm, memory operands included.
  Vvvv,    ///< VEX.vvvv
  Opcode,  ///< The low three bits of the opcode.
  Is4,     ///< The high four bits of the immediate.
};

struct Operand {
  OperandKind kind = OperandKind::None;
  u8 reg = 0;
  u8 bytes = 0;  ///< Size of the operand itself.
  OperandField field = OperandField::None;
};

/// What an instruction does to its memory operand.
namespace memory_access {
inline constexpr u8 kRead = 1u << 0;
inline constexpr u8 kWrite = 1u << 1;
}  // namespace memory_access

/// Prefixes that change what a handler does.
namespace prefix {
inline constexpr u8 kLock = 1u << 0;
inline constexpr u8 kRep = 1u << 1;    // F3
inline constexpr u8 kRepne = 1u << 2;  // F2
inline constexpr u8 kRexW = 1u << 3;
inline constexpr u8 kVex = 1u << 4;
inline constexpr u8 kVexL = 1u << 5;   // 256-bit
inline constexpr u8 kOperandSize = 1u << 6;  // 66 stands
inline constexpr u8 kRex = 1u << 7;    // any REX prefix stands
}  // namespace prefix

struct Instruction {
  Handler handler = nullptr;
  u64 immediate = 0;
  u64 displacement = 0;    ///< Sign-extended.
  u64 address_mask = ~u64{0};  ///< 16-, 32- or 64-bit effective addresses.
  u16 mnemonic = 0;        ///< ZydisMnemonic.
  u16 immediate2 = 0;      ///< ENTER's nesting level, a far pointer's selector.
  u8 length = 0;
  u8 width = 0;            ///< Effective operand size in bytes: 1, 2, 4 or 8.
  u8 prefixes = 0;
  u8 stack_width = 0;      ///< Of stack pushes: 2, 4 or 8 (64-bit code pushes 8 unless 66).

  // The memory operand. Base and index are byte offsets into CpuState::gpr; absent ones name the
  // constant zero, RIP-relative ones RIP.
  u8 base = 0;
  u8 index = 0;
  u8 scale = 0;            ///< Shift: 0..3.
  Seg segment = Seg::DS;

  Operand operand[4];
  u8 bytes[15] = {};       ///< As the guest wrote them.
  u8 opcode_offset = 0;    ///< Where legacy prefixes and REX end.
  u8 modrm_offset = 0;     ///< 0: no ModRM byte.
  bool ends_block = false; ///< Nothing is decoded past it.
  u8 memory_access = 0;    ///< memory_access bits for the explicit memory operand, conditional accesses included.

  // Arithmetic flags in their RFLAGS places, as the manual's tables have them.
  u16 flags_read = 0;
  u16 flags_written = 0;   ///< Always and all: flags that a count of 0 leaves alone are not here.
  u16 flags_touched = 0;   ///< Those that it may change at all.
  u16 flags_undefined = 0; ///< Those among them that the manual leaves undefined.
  /// What the selector found for the handler: a host thunk (cpu/interpreter/host_thunk.h).
  mutable const void* thunk = nullptr;

  bool has(u8 prefix_bit) const { return (prefixes & prefix_bit) != 0; }
};

}  // namespace doppel::cpu
