#pragma once

// What must be equal afterwards, and what the manual leaves open.

#include <string>
#include <vector>

#include "tests/differential/forms.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

/// One side of a test, as it ended.
struct Side {
  Outcome outcome;
  MachineState state;
  MemoryView memory;
};

/// Each difference as a line "rax: host 0x1, doppel 0x2"; empty if there is none.
std::vector<std::string> compare(const TestCase& test, const Decoded& decoded, const Side& host, const Side& guest);

/// Everything needed to see a difference again without this program.
std::string reproduction(const TestCase& test, const Side& host, const Side& guest);

}  // namespace doppel::differential
