#pragma once

// The parts of a host instruction, and how they become bytes.

#include <cstring>

#include "cpu/base/types.h"
#include "jit/reencode.h"

namespace doppel::jit {

inline constexpr u8 kGeneralRegisters = 16;

/// An immediate or a displacement of 32 bits says these 64.
constexpr bool is_sign_extended(u64 value) { return value == static_cast<u64>(static_cast<i64>(static_cast<i32>(value))); }

/// Opcode maps as VEX numbers them.
enum OpcodeMap : u8 { kOneByte, k0f, k0f38, k0f3a };

/// A register as an encoding field has it.
struct RegisterCode {
  u8 number = 0;
  bool needs_rex = false;    ///< SPL BPL SIL DIL
  bool forbids_rex = false;  ///< AH CH DH BH
};

/// The parts of an encoding, put together by `write_encoding`.
struct Encoding {
  bool lock = false;
  bool size_prefix = false;
  u8 mandatory_prefix = 0;
  bool wide = false;
  bool needs_rex = false;
  bool forbids_rex = false;
  OpcodeMap map = kOneByte;
  u8 opcode = 0;

  bool vex = false;
  bool vex_l = false;
  u8 vex_prefix = 0;
  u8 vvvv = 0;

  bool has_modrm = false;
  u8 reg = 0;
  u8 rm = 0;                           ///< Of ModRM, or of the opcode where it names a register.
  const HostMemory* memory = nullptr;  ///< Instead of `rm`.

  const u8* immediate = nullptr;
  u8 immediate_size = 0;

  void note(const RegisterCode& code) {
    needs_rex = needs_rex || code.needs_rex;
    forbids_rex = forbids_rex || code.forbids_rex;
  }
  void set_reg(const RegisterCode& code) {
    note(code);
    reg = code.number;
  }
  void set_rm(const RegisterCode& code) {
    note(code);
    rm = code.number;
    memory = nullptr;
  }
};

/// ModRM, SIB and displacement. `number` stands in ModRM.reg.
inline u8* put_memory(u8 number, const HostMemory& m, u8* out) {
  const u8 reg = static_cast<u8>((number & 7) << 3);
  const u8 base = m.base & 7;
  // Without a displacement, base 101 means none and RIP; base 100 means that a SIB byte follows.
  // @source Intel SDM Vol. 2A, "Addressing-Mode Encoding of ModR/M and SIB Bytes" (2.1.5)
  const bool short_form = m.displacement >= -128 && m.displacement <= 127;
  const u8 mod = m.displacement == 0 && base != 5 ? 0x00 : short_form ? 0x40 : 0x80;
  if (m.index != HostMemory::kNone || base == 4) {
    const u8 index = m.index == HostMemory::kNone ? 4 : m.index & 7;
    *out++ = static_cast<u8>(mod | reg | 4);
    *out++ = static_cast<u8>(m.scale << 6 | index << 3 | base);
  } else {
    *out++ = static_cast<u8>(mod | reg | base);
  }
  if (mod == 0x40) *out++ = static_cast<u8>(m.displacement);
  if (mod == 0x80) {
    std::memcpy(out, &m.displacement, 4);
    out += 4;
  }
  return out;
}

inline u8* put_modrm(const Encoding& e, u8* out) {
  if (e.memory != nullptr) return put_memory(e.reg, *e.memory, out);
  *out++ = static_cast<u8>(0xc0 | (e.reg & 7) << 3 | (e.rm & 7));
  return out;
}

inline bool is_usable(const HostMemory& m) {
  return m.base < kGeneralRegisters && m.scale < 4 &&
         (m.index == HostMemory::kNone || (m.index < kGeneralRegisters && m.index != 4));
}

/// The bytes of `e`; 0 where registers and REX exclude each other.
inline size_t write_encoding(const Encoding& e, u8* const out) {
  if (e.memory != nullptr && !is_usable(*e.memory)) return 0;
  const bool indexed = e.memory != nullptr && e.memory->index != HostMemory::kNone;
  const u8 r = e.reg >> 3;
  const u8 x = indexed ? e.memory->index >> 3 : 0;
  const u8 b = static_cast<u8>((e.memory != nullptr ? e.memory->base : e.rm) >> 3);
  u8* at = out;
  if (e.vex) {
    // R, X, B and vvvv are stored inverted. @source Intel SDM Vol. 2A, "The VEX Prefix" (2.3.5)
    const u8 last = static_cast<u8>((~e.vvvv & 15) << 3 | (e.vex_l ? 4 : 0) | e.vex_prefix);
    if (e.map == k0f && !e.wide && x == 0 && b == 0) {
      *at++ = 0xc5;
      *at++ = static_cast<u8>((r != 0 ? 0 : 0x80) | last);
    } else {
      *at++ = 0xc4;
      *at++ = static_cast<u8>(0xe0 ^ (r << 7 | x << 6 | b << 5) ^ e.map);
      *at++ = static_cast<u8>((e.wide ? 0x80 : 0) | last);
    }
  } else {
    if (e.lock) *at++ = 0xf0;
    if (e.size_prefix) *at++ = 0x66;
    if (e.mandatory_prefix != 0) *at++ = e.mandatory_prefix;
    const u8 rex = static_cast<u8>((e.wide ? 8 : 0) | r << 2 | x << 1 | b);
    if (rex != 0 || e.needs_rex) {
      if (e.forbids_rex) return 0;
      *at++ = 0x40 | rex;
    }
    if (e.map != kOneByte) *at++ = 0x0f;
    if (e.map == k0f38) *at++ = 0x38;
    if (e.map == k0f3a) *at++ = 0x3a;
  }
  *at++ = e.has_modrm ? e.opcode : static_cast<u8>(e.opcode | (e.rm & 7));
  if (e.has_modrm) at = put_modrm(e, at);
  if (e.immediate_size != 0) std::memcpy(at, e.immediate, e.immediate_size);
  return static_cast<size_t>(at - out) + e.immediate_size;
}

}  // namespace doppel::jit
