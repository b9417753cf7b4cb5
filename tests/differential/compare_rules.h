#pragma once

// What the manual leaves undefined, and where processors are known to differ: the only excuses
// there are. Each has its reason.

#include "tests/differential/forms.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

/// RFLAGS bits that have no defined value after the instruction.
u64 undefined_flags(const TestCase& test, const Decoded& decoded);

/// The whole result is undefined: only that it did not fault differently is compared.
bool is_result_undefined(const TestCase& test, const Decoded& decoded);

/// The instruction makes several accesses, or checks several things, in an order that is the
/// implementation's: which of several faults it reports, and at which address, is not compared.
bool is_fault_order_open(const Decoded& decoded);

/// A masked store that leaves bytes out.
bool is_masked_out(const TestCase& test, const Decoded& decoded);
/// A masked load or store of AVX: AMD's processors check the limit of its segment for the whole operand, or not
/// for all of its elements.
bool is_masked_avx(const Decoded& decoded);
bool is_gather(const Decoded& decoded);

/// What a faulted instruction may have done already: it is restarted from the beginning.
struct Partial {
  bool memory = false;
  bool registers = false;
  bool x87 = false;
};
Partial partial_progress(const Decoded& decoded);

/// Bits of a general register that the result leaves open.
u64 undefined_result_bits(const Decoded& decoded, unsigned gpr);

/// A stretch of the memory operand that is not compared.
struct Ignored {
  u64 first = 0;
  u64 size = 0;
};
/// Images that hold the addresses of the last x87 instruction, or what the model does not promise.
std::vector<Ignored> ignored_bytes(const Decoded& decoded);
/// Bytes above a selector in its stack slot, relative to the final stack pointer.
std::vector<Ignored> ignored_stack_bytes(const Decoded& decoded);

}  // namespace doppel::differential
