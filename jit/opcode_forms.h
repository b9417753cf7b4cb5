#pragma once

// How the opcodes that translated code may contain are encoded: what the re-encoder needs to know
// of each, and no opcode that is not here is emitted.
//
// Groups share an opcode; the instruction table decides by mnemonic which of their members pass.
// @source Intel SDM Vol. 2D, "Opcode Map" (A.3) and "Opcode Extensions for One-Byte and Two-Byte
// Opcodes" (A.4)

#include <array>

#include "cpu/base/types.h"

namespace doppel::jit {

enum class OpcodeForm : u8 {
  Refused,
  Plain,          ///< Neither 66 nor REX.W: byte operands, x87, flags.
  Sized,          ///< Operands of 2, 4 or 8 bytes.
  Vector,         ///< A prefix is part of the opcode, REX.W stays what it is.
  BitString,      ///< Sized; a register index may reach beyond a memory operand.
  Accumulator,    ///< op AL/eAX, imm
  IncrementOld,   ///< 40-4F of 16- and 32-bit code.
  Exchange,       ///< 90-97
  Offset,         ///< MOV A0-A3
  MoveImmediate,  ///< B0-BF
  Swap,           ///< BSWAP
};

/// Prefixes that are part of a vector opcode, as a set.
namespace mandatory {
inline constexpr u8 kNone = 1u << 0;
inline constexpr u8 k66 = 1u << 1;
inline constexpr u8 kF3 = 1u << 2;
inline constexpr u8 kF2 = 1u << 3;
inline constexpr u8 kMmx = kNone | k66;  ///< MMX and SSE2 registers, or PS and PD.
inline constexpr u8 kAll = kNone | k66 | kF3 | kF2;
}  // namespace mandatory

struct OpcodeRow {
  static constexpr u8 kNoTwin = 0xff;
  static constexpr u8 kOperandSized = 4;

  OpcodeForm form = OpcodeForm::Refused;
  u8 immediate = 0;     ///< Bytes; kOperandSized is 2 where operands are 2 bytes.
  u8 prefixes = 0;      ///< Of Vector.
  u8 twin = kNoTwin;    ///< Exclusive-or that exchanges the roles of ModRM.reg and ModRM.rm.
};

using OpcodeRows = std::array<OpcodeRow, 256>;

constexpr void put_rows(OpcodeRows& rows, unsigned first, unsigned last, const OpcodeRow& row) {
  for (unsigned opcode = first; opcode <= last; ++opcode) rows[opcode] = row;
}

/// The same, alternately for byte operands (even opcodes) and for larger ones.
constexpr void put_pairs(OpcodeRows& rows, unsigned first, unsigned last, u8 byte_immediate = 0,
                         u8 immediate = 0, u8 twin = OpcodeRow::kNoTwin) {
  for (unsigned opcode = first; opcode <= last; opcode += 2) {
    rows[opcode] = {OpcodeForm::Plain, byte_immediate, 0, twin};
    rows[opcode + 1] = {OpcodeForm::Sized, immediate, 0, twin};
  }
}

constexpr OpcodeRows make_one_byte_rows() {
  using enum OpcodeForm;
  constexpr u8 kIz = OpcodeRow::kOperandSized;
  OpcodeRows rows{};
  for (unsigned operation = 0; operation < 8; ++operation) {
    const unsigned first = operation * 8;
    put_pairs(rows, first, first + 3, 0, 0, 2);
    rows[first + 4] = {Accumulator, 1};
    rows[first + 5] = {Accumulator, kIz};
  }
  put_rows(rows, 0x40, 0x4f, {IncrementOld});
  rows[0x63] = {Sized};            // MOVSXD
  rows[0x69] = {Sized, kIz};       // IMUL
  rows[0x6b] = {Sized, 1};
  put_pairs(rows, 0x80, 0x80, 1, kIz);
  rows[0x83] = {Sized, 1};
  put_pairs(rows, 0x84, 0x87, 0, 0, 0);  // TEST, XCHG
  put_pairs(rows, 0x88, 0x8b, 0, 0, 2);  // MOV
  rows[0x8d] = {Sized};            // LEA
  put_rows(rows, 0x90, 0x97, {Exchange});
  rows[0x98] = rows[0x99] = {Sized};    // CBW, CWD and their like
  rows[0x9e] = rows[0x9f] = {Plain};    // SAHF, LAHF
  put_rows(rows, 0xa0, 0xa3, {Offset});
  rows[0xa8] = {Accumulator, 1};
  rows[0xa9] = {Accumulator, kIz};
  put_rows(rows, 0xb0, 0xbf, {MoveImmediate});
  put_pairs(rows, 0xc0, 0xc0, 1, 1);    // Shifts
  put_pairs(rows, 0xc6, 0xc6, 1, kIz);  // MOV
  put_pairs(rows, 0xd0, 0xd3);
  put_rows(rows, 0xd8, 0xdf, {Plain});  // x87
  rows[0xf5] = rows[0xf8] = rows[0xf9] = {Plain};  // CMC, CLC, STC
  put_pairs(rows, 0xf6, 0xf6);          // Group 3; TEST alone has an immediate.
  put_pairs(rows, 0xfe, 0xfe);          // INC, DEC
  return rows;
}

constexpr OpcodeRows make_0f_rows() {
  using enum OpcodeForm;
  using namespace mandatory;
  OpcodeRows rows{};
  const auto vector = [&](unsigned first, unsigned last, u8 prefixes, u8 immediate = 0) {
    put_rows(rows, first, last, {Vector, immediate, prefixes});
  };
  vector(0x10, 0x12, kAll);
  vector(0x13, 0x15, kMmx);
  vector(0x16, 0x16, kMmx | kF3);
  vector(0x17, 0x17, kMmx);
  vector(0x28, 0x29, kMmx);
  vector(0x2a, 0x2a, kAll);
  vector(0x2b, 0x2b, kMmx);
  vector(0x2c, 0x2d, kAll);
  vector(0x2e, 0x2f, kMmx);
  put_rows(rows, 0x40, 0x4f, {Sized});  // CMOVcc
  vector(0x50, 0x50, kMmx);
  vector(0x51, 0x51, kAll);
  vector(0x52, 0x53, kNone | kF3);
  vector(0x54, 0x57, kMmx);
  vector(0x58, 0x5a, kAll);
  vector(0x5b, 0x5b, kMmx | kF3);
  vector(0x5c, 0x5f, kAll);
  vector(0x60, 0x6b, kMmx);
  vector(0x6c, 0x6d, k66);
  vector(0x6e, 0x6e, kMmx);
  vector(0x6f, 0x6f, kMmx | kF3);
  vector(0x70, 0x70, kAll, 1);
  vector(0x71, 0x73, kMmx, 1);
  vector(0x74, 0x76, kMmx);
  vector(0x7c, 0x7d, k66 | kF2);
  vector(0x7e, 0x7f, kMmx | kF3);
  put_rows(rows, 0x90, 0x9f, {Plain});  // SETcc
  rows[0xa3] = rows[0xab] = rows[0xb3] = rows[0xbb] = {BitString};
  rows[0xa4] = rows[0xac] = {Sized, 1};  // SHLD, SHRD
  rows[0xa5] = rows[0xad] = {Sized};
  rows[0xae] = {Plain};                  // Fences
  rows[0xaf] = {Sized};                  // IMUL
  put_pairs(rows, 0xb0, 0xb0);           // CMPXCHG
  rows[0xb6] = rows[0xb7] = rows[0xbe] = rows[0xbf] = {Sized};  // MOVZX, MOVSX
  rows[0xb8] = rows[0xbc] = rows[0xbd] = {Sized};               // POPCNT; bit scans
  rows[0xba] = {Sized, 1};               // BT and its like
  put_pairs(rows, 0xc0, 0xc0);           // XADD
  vector(0xc2, 0xc2, kAll, 1);
  vector(0xc3, 0xc3, kNone);             // MOVNTI
  vector(0xc4, 0xc6, kMmx, 1);
  put_rows(rows, 0xc8, 0xcf, {Swap});
  vector(0xd0, 0xd0, k66 | kF2);
  vector(0xd1, 0xd5, kMmx);
  vector(0xd6, 0xd6, k66 | kF3 | kF2);
  vector(0xd7, 0xe5, kMmx);
  vector(0xe6, 0xe6, k66 | kF3 | kF2);
  vector(0xe7, 0xef, kMmx);
  vector(0xf0, 0xf0, kF2);
  vector(0xf1, 0xf6, kMmx);
  vector(0xf8, 0xfe, kMmx);
  return rows;
}

constexpr OpcodeRows make_0f38_rows() {
  using enum OpcodeForm;
  using namespace mandatory;
  OpcodeRows rows{};
  const auto vector = [&](unsigned first, unsigned last, u8 prefixes) {
    put_rows(rows, first, last, {Vector, 0, prefixes});
  };
  vector(0x00, 0x0b, kMmx);
  vector(0x10, 0x10, k66);
  vector(0x14, 0x15, k66);
  vector(0x17, 0x17, k66);
  vector(0x1c, 0x1e, kMmx);
  vector(0x20, 0x25, k66);
  vector(0x28, 0x2b, k66);
  vector(0x30, 0x35, k66);
  vector(0x37, 0x41, k66);
  vector(0xdb, 0xdf, k66);
  rows[0xf0] = rows[0xf1] = {Sized};  // MOVBE, CRC32
  vector(0xf6, 0xf6, k66 | kF3);      // ADCX, ADOX
  return rows;
}

constexpr OpcodeRows make_0f3a_rows() {
  using namespace mandatory;
  OpcodeRows rows{};
  const auto vector = [&](unsigned first, unsigned last, u8 prefixes) {
    put_rows(rows, first, last, {OpcodeForm::Vector, 1, prefixes});
  };
  vector(0x08, 0x0e, k66);
  vector(0x0f, 0x0f, kMmx);
  vector(0x14, 0x17, k66);
  vector(0x20, 0x22, k66);
  vector(0x40, 0x42, k66);
  vector(0x44, 0x44, k66);
  vector(0x60, 0x63, k66);
  vector(0xdf, 0xdf, k66);
  return rows;
}

/// By opcode map: one byte, 0F, 0F 38, 0F 3A.
inline constexpr OpcodeRows kOpcodeRows[4] = {make_one_byte_rows(), make_0f_rows(),
                                              make_0f38_rows(), make_0f3a_rows()};

}  // namespace doppel::jit
