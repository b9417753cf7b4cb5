#pragma once

// Makes a test of a form: random bytes around its opcode, and a state in which it can do something.
//
// Random registers alone would make nearly every memory operand fault, every division overflow
// and every floating-point operand a NaN. So the bytes are decoded again, and the registers an address
// is made of are solved for a target that is interesting: aligned, unaligned, across a page,
// read-only, missing.

#include "tests/differential/forms.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

class Generator {
 public:
  explicit Generator(u64 seed) : seed_(seed) {}

  /// The `index`th test of a form: the same for the same seed. False if no attempt gave an
  /// instruction that may be compared.
  bool make(const Form& form, u64 index, TestCase& test, Decoded& decoded);

  /// What memory holds before a test's patches.
  void fill_background(const MemoryView& memory);

 private:
  bool assemble(const Form& form, TestCase& test, Decoded& decoded);
  void forbid_lock(TestCase& test);
  void random_segments(TestCase& test);
  void random_registers(TestCase& test, const Decoded& decoded);
  void random_float(TestCase& test, const Decoded& decoded);
  void random_flags(TestCase& test, const Decoded& decoded);
  void suit_mnemonic(TestCase& test, const Decoded& decoded);
  void solve_memory(TestCase& test, Decoded& decoded);
  void solve_operand(TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand);
  void solve_vsib(TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand);
  bool wraps_around(const TestCase& test, const Decoded& decoded) const;
  void keep_branch_canonical(TestCase& test, const Decoded& decoded);
  void prepare_far_frame(TestCase& test, const Decoded& decoded);
  void patch(TestCase& test, u64 address, const void* bytes, size_t size);

  u64 target_address(u64 size_bytes, bool stack);
  u64 random_integer();
  u16 random_selector(bool code);
  void random_element(u8* out, unsigned bytes, bool floating);
  void random_extended(u8* out);
  void random_bytes(u8* out, size_t size);

  u64 seed_;
  Random random_{0};
};

}  // namespace doppel::differential
