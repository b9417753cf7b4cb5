// Random blocks on two engines:
//
//     block_test [--engine interp|jit|traces|faulty] [--cases N] [--seed S] [--mode 16|32|64] [--only MNEMONIC]
//                [--from N] [--case K [--history]] [--shown N] [--threshold N] [--verbose] [--brief] [--warm]
//
// The interpreter is the oracle. A difference is printed with the block, its start and both ends, then
// as the smallest block that still shows it (`--brief`: that one only). A block that takes the process
// along counts as a difference. Status 1 if there was one, 77 if the engine cannot run here.

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/blocks/test.h"

namespace doppel::blocks {
namespace {

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") { options.verbose = true; continue; }
    if (name == "--brief") { options.brief = true; continue; }
    if (name == "--warm") { options.warm = true; continue; }
    if (name == "--history") { options.history = true; continue; }
    if (i + 1 >= argc) return false;
    const char* value = argv[++i];
    if (name == "--engine") options.engine = value;
    else if (name == "--cases") options.cases = std::strtoull(value, nullptr, 0);
    else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 0);
    else if (name == "--from") options.from = std::strtoull(value, nullptr, 0);
    else if (name == "--case") options.one_case = std::atoll(value);
    else if (name == "--mode") options.mode = std::atoi(value);
    else if (name == "--only") options.only = value;
    else if (name == "--shown") options.shown = std::strtoull(value, nullptr, 0);
    else if (name == "--threshold") options.threshold = static_cast<unsigned>(std::atoi(value));
    else return false;
  }
  for (char& c : options.only) c = static_cast<char>(std::tolower(c));
  return options.mode == 0 || options.mode == 16 || options.mode == 32 || options.mode == 64;
}

int main_function(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: block_test [--engine interp|jit|traces|faulty] [--cases N] [--seed S] [--mode 16|32|64] [--only MNEMONIC]\n"
                         "                  [--from N] [--case K [--history]] [--shown N] [--threshold N] [--verbose] [--brief] [--warm]\n");
    return 2;
  }
  const FormTable forms(options.only);
  if (forms.count() == 0) {
    std::printf("no form of that name\n");
    return 2;
  }
  auto machine = BlockMachine::create("interp", 1);
  if (!machine.ok()) {
    std::printf("cannot run: %s\n", machine.error().message.c_str());
    return kCannotRun;
  }
  TableEntries entries;
  for (unsigned mode = 0; mode < 2; ++mode) {
    entries.other_page[mode] = machine.value()->entry_of(kCode + kOtherPage, mode != 0);
    entries.remapped_page[mode] = machine.value()->entry_of(kData + kRemappedPage, mode != 0);
  }
  Progress* progress = shared_progress();
  if (progress == nullptr) return kCannotRun;
  return Test(options, forms, entries, *progress).run();
}

}  // namespace
}  // namespace doppel::blocks

int main(int argc, char** argv) { return doppel::blocks::main_function(argc, argv); }
