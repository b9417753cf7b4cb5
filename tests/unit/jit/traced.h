#pragma once

// Guest code that soon becomes traces, on both engines.

#include "tests/unit/jit/twins.h"

namespace doppel::jit {

inline constexpr u64 kCode = test::TestCpu::kCode;
inline constexpr u64 kData = 0x20'0000;

/// What is met once again is a trace, and a loop that is met a few times more is unrolled.
inline TranslatorOptions tracing() {
  TranslatorOptions options = eager();
  options.sample_interval = 100;
  options.hot_samples = 1;
  options.hot_runs = 20;
  options.unroll_samples = 4;
  return options;
}

/// Runs both engines in stretches, compares them after each, and makes sure that traces ran.
inline void run_in_stretches(Twins& twins) {
  for (const u64 budget : {1u, 100u, 1000u, 77u, 333u, 20'000u, 1u, 2u, 3u, 65u, 129u, 9'999u}) {
    CAPTURE(budget);
    REQUIRE(twins.run(budget) == cpu::ExitReason::BudgetSpent);
    CHECK_SAME(twins);
  }
  CHECK(twins.statistics().traces > 0);
}

/// Runs `write`'s code on both engines and compares them after each stretch.
class Traced {
 public:
  template <class Write>
  explicit Traced(Write write) : Traced(tracing(), write) {}
  template <class Write>
  Traced(const TranslatorOptions& options, Write write) : twins(options) {
    twins.both([](test::TestCpu& test) {
      test.enter_long();
      allow_vectors(test);
      test.state().gpr[RBX] = kData;
    });
    twins.put(kCode, code64(kCode, write));
  }
  void run_in_stretches() { jit::run_in_stretches(twins); }
  Twins twins;
};

}  // namespace doppel::jit
