// Runs guest tests: guest_test [--engine interp|jit|host] SOURCE.asm STEM ...
//
// STEM names the assembled program: STEM.bin and STEM.map. A program that the engine is not meant
// for (its `; runs:` line) is skipped. Each difference is printed as a sentence.

#include <cstdio>
#include <string_view>

#include "tests/guest/expectation.h"
#include "tests/guest/machines.h"

using namespace doppel;
using namespace doppel::guest;

namespace {

/// The word in a `; runs:` line.
std::string_view word_of(std::string_view engine) {
  if (engine == "interp") return "interpreter";
  if (engine == "jit") return "translator";
  return engine == "host" ? "host" : "";
}

Result<Outcome, Error> run(const Program& program, std::string_view word) {
  if (word == "host") return run_on_host(program);
  const auto engine = word == "translator" ? frontend::EngineKind::Translator : frontend::EngineKind::Interpreter;
  return program.has_board ? run_on_board(program, engine) : run_on_bare_machine(program, engine);
}

/// How many differences there are.
size_t check(const char* source, const char* stem, std::string_view word) {
  const Result<Program, Error> program = load_program(source, stem);
  if (!program.ok()) {
    std::printf("%s\n", program.error().message.c_str());
    return 1;
  }
  if (!program.value().runs_on(word)) return 0;
  const Result<Outcome, Error> outcome = run(program.value(), word);
  if (!outcome.ok()) {
    std::printf("%s: %s\n", program.value().name.c_str(), outcome.error().message.c_str());
    return 1;
  }
  const std::vector<std::string> differences = compare(program.value(), outcome.value());
  for (const std::string& line : differences)
    std::printf("%s: %s\n", program.value().name.c_str(), line.c_str());
  return differences.size();
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view word = "interpreter";
  int first = 1;
  if (argc > 2 && std::string_view(argv[1]) == "--engine") {
    word = word_of(argv[2]);
    first = 3;
  }
  if (word.empty() || first >= argc || (argc - first) % 2 != 0) {
    std::printf("usage: guest_test [--engine interp|jit|host] SOURCE.asm STEM ...\n");
    return 2;
  }
  size_t differences = 0;
  for (int i = first; i + 1 < argc; i += 2) differences += check(argv[i], argv[i + 1], word);
  return differences == 0 ? 0 : 1;
}
