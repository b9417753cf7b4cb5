#pragma once

// What a translation may rely on: the part of the processor's state that is looked at once, when a
// block is translated, and not each time it runs.
//
// Packed into one number, the key of a block. Whatever changes it leaves translated code first.

#include "cpu/cpu.h"
#include "cpu/decoder.h"

namespace doppel::jit {

/// What is known of a segment that has a base and a limit (outside 64-bit code).
enum class SegmentShape : u8 {
  Flat,    ///< Base 0, all of 4 GiB, may be written (CS: may be read).
  Based,   ///< As Flat, with any base.
  Small,   ///< Offsets 0 to 0xffff, may be written, any base: real mode.
  Other,   ///< Every access is the interpreter's.
  /// Its base and bound are looked at when code runs. FS and GS of 32-bit code: 32-bit kernels load one of them on each way
  /// in and out, and traces go on behind that.
  Checked,
};

class Mode {
 public:
  explicit Mode(u32 key = 0) : key_(key) {}
  /// Of the processor at this moment.
  static Mode of(const cpu::Cpu& cpu);
  /// What `of` looks at in the units for x87 and SSE instructions: with Cpu::translation_epoch() all of it.
  static u64 float_controls(const cpu::Cpu& cpu);

  u32 key() const { return key_; }
  /// What the decoder must know: Cpu::mode_key().
  u32 decoder_key() const { return key_ & 7; }
  cpu::CodeSize code_size() const { return static_cast<cpu::CodeSize>(key_ & 3); }
  unsigned code_bytes() const {  ///< Of offsets in CS.
    return code_size() == cpu::CodeSize::Bits64 ? 8 : code_size() == cpu::CodeSize::Bits32 ? 4 : 2;
  }
  /// Where an offset that ran over the end of CS is.
  u64 mask_code(u64 rip) const { return code64() ? rip : rip & ((u64{1} << (code_bytes() * 8)) - 1); }
  bool code64() const { return code_size() == cpu::CodeSize::Bits64; }
  mmu::Mmu::PrivilegeClass privilege() const {
    return static_cast<mmu::Mmu::PrivilegeClass>(key_ >> kPrivilege & 3);
  }
  bool ring0() const { return (key_ >> kRing0 & 1) != 0; }  ///< CPL 0: instructions for the system may run.
  /// EFLAGS.AC says whether supervisor code may touch the user's pages (CR4.SMAP), and privilege() says what it is.
  bool has_smap() const { return (key_ >> kSmap & 1) != 0; }
  /// With privilege() after STAC and CLAC. Only where has_smap().
  Mode with_other_access() const { return Mode(key_ ^ kOtherAccess << kPrivilege); }
  /// 32-bit code with descriptors, not virtual-8086 or real mode.
  bool protected32() const { return decoder_key() == static_cast<u32>(cpu::CodeSize::Bits32); }
  bool wide_stack() const { return (key_ >> kWideStack & 1) != 0; }  ///< SS.B, or 64-bit code.
  bool has_x87() const { return (key_ >> kX87 & 1) != 0; }
  bool has_sse() const { return (key_ >> kSse & 1) != 0; }
  bool has_avx() const { return (key_ >> kAvx & 1) != 0; }
  /// CS begins at 0: linear addresses of code are its offsets.
  bool flat_code() const { return (key_ >> kFlatCode & 1) != 0; }
  SegmentShape shape(Seg segment) const {
    if (checks_bound(segment)) return SegmentShape::Checked;
    return static_cast<SegmentShape>(key_ >> (kShapes + 2 * static_cast<unsigned>(segment)) & 3);
  }
  bool checks_bound(Seg segment) const {
    return code_size() == cpu::CodeSize::Bits32 && (segment == Seg::FS || segment == Seg::GS);
  }
  /// Nothing can be translated: accesses are looked at one by one, or CS has an odd limit.
  bool untranslatable() const { return (key_ >> kNever & 1) != 0; }

 private:
  static constexpr unsigned kPrivilege = 3, kWideStack = 5, kX87 = 6, kSse = 7, kAvx = 8,
                            kFlatCode = 9, kNever = 10, kRing0 = 11, kShapes = 12, kSmap = 24;
  static constexpr u32 kOtherAccess = static_cast<u32>(mmu::Mmu::PrivilegeClass::Supervisor) ^
                                      static_cast<u32>(mmu::Mmu::PrivilegeClass::SupervisorAc);
  u32 key_;
};

}  // namespace doppel::jit
