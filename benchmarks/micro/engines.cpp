#include "benchmarks/micro/engines.h"

#include <string>

#include "cpu/interpreter/interpreter.h"
#include "jit/translator.h"

namespace doppel::bench {

Result<std::unique_ptr<cpu::Engine>, Error> make_engine(std::string_view name, cpu::Cpu& cpu) {
  if (name == "interp") return std::unique_ptr<cpu::Engine>(new cpu::Interpreter(cpu));
  if (name == "jit") {
    DOPPEL_TRY(std::unique_ptr<jit::Translator> translator, jit::Translator::create(cpu));
    return std::unique_ptr<cpu::Engine>(std::move(translator));
  }
  return Error{"there is no engine '" + std::string(name) + "'"};
}

}  // namespace doppel::bench
