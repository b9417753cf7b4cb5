#pragma once

// asmjit's assembler, with a short way for what blocks are made of.
//
// A handful of forms (loads, stores, LEA, PEXT, SHRX, ...) is nine tenths of what is emitted, and asmjit looks each of them up
// in its tables: a quarter of the cost of translating. Here they are written as they stand. The names are asmjit's, so
// whoever emits need not know; operands of other kinds go asmjit's way.

#include <asmjit/x86.h>

#include "cpu/base/check.h"
#include "jit/host_encoding.h"

namespace doppel::jit {

class HostAssembler : public asmjit::x86::Assembler {
  using Base = asmjit::x86::Assembler;
  using Gp = asmjit::x86::Gp;
  using Mem = asmjit::x86::Mem;
  using Imm = asmjit::Imm;

 public:
  using Base::add;
  using Base::cmp;
  using Base::lea;
  using Base::mov;
  using Base::pext;
  using Base::ret;
  using Base::shrx;
  using Base::sub;

  void lea(const Gp& to, const Mem& from) {
    if (!put_load(0x8d, to, from)) Base::lea(to, from);
  }
  void mov(const Gp& to, const Mem& from) {
    if (!put_load(0x8b, to, from)) Base::mov(to, from);
  }
  void mov(const Mem& to, const Gp& from) {
    if (!put_load(0x89, from, to)) Base::mov(to, from);
  }
  void add(const Gp& to, const Mem& from) {
    if (!put_load(0x03, to, from)) Base::add(to, from);
  }
  void mov(const Gp& to, const Gp& from) {
    if (!is_wide(to) || to.size() != from.size()) {
      Base::mov(to, from);
      return;
    }
    u8* out = begin();
    *out++ = static_cast<u8>(0x40 | (to.size() == 8 ? 8 : 0) | number(to) >> 3 << 2 | number(from) >> 3);
    *out++ = 0x8b;
    *out++ = static_cast<u8>(0xc0 | (number(to) & 7) << 3 | (number(from) & 7));
    end(out);
  }
  void mov(const Gp& to, const Imm& value) {
    if (!is_wide(to)) {
      Base::mov(to, value);
      return;
    }
    const i64 constant = value.value();
    const u8 rex = static_cast<u8>(0x40 | number(to) >> 3);
    const u8 low = number(to) & 7;
    u8* out = begin();
    if (to.size() == 4) {
      *out++ = rex;
      *out++ = static_cast<u8>(0xb8 | low);
      out = put<u32>(out, static_cast<u32>(constant));
    } else if (constant == static_cast<i32>(constant)) {
      *out++ = rex | 8;
      *out++ = 0xc7;
      *out++ = 0xc0 | low;
      out = put<u32>(out, static_cast<u32>(constant));
    } else {
      *out++ = rex | 8;
      *out++ = static_cast<u8>(0xb8 | low);
      out = put<u64>(out, static_cast<u64>(constant));
    }
    end(out);
  }
  void mov(const Mem& to, const Imm& value) {
    HostMemory memory;
    if (to.size() != 4 || !is_plain(to, memory)) {
      Base::mov(to, value);
      return;
    }
    u8* out = begin();
    *out++ = rex_of(0, memory);
    *out++ = 0xc7;
    out = put_memory(0, memory, out);
    end(put<u32>(out, static_cast<u32>(value.value())));
  }
  void sub(const Gp& to, const Imm& value) {
    if (!put_arithmetic(5, to, value)) Base::sub(to, value);
  }
  void cmp(const Gp& to, const Imm& value) {
    if (!put_arithmetic(7, to, value)) Base::cmp(to, value);
  }

  // VEX.LZ.F3.0F38.W F5 /r and VEX.LZ.F2.0F38.W F7 /r. @source Intel SDM Vol. 2B, "PEXT", "SARX/SHLX/SHRX"
  void pext(const Gp& to, const Gp& from, const Mem& mask) {
    HostMemory memory;
    if (!is_wide(to) || !is_plain(mask, memory)) {
      Base::pext(to, from, mask);
      return;
    }
    const u8 x = memory.index == HostMemory::kNone ? 0 : memory.index >> 3;
    u8* const out = put_vex(begin(), to, x, memory.base >> 3, number(from), 2);
    *out = 0xf5;
    end(put_memory(number(to) & 7, memory, out + 1));
  }
  void shrx(const Gp& to, const Gp& from, const Gp& count) {
    u8* out = put_vex(begin(), to, 0, number(from) >> 3, number(count), 3);
    *out++ = 0xf7;
    *out++ = static_cast<u8>(0xc0 | (number(to) & 7) << 3 | (number(from) & 7));
    end(out);
  }
  void ret() {
    u8* const out = begin();
    *out = 0xc3;
    end(out + 1);
  }
  /// At most 15.
  void put_bytes(const void* bytes, size_t count) {
    u8* const out = begin();
    std::memcpy(out, bytes, count);
    end(out + count);
  }
  /// With a displacement of 32 bits, to an address of the code section's whose first byte is at `base`.
  void jump_far(u64 base, u64 target) { put_far(0xe9, base, target); }
  void call_far(u64 base, u64 target) { put_far(0xe8, base, target); }

 private:
  static u8 number(const Gp& reg) { return static_cast<u8>(reg.id()); }
  static bool is_wide(const Gp& reg) { return reg.size() >= 4; }

  u8* begin() {
    DOPPEL_CHECK(_bufferEnd - _bufferPtr >= static_cast<std::ptrdiff_t>(kMaxHostInstruction), "the code cache ends here");
    return _bufferPtr;
  }
  void end(u8* out) { _bufferPtr = out; }

  template <class T>
  static u8* put(u8* out, T value) {
    std::memcpy(out, &value, sizeof value);
    return out + sizeof value;
  }
  /// A base register, perhaps an index, no segment.
  static bool is_plain(const Mem& mem, HostMemory& memory) {
    if (mem.baseType() != asmjit::RegType::kX86_Gpq || mem.hasSegment()) return false;
    memory.base = static_cast<u8>(mem.baseId());
    memory.displacement = mem.offsetLo32();
    if (!mem.hasIndex()) return true;
    if (mem.indexType() != asmjit::RegType::kX86_Gpq) return false;
    memory.index = static_cast<u8>(mem.indexId());
    memory.scale = static_cast<u8>(mem.shift());
    return true;
  }
  static u8 rex_of(u8 reg, const HostMemory& memory) {
    const u8 x = memory.index == HostMemory::kNone ? 0 : memory.index >> 3;
    return static_cast<u8>(0x40 | reg >> 3 << 2 | x << 1 | memory.base >> 3);
  }
  bool put_load(u8 opcode, const Gp& reg, const Mem& mem) {
    HostMemory memory;
    if (!is_wide(reg) || !is_plain(mem, memory)) return false;
    u8* out = begin();
    const u8 rex = static_cast<u8>(rex_of(number(reg), memory) | (reg.size() == 8 ? 8 : 0));
    if (rex != 0x40) *out++ = rex;
    *out++ = opcode;
    end(put_memory(number(reg) & 7, memory, out));
    return true;
  }
  /// ADD ... CMP with a constant: `which` is in ModRM.reg.
  bool put_arithmetic(u8 which, const Gp& reg, const Imm& value) {
    const i64 constant = value.value();
    if (!is_wide(reg) || constant != static_cast<i32>(constant)) return false;
    u8* out = begin();
    const u8 rex = static_cast<u8>(0x40 | (reg.size() == 8 ? 8 : 0) | number(reg) >> 3);
    if (rex != 0x40) *out++ = rex;
    const bool is_short = constant == static_cast<i8>(constant);
    *out++ = is_short ? 0x83 : 0x81;
    *out++ = static_cast<u8>(0xc0 | which << 3 | (number(reg) & 7));
    end(is_short ? put<u8>(out, static_cast<u8>(constant)) : put<u32>(out, static_cast<u32>(constant)));
    return true;
  }
  /// R, X, B and vvvv are stored inverted. @source Intel SDM Vol. 2A, "The VEX Prefix" (2.3.5)
  /// `prefix`: 1 for 66, 2 for F3, 3 for F2.
  static u8* put_vex(u8* out, const Gp& reg, u8 x, u8 b, u8 vvvv, u8 prefix) {
    *out++ = 0xc4;
    *out++ = static_cast<u8>(0xe0 ^ ((number(reg) >> 3) << 7 | x << 6 | b << 5) ^ k0f38);
    *out++ = static_cast<u8>((reg.size() == 8 ? 0x80 : 0) | (~vvvv & 15) << 3 | prefix);
    return out;
  }
  void put_far(u8 opcode, u64 base, u64 target) {
    u8* out = begin();
    *out++ = opcode;
    const u64 next = base + static_cast<u64>(out + 4 - _bufferData);
    end(put<u32>(out, static_cast<u32>(target - next)));
  }
};

}  // namespace doppel::jit
