// Captures from an 80286 against the interpreter: `realmode DIRECTORY [--all]` runs every *.jsonl.gz in it.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string_view>

#include "tests/realmode/real_machine.h"

namespace doppel::realmode {
namespace {

constexpr unsigned kShownPerOpcode = 2;

void show(const Capture& capture, const std::vector<std::string>& lines) {
  std::printf("DIFFERENCE in %s (", capture.name.c_str());
  for (u8 byte : capture.bytes) std::printf("%02x", byte);
  std::printf(")%s\n ", capture.exception ? (" exception " + std::to_string(capture.exception->number)).c_str() : "");
  for (unsigned i = 0; i < kRegisters; ++i) std::printf(" %s=%04x", kRegisterNames[i], capture.initial.regs[i]);
  std::printf("\n");
  for (const std::string& line : lines) std::printf("  > %s\n", line.c_str());
}

int run_directory(const std::string& directory, bool all) {
  auto made = RealMachine::create();
  if (!made.ok()) {
    std::fprintf(stderr, "realmode: %s\n", made.error().message.c_str());
    return 2;
  }
  RealMachine& machine = **made;
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().string().ends_with(".jsonl.gz")) paths.push_back(entry.path().string());
  }
  if (error || paths.empty()) {
    std::fprintf(stderr, "realmode: %s: no *.jsonl.gz there\n", directory.c_str());
    return 2;
  }
  std::sort(paths.begin(), paths.end());
  size_t total = 0;
  size_t failed = 0;
  std::map<std::string, size_t> skipped;
  std::map<std::string, size_t> by_instruction;
  for (const std::string& path : paths) {
    const auto captures = read_captures(path);
    if (!captures.ok()) {
      std::fprintf(stderr, "realmode: %s\n", captures.error().message.c_str());
      return 2;
    }
    for (const Capture& capture : captures.value()) {
      const std::string reason = reason_to_skip(capture);
      if (!reason.empty()) {
        ++skipped[reason];
        continue;
      }
      ++total;
      const std::vector<std::string> lines = machine.run(capture);
      if (lines.empty()) continue;
      ++failed;
      const std::string key = std::filesystem::path(path).filename().string() + " " + capture.name.substr(0, capture.name.find(' '));
      if (++by_instruction[key] <= kShownPerOpcode || all) show(capture, lines);
    }
  }
  for (const auto& [reason, count] : skipped) std::printf("skipped %zu: %s\n", count, reason.c_str());
  for (const auto& [key, count] : by_instruction) std::printf("differences: %s: %zu\n", key.c_str(), count);
  std::printf("%zu tests, %zu differences\n", total, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace doppel::realmode

int main(int argc, char** argv) {
  const bool all = argc == 3 && std::string_view(argv[2]) == "--all";
  if (argc != 2 && !all) {
    std::fprintf(stderr, "usage: realmode DIRECTORY [--all]\n");
    return 2;
  }
  return doppel::realmode::run_directory(argv[1], all);
}
