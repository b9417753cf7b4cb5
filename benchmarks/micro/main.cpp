// doppel_bench [--engine NAME] [--runs N] [BEGINNING]: small measurements of an engine on a bare
// machine. BEGINNING selects results by name: "mmu", "callout/cpuid". benchmarks/README.md says
// what each means.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "benchmarks/micro/results.h"

int main(int argc, char** argv) {
  std::string engine = "interp", wanted;
  unsigned runs = 7;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--engine" && i + 1 < argc) {
      engine = argv[++i];
    } else if (word == "--runs" && i + 1 < argc) {
      runs = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
    } else if (word.starts_with('-') || !wanted.empty()) {
      std::fprintf(stderr, "usage: doppel_bench [--engine NAME] [--runs N] [BEGINNING]\n");
      return 2;
    } else {
      wanted = word;
    }
  }
  doppel::bench::Results results(engine, wanted, runs);
  doppel::bench::bench_translate(results);
  doppel::bench::bench_mmu(results);
  doppel::bench::bench_callout(results);
  doppel::bench::bench_control(results);
  doppel::bench::bench_events(results);
  return 0;
}
