#pragma once

// What a fuzzer of this folder gives: the function that libFuzzer calls, and inputs to begin with.

#include <cstddef>
#include <vector>

#include "cpu/base/types.h"

/// One input, to its end. A finding is a crash, a failed check or a sanitizer's report.
extern "C" int LLVMFuzzerTestOneInput(const doppel::u8* data, size_t size);

namespace doppel::fuzz {

/// Inputs that reach far, for mutations to start from.
std::vector<std::vector<u8>> seeds();

}  // namespace doppel::fuzz
