#pragma once

// Writes the bytes of host thunks: the dozen host instructions a thunk consists of besides the
// guest's own.
//
// A SIMD thunk is `u64 thunk(void* op0, void* op1, void* op2, void* op3, CpuState*)`: the addresses
// of the instruction's operands, in the order the manual writes them, in RDI, RSI, RDX and RCX, the
// state in R8. Vector operands live in host registers 1-4 by the field that names them.

#include <array>
#include <initializer_list>
#include <span>

#include "cpu/base/check.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

class ThunkCode {
 public:
  /// Register numbers of the four operand addresses; none of them needs a SIB or displacement byte.
  static constexpr u8 kAddress[4] = {7, 6, 2, 1};  // RDI RSI RDX RCX

  void put(std::initializer_list<u8> bytes) {
    for (const u8 byte : bytes) put_byte(byte);
  }
  void put_bytes(std::span<const u8> bytes) {
    for (const u8 byte : bytes) put_byte(byte);
  }

  // Operands, at the address in slot `slot`.
  void load_xmm(unsigned xmm, unsigned slot) { put({0x0f, 0x10, at(xmm, slot)}); }
  void store_xmm(unsigned xmm, unsigned slot) { put({0x0f, 0x11, at(xmm, slot)}); }
  void vex_load_xmm(unsigned xmm, unsigned slot) { put({0xc5, 0xf8, 0x10, at(xmm, slot)}); }
  void load_ymm(unsigned ymm, unsigned slot) { put({0xc5, 0xfc, 0x10, at(ymm, slot)}); }
  void store_ymm(unsigned ymm, unsigned slot) { put({0xc5, 0xfc, 0x11, at(ymm, slot)}); }
  void load_mmx(unsigned mm, unsigned slot) { put({0x0f, 0x6f, at(mm, slot)}); }
  /// A write to an MMX register sets the sign and exponent of the x87 register to ones.
  void store_mmx(unsigned mm, unsigned slot) {
    put({0x0f, 0x7f, at(mm, slot)});
    put({0x66, 0xc7, static_cast<u8>(0x40 | kAddress[slot]), 8, 0xff, 0xff});
  }
  void load_rax(unsigned slot) { put({0x48, 0x8b, at(0, slot)}); }
  void store_rax(unsigned slot) { put({0x48, 0x89, at(0, slot)}); }

  // Fixed registers, at an offset in the state (R8).
  void load_state_gpr(unsigned reg, size_t offset) { put({0x49, 0x8b}), in_state(reg, offset); }
  void store_state_gpr(unsigned reg, size_t offset) { put({0x49, 0x89}), in_state(reg, offset); }
  void load_state_xmm0(size_t offset) { put({0x41, 0x0f, 0x10}), in_state(0, offset); }
  void store_state_xmm0(size_t offset) { put({0x41, 0x0f, 0x11}), in_state(0, offset); }
  void store_state_ymm0(size_t offset) { put({0xc4, 0xc1, 0x7c, 0x11}), in_state(0, offset); }
  void load_mxcsr(size_t offset) { put({0x41, 0x0f, 0xae}), in_state(2, offset); }
  void store_mxcsr(size_t offset) { put({0x41, 0x0f, 0xae}), in_state(3, offset); }

  /// Gives C++ its rounding and masks back, unless the guest's are the same.
  void restore_mxcsr(size_t offset) {
    put({0x41, 0x8b}), in_state(0, offset);  // mov  eax, [r8 + offset]
    put({0x25, 0xc0, 0xff, 0x00, 0x00});     // and  eax, control bits
    put({0x3d, 0x80, 0x1f, 0x00, 0x00});     // cmp  eax, 0x1f80
    put({0x74, 0x0b});                       // je   +11
    put({0x68, 0x80, 0x1f, 0x00, 0x00});     // push 0x1f80
    put({0x0f, 0xae, 0x14, 0x24});           // ldmxcsr [rsp]
    put({0x41, 0x59});                       // pop  r9 (dead here)
  }
  void flags_to_r10() { put({0x9c, 0x41, 0x5a}); }  // pushfq; pop r10
  void return_r10() { put({0x44, 0x89, 0xd0, 0xc3}); }
  void return_zero() { put({0x31, 0xc0, 0xc3}); }
  void vzeroupper() { put({0xc5, 0xf8, 0x77}); }
  void emms() { put({0x0f, 0x77}); }

  std::span<const u8> bytes() const { return {bytes_.data(), size_}; }

 private:
  static constexpr u8 at(unsigned reg, unsigned slot) {
    return static_cast<u8>(reg << 3 | kAddress[slot]);
  }
  /// ModRM and displacement of [r8 + offset]; REX.B (or its VEX twin) went before.
  void in_state(unsigned reg, size_t offset) {
    put_byte(static_cast<u8>(0x80 | reg << 3));
    for (unsigned i = 0; i < 4; ++i) put_byte(static_cast<u8>(offset >> (8 * i)));
  }
  void put_byte(u8 byte) {
    DOPPEL_CHECK(size_ < bytes_.size(), "a host thunk is longer than any instruction needs");
    bytes_[size_++] = byte;
  }

  std::array<u8, 192> bytes_{};  // The longest thunk takes about 120.
  size_t size_ = 0;
};

}  // namespace doppel::cpu
