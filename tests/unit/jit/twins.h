#pragma once

// The same bare machine twice, under the translator and under the interpreter, kept in step.

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "cpu/interpreter/interpreter.h"
#include "jit/translator.h"
#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {

/// A block is translated before its first run, and its host code is read again.
inline TranslatorOptions eager() {
  TranslatorOptions options;
  options.threshold = 1;
  options.verify = true;
  return options;
}

/// A machine with the translator.
class Translated {
  const std::unique_ptr<test::TestCpu> owned_ = std::make_unique<test::TestCpu>();  // Too large for a stack of many.

 public:
  test::TestCpu& test = *owned_;
  std::unique_ptr<Translator> engine;

  explicit Translated(const TranslatorOptions& options = eager()) {
    test.memory.tracking().set_protect_hook([this](PhysAddr page) { test.cpu.mmu.page_became_tracked(page); });
    Result<std::unique_ptr<Translator>, Error> made = Translator::create(test.cpu, options);
    REQUIRE(made.ok());
    engine = made.take();
  }
};

/// A machine with the interpreter.
class Interpreted {
  const std::unique_ptr<test::TestCpu> owned_ = std::make_unique<test::TestCpu>();

 public:
  test::TestCpu& test = *owned_;
  std::unique_ptr<cpu::Interpreter> engine;

  Interpreted() : engine(std::make_unique<cpu::Interpreter>(test.cpu)) {
    test.memory.tracking().set_protect_hook([this](PhysAddr page) { test.cpu.mmu.page_became_tracked(page); });
  }
};

/// Until so many instructions more have retired, or the processor has stopped.
inline cpu::ExitReason run_exactly(cpu::Cpu& cpu, cpu::Engine& engine, u64 instructions) {
  const u64 end = cpu.state.retired + instructions;
  unsigned idle = 0;
  while (cpu.state.retired < end) {
    const u64 before = cpu.state.retired;
    const cpu::ExitReason reason = engine.run(end - before);
    REQUIRE(cpu.state.retired <= end);
    if (reason != cpu::ExitReason::BudgetSpent && reason != cpu::ExitReason::Attention) return reason;
    idle = cpu.state.retired == before ? idle + 1 : 0;
    REQUIRE(idle < 100);
  }
  return cpu::ExitReason::BudgetSpent;
}

class Twins {
 public:
  Translated subject;
  Interpreted reference;

  explicit Twins(const TranslatorOptions& options = eager()) : subject(options) {}

  /// Does the same to both.
  template <class Action>
  void both(Action action) {
    action(subject.test);
    action(reference.test);
  }
  void put(u64 address, const std::vector<u8>& bytes) {
    both([&](test::TestCpu& test) { test.memory.write_bytes(PhysAddr(address), bytes); });
  }
  /// Both run as far; their exits must be the same.
  cpu::ExitReason run(u64 instructions) {
    const cpu::ExitReason reason = run_exactly(subject.test.cpu, *subject.engine, instructions);
    REQUIRE(run_exactly(reference.test.cpu, *reference.engine, instructions) == reason);
    return reason;
  }
  void flush() {
    subject.engine->flush();
    reference.engine->flush();
  }
  const TranslatorStatistics& statistics() const { return subject.engine->statistics(); }

  /// What a guest could tell apart; empty if nothing.
  std::string difference() {
    cpu::CpuState& a = subject.test.state();
    cpu::CpuState& b = reference.test.state();
    std::string text;
    for (unsigned i = 0; i < 18; ++i) note(text, "gpr" + std::to_string(i), a.gpr[i], b.gpr[i]);
    note(text, "rflags", a.rflags(), b.rflags());
    note(text, "retired", a.retired, b.retired);
    note(text, "cr2", a.cr2, b.cr2);
    if (text.empty() && saved(a) != saved(b)) text = "some other part of the state";
    for (u64 page = 0; page < test::TestCpu::kRamBytes; page += kPageSize) {
      const u8* const mine = subject.test.pmap.peek(PhysAddr(page));
      const u8* const theirs = reference.test.pmap.peek(PhysAddr(page));
      if (mine == nullptr || theirs == nullptr || std::memcmp(mine, theirs, kPageSize) == 0) continue;
      for (u64 i = 0; i < kPageSize; ++i) {
        if (mine[i] == theirs[i]) continue;
        note(text, "byte at " + std::to_string(page + i), mine[i], theirs[i]);
        break;
      }
    }
    return text;
  }

 private:
  static std::vector<u8> saved(cpu::CpuState& state) {
    std::vector<u8> bytes;
    Archive archive = Archive::saver(bytes);
    state.serialize(archive);
    return bytes;
  }
  static void note(std::string& text, const std::string& what, u64 a, u64 b) {
    if (a == b) return;
    char values[64];
    std::snprintf(values, sizeof values, ": 0x%llx, interpreted 0x%llx; ", static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b));
    text += what + values;
  }
};

#define CHECK_SAME(twins)                     \
  do {                                        \
    const std::string differs = (twins).difference(); \
    INFO(differs);                            \
    REQUIRE(differs.empty());                 \
  } while (false)

}  // namespace doppel::jit
