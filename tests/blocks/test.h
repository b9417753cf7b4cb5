#pragma once

// Runs cases, finds differences, shows them.

#include <memory>
#include <string>

#include "tests/blocks/compare.h"
#include "tests/blocks/generator.h"
#include "tests/blocks/isolation.h"
#include "tests/blocks/pair.h"

namespace doppel::blocks {

inline constexpr int kCannotRun = 77;

struct Options {
  std::string engine = "interp";
  u64 cases = 100'000;
  u64 seed = 1;
  u64 from = 0;
  long long one_case = -1;
  bool history = false;
  int mode = 0;
  std::string only;
  u64 shown = 5;
  unsigned threshold = 0;  ///< 0: changes from chunk to chunk.
  bool verbose = false;
  bool warm = false;       ///< Accessed and dirty bits are set before every case.
  bool brief = false;      ///< Shrunken blocks only.
};

class Test {
 public:
  Test(const Options& options, const FormTable& forms, const TableEntries& entries, Progress& progress);
  /// 0, 1 where there was a difference, or kCannotRun.
  int run();

 private:
  /// Cases from `progress.next` on, in this process. 0, kCannotRun, or kEnough.
  int run_cases(u64 last);
  BlockCase make(u64 number) const;
  unsigned threshold(u64 number) const;
  std::unique_ptr<Pair> make_pair(u64 number) const;
  void print_case(const BlockCase& block) const;
  void print_difference(const BlockCase& block, const Difference& difference) const;
  void show(const BlockCase& block, const Difference& difference) const;
  void show_death(u64 number, const Ending& ending) const;
  bool differs(const BlockCase& block, Difference& difference) const;
  /// The same in a child of its own.
  Ending outcome(const BlockCase& block) const;
  void print_small(const BlockCase& small) const;

  const Options& options_;
  const FormTable& forms_;
  mutable BlockGenerator generator_;
  cpu::CpuModel model_;
  cpu::Decoder decoder_;
  Progress& progress_;
  Progress& child_progress_;
};

}  // namespace doppel::blocks
