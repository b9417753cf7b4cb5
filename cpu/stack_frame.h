#pragma once

// Values that go onto a stack together: all of them or none.
//
// An interrupt pushes up to ten values, a call gate up to thirty-five, perhaps onto another stack at
// another privilege. A fault at the last one must leave no trace of the first, so the frame is
// collected here, checked as a whole, and written at once.

#include <array>

#include "cpu/cpu.h"

namespace doppel::cpu {

class StackFrame {
 public:
  /// Onto the present stack, `width` bytes a value.
  StackFrame(Cpu& cpu, unsigned width);
  /// Onto another stack, written at privilege `cpl`. `flat`: 64-bit stack, `ss` does not matter.
  StackFrame(Cpu& cpu, unsigned width, const SegmentRegister& ss, u64 pointer, unsigned cpl, bool flat);

  void push(u64 value) { values_[count_++] = value; }
  /// Writes everything. @errors #SS(ss_error_code): limit or non-canonical; #PF, #AC
  Result<void> write(u32 ss_error_code);
  /// The stack pointer after the pushes, within the stack's size.
  u64 pointer() const { return (pointer_ - u64{count_} * width_) & mask_; }
  u64 mask() const { return mask_; }

 private:
  Result<void> write_pieces(u32 ss_error_code);
  LinearAddr address_of(u64 offset) const;

  Cpu& cpu_;
  SegmentRegister ss_;
  u64 pointer_;
  u64 mask_;
  unsigned width_;
  unsigned cpl_;
  bool flat_;
  unsigned count_ = 0;
  std::array<u64, 40> values_;  // The first `count_` of them.
};

/// Reads values upwards from the present stack without moving its pointer.
class StackReader {
 public:
  StackReader(Cpu& cpu, unsigned width) : cpu_(cpu), width_(width), pointer_(cpu.stack_pointer()) {}
  Result<u64> pop();
  void skip(u64 bytes) { pointer_ += bytes; }
  u64 pointer() const { return pointer_ & cpu_.stack_mask(); }

 private:
  Cpu& cpu_;
  unsigned width_;
  u64 pointer_;
};

/// The stack that the TSS names for an inner privilege level, checked and ready for pushes.
struct InnerStack {
  SegmentRegister ss;
  u64 pointer = 0;
};
/// SSn:ESPn of the TSS, for code running at `level`. `external` is the EXT bit of error codes.
/// @errors #TS, #SS with the new SS's selector; #TS with the TSS's if it is too short; #PF
/// @source Intel SDM Vol. 3A, "Stack Switching"
Result<InnerStack> inner_stack(Cpu& cpu, unsigned level, u32 external);
/// RSPn or, with `ist` not 0, ISTn of a 64-bit TSS; SS is null. @errors #TS(TR); #SS(external); #PF
Result<InnerStack> inner_stack64(Cpu& cpu, unsigned level, unsigned ist, u32 external);

}  // namespace doppel::cpu
