#pragma once

// Which engines blocks can run on: the one place that knows them by name.

#include <memory>
#include <string_view>

#include "cpu/cpu.h"
#include "cpu/engine.h"

namespace doppel::blocks {

/// "interp", "jit", or "faulty": the interpreter with a fault that the test must find.
/// `threshold`: runs of a block before it is translated.
/// @errors a sentence: no such engine, or the host cannot run it
Result<std::unique_ptr<cpu::Engine>, Error> make_engine(std::string_view name, cpu::Cpu& cpu, unsigned threshold);

}  // namespace doppel::blocks
