#include "frontend/engine_choice.h"

#include "cpu/base/log.h"
#include "cpu/interpreter/interpreter.h"

namespace doppel::frontend {

std::string_view engine_name(EngineKind kind) {
  switch (kind) {
    case EngineKind::Translator:
      return "jit";
    case EngineKind::Lockstep:
      return "lockstep";
    case EngineKind::Interpreter:
      break;
  }
  return "interp";
}

Result<std::unique_ptr<cpu::Engine>, Error> make_engine(EngineKind kind, cpu::Cpu& cpu,
                                                        const jit::TranslatorOptions& options) {
  if (kind != EngineKind::Interpreter) {
    const Result<void, Error> supported = jit::translator_supported();
    if (supported.ok()) {
      DOPPEL_TRY(std::unique_ptr<jit::Translator> translator, jit::Translator::create(cpu, options));
      return std::unique_ptr<cpu::Engine>(std::move(translator));
    }
    log::warn("machine", "%s; the interpreter runs this machine", supported.error().message.c_str());
  }
  return std::unique_ptr<cpu::Engine>(std::make_unique<cpu::Interpreter>(cpu));
}

const jit::TranslatorStatistics* translator_statistics(const cpu::Engine& engine) {
  const auto* const translator = dynamic_cast<const jit::Translator*>(&engine);
  return translator == nullptr ? nullptr : &translator->statistics();
}

void watch_translations(cpu::Engine& engine, std::function<void(const jit::Listing&)> sink) {
  if (auto* const translator = dynamic_cast<jit::Translator*>(&engine)) {
    translator->set_listing_sink(std::move(sink));
  }
}

void visit_translations(cpu::Engine& engine, LinearAddr address,
                        const std::function<void(const jit::Listing&)>& visit) {
  if (auto* const translator = dynamic_cast<jit::Translator*>(&engine)) {
    translator->for_each_block_at(address, visit);
  }
}

}  // namespace doppel::frontend
