#pragma once

// What a guest test runs on: a processor with memory and two test ports, or the whole PC.

#include "frontend/engine_choice.h"
#include "tests/guest/expectation.h"
#include "tests/guest/program.h"

namespace doppel::guest {

/// 8 MiB at 0, 4 MiB at 4 GiB, and the test ports of include/layout.inc. Any HLT ends the program.
/// @errors a sentence, where the host lacks memory, or the model or the engine does not exist
Result<Outcome, Error> run_on_bare_machine(const Program& program, frontend::EngineKind engine);

/// The board of `-machine pc` with 16 MiB. HLT with interrupts off ends the program; with
/// interrupts on it waits for the next event.
Result<Outcome, Error> run_on_board(const Program& program, frontend::EngineKind engine);

/// The translator translates every block before its first run: nothing is left to the interpreter
/// for being new.
inline constexpr unsigned kTranslationThreshold = 1;

/// Natively, in a child process; HLT raises SIGSEGV there. Registers, flags, SSE and memory count.
Result<Outcome, Error> run_on_host(const Program& program);

}  // namespace doppel::guest
