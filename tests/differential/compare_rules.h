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

/// A stretch of the memory operand that is not compared.
struct Ignored {
  u64 first = 0;
  u64 size = 0;
};
/// Images that hold the addresses of the last x87 instruction, or what the model does not promise.
std::vector<Ignored> ignored_bytes(const Decoded& decoded);

}  // namespace doppel::differential
