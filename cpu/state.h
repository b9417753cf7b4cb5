#pragma once

// Everything a program could see of a processor, in standard layout: an ABI with generated code.
//
// Arithmetic flags are lazy: an instruction leaves its result and its carries, and whoever asks
// computes the flag. See `LazyFlags`.

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "cpu/arch/control.h"
#include "cpu/arch/descriptor.h"
#include "cpu/arch/registers.h"
#include "cpu/arch/rflags.h"
#include "cpu/base/archive.h"
#include "cpu/base/bits.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

/// A segment register with its hidden part.
struct SegmentRegister {
  u64 base = 0;
  u32 limit = 0;        ///< In bytes, granularity applied.
  u16 selector = 0;
  u16 attributes = 0;   ///< attr:: bits; 0 = unusable (a null selector).

  // The window of valid offsets, derived by `update_window` whenever the fields above change: an
  // access of n bytes at o is inside if o >= low && o + n - 1 <= high (computed in 64 bits).
  // Nothing is inside an unusable segment.
  u64 low = 1;
  u64 high = 0;

  bool usable() const { return (attributes & attr::P) != 0; }
  bool big() const { return (attributes & attr::DB) != 0; }
  bool is_code() const { return (attributes & attr::CODE) != 0; }
  bool readable() const {
    return (attributes & attr::P) != 0 && (!is_code() || (attributes & attr::RW) != 0);
  }
  bool writable() const {
    return (attributes & (attr::P | attr::CODE | attr::RW)) == (attr::P | attr::RW);
  }
  unsigned dpl() const { return (attributes & attr::DPL) >> attr::kDplShift; }

  void update_window() {
    if (!usable()) {
      low = 1;
      high = 0;
    } else if ((attributes & (attr::S | attr::CODE | attr::EC)) == (attr::S | attr::EC)) {
      low = u64{limit} + 1;  // Expands down.
      high = big() ? 0xffff'ffff : 0xffff;
    } else {
      low = 0;
      high = limit;
    }
  }

  void serialize(Archive& archive) {
    archive(base, limit, selector, attributes);
    if (archive.is_loading()) update_window();
  }
};

struct TableRegister {
  u64 base = 0;
  u16 limit = 0;
  void serialize(Archive& archive) { archive(base, limit); }
};

/// CF, PF, AF, ZF, SF and OF as the last arithmetic instruction left them.
///
/// `result` is the result sign-extended to 64 bits; `carries` holds the carry out of the top bit in
/// bit 63, the carry into it in bit 62, and the carry out of bit 3 in bit 3 (borrows likewise).
/// Where flags come from elsewhere (POPF, SAHF), bits 8-15 of `carries` are xored into the byte
/// that parity is taken of, and bit 16 into the sign.
struct LazyFlags {
  u64 result = 1;
  u64 carries = 0;

  static constexpr u64 kCarry = u64{1} << 63;
  static constexpr u64 kCarryIn = u64{1} << 62;
  static constexpr u64 kAdjust = 1u << 3;
  static constexpr u64 kSignFlip = 1u << 16;

  bool cf() const { return (carries >> 63) != 0; }
  bool zf() const { return result == 0; }
  bool sf() const { return ((result >> 63) ^ (carries >> 16 & 1)) != 0; }
  bool of() const { return ((carries ^ (carries << 1)) >> 63) != 0; }
  bool af() const { return (carries & kAdjust) != 0; }
  bool pf() const { return !__builtin_parity(static_cast<unsigned>((result ^ (carries >> 8)) & 0xff)); }

  /// The six flags in their RFLAGS places.
  u64 get() const {
    return (cf() ? rflags::CF : 0) | (pf() ? rflags::PF : 0) | (af() ? rflags::AF : 0) |
           (zf() ? rflags::ZF : 0) | (sf() ? rflags::SF : 0) | (of() ? rflags::OF : 0);
  }
  void set(u64 flags) {
    const bool carry = (flags & rflags::CF) != 0;
    const bool overflow = (flags & rflags::OF) != 0;
    const bool zero = (flags & rflags::ZF) != 0;
    const bool sign = (flags & rflags::SF) != 0;
    const bool parity = (flags & rflags::PF) != 0;
    result = zero ? 0 : 1;  // Odd parity, positive; zero has even parity.
    carries = (carry ? kCarry : 0) | (carry != overflow ? kCarryIn : 0) |
              ((flags & rflags::AF) != 0 ? kAdjust : 0) | (sign ? kSignFlip : 0) |
              (parity != zero ? u64{1} << 8 : 0);
  }
  /// Changes CF alone. OF must survive: carry-in flips with it.
  void set_cf(bool on) {
    if (cf() != on) carries ^= kCarry | kCarryIn;
  }
  void set_of(bool on) {
    if (of() != on) carries ^= kCarryIn;
  }
  void serialize(Archive& archive) {
    // Saved as the flags they mean: equal machines have equal bytes.
    u64 flags = get();
    archive(flags);
    if (archive.is_loading()) set(flags);
  }
};

/// The x87 unit, in the layout of the first 160 bytes of FXSAVE64's image.
/// @source Intel SDM Vol. 1, "x87 FPU Programming"; Vol. 2, "FXSAVE"
struct X87State {
  u16 fcw = 0x40;
  u16 fsw = 0;
  u8 ftw = 0;       ///< Abridged: bit n set = physical register n in use.
  u8 reserved = 0;
  u16 fop = 0;
  u64 fip = 0;      ///< Offset of the last non-control instruction.
  u64 fdp = 0;      ///< Offset of its memory operand.
  u32 mxcsr = 0x1f80;
  u32 mxcsr_mask = 0xffff;
  u8 st[8][16] = {};  ///< ST(0)..ST(7), 80 bits each; MM registers are their low halves by physical number.
  u16 fcs = 0;      ///< Selectors for the 32-bit and real-mode images.
  u16 fds = 0;

  void serialize(Archive& archive) {
    archive(fcw, fsw, ftw, fop, fip, fdp, mxcsr, st, fcs, fds);
  }
};

/// Offsets into the register file. Entries 0-15 are the general registers; after them stand a
/// constant zero, which absent bases and indexes name, and the instruction pointer.
inline constexpr unsigned kZeroRegister = 16;
inline constexpr unsigned kRipRegister = 17;

struct CpuState {
  /// General registers, zero, RIP (already past the current instruction while it executes).
  u64 gpr[18] = {};
  LazyFlags flags;
  /// RFLAGS without the six arithmetic flags: TF IF DF IOPL NT RF VM AC VIF VIP ID, and FIXED.
  u64 system_flags = rflags::FIXED;
  /// Instructions retired since start: the clock of the machine.
  u64 retired = 0;

  SegmentRegister seg[kSegCount];
  SegmentRegister ldtr;
  SegmentRegister tr;
  TableRegister gdtr;
  TableRegister idtr;
  u8 cpl = 0;

  u64 cr0 = 0;
  u64 cr2 = 0;
  u64 cr3 = 0;
  u64 cr4 = 0;
  u64 efer = 0;
  u64 xcr0 = xcr0::X87;
  u64 dr[8] = {};
  u32 pkru = 0;

  u64 star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0;
  u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
  u64 pat = 0x0007'0406'0007'0406;
  u64 tsc_aux = 0;
  u64 misc_enable = 1;
  u64 debugctl = 0;
  u64 mtrr_def_type = 0;
  u64 mtrr_fixed[11] = {};
  u64 mtrr_variable[16] = {};
  u64 mcg_status = 0;

  /// Between HLT and what wakes it.
  bool halted = false;
  /// Shut down by a triple fault.
  bool shutdown = false;
  /// STI, MOV SS and POP SS hold interrupts (MOV/POP SS also debug traps) off for one instruction.
  bool interrupt_shadow = false;
  bool mov_ss_shadow = false;
  /// RIP stands at a repeated string instruction that has begun: an event now pushes RF set.
  bool repeating = false;
  /// NMIs are blocked until IRET.
  bool nmi_blocked = false;
  /// Sequence of RDRAND and RDSEED; seeded by `--seed`.
  u64 random = 0x9e37'79b9'7f4a'7c15;

  /// Stands where XSAVE would put it: generated code moves the x87 unit with XSAVE64 and XRSTOR64,
  /// which need their header 512 bytes on. Nothing else of the image is used.
  alignas(64) X87State x87;
  u8 xsave_unused[512 - sizeof(X87State)] = {};
  u64 xsave_header[8] = {1};  ///< XSTATE_BV: the x87 unit.
  alignas(64) u8 ymm[16][32] = {};

  u64& rip() { return gpr[kRipRegister]; }
  u64 rip() const { return gpr[kRipRegister]; }
  u64& reg(unsigned number) { return gpr[number]; }
  u64 reg(unsigned number) const { return gpr[number]; }
  SegmentRegister& segment(Seg s) { return seg[static_cast<unsigned>(s)]; }
  const SegmentRegister& segment(Seg s) const { return seg[static_cast<unsigned>(s)]; }

  /// A general register by its byte offset in the file and its type: AH is offset 1, R8B offset 64.
  template <class T>
  T at(unsigned byte_offset) const {
    T value;
    std::memcpy(&value, reinterpret_cast<const u8*>(gpr) + byte_offset, sizeof value);
    return value;
  }
  /// Writes as the processor does: 32-bit results clear the upper half, smaller ones keep the rest.
  template <class T>
  void set_at(unsigned byte_offset, T value) {
    if constexpr (sizeof(T) == 4) {
      const u64 wide = value;
      std::memcpy(reinterpret_cast<u8*>(gpr) + byte_offset, &wide, sizeof wide);
    } else {
      std::memcpy(reinterpret_cast<u8*>(gpr) + byte_offset, &value, sizeof value);
    }
  }

  u64 rflags() const { return system_flags | flags.get(); }
  void set_rflags(u64 value) {
    flags.set(value);
    system_flags = (value & rflags::kDefined & ~rflags::kArithmetic) | rflags::FIXED;
  }
  bool test(u64 system_flag) const { return (system_flags & system_flag) != 0; }

  bool protected_mode() const { return (cr0 & cr0::PE) != 0; }
  bool v86() const { return (system_flags & rflags::VM) != 0; }
  bool real_or_v86() const { return !protected_mode() || v86(); }
  bool long_mode() const { return (efer & efer::LMA) != 0; }
  bool code64() const { return long_mode() && (segment(Seg::CS).attributes & attr::L) != 0; }
  unsigned iopl() const { return static_cast<unsigned>(system_flags >> rflags::kIoplShift & 3); }

  void serialize(Archive& archive);
};
static_assert(std::is_standard_layout_v<CpuState>);
static_assert(offsetof(CpuState, xsave_header) - offsetof(CpuState, x87) == 512);

}  // namespace doppel::cpu
