#include "benchmarks/micro/engines.h"

#include <string>

#include "cpu/interpreter/interpreter.h"

namespace doppel::bench {

Result<std::unique_ptr<cpu::Engine>, Error> make_engine(std::string_view name, cpu::Cpu& cpu) {
  if (name == "interp") return std::unique_ptr<cpu::Engine>(new cpu::Interpreter(cpu));
  return Error{"there is no engine '" + std::string(name) + "'"};
}

}  // namespace doppel::bench
