#pragma once

// Which engine runs a machine, and what the frontend asks of it beyond running.
//
// Everything that is peculiar to the translator goes through these functions: the rest of the
// frontend holds a `cpu::Engine` and asks here whether there is more to know.

#include <functional>
#include <memory>
#include <string_view>

#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "jit/translator.h"

namespace doppel::frontend {

/// `--engine`
enum class EngineKind : u8 {
  Interpreter,
  Translator,
  Lockstep,  ///< The translator, and the interpreter beside it: frontend/lockstep.h.
};
inline constexpr EngineKind kDefaultEngine = EngineKind::Translator;
/// "interp", "jit", "lockstep"
std::string_view engine_name(EngineKind kind);

/// `--mmu`
inline constexpr mmu::PagingScheme kDefaultPaging = mmu::PagingScheme::Nested;

/// The engine for `kind`; for Lockstep, the side that is checked. A host that cannot run translated
/// code gets the interpreter, and the person a line. @errors no memory for the code cache
Result<std::unique_ptr<cpu::Engine>, Error> make_engine(EngineKind kind, cpu::Cpu& cpu,
                                                        const jit::TranslatorOptions& options);

/// Null if the engine is no translator.
const jit::TranslatorStatistics* translator_statistics(const cpu::Engine& engine);
/// Hands every block translated from now on to `sink`. No effect on other engines.
void watch_translations(cpu::Engine& engine, std::function<void(const jit::Listing&)> sink);
/// Calls `visit` for every live translation that covers this linear address now.
void visit_translations(cpu::Engine& engine, LinearAddr address,
                        const std::function<void(const jit::Listing&)>& visit);

}  // namespace doppel::frontend
