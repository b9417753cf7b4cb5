#pragma once

// The oracle and the engine under test, side by side.

#include <memory>
#include <string>
#include <vector>

#include "tests/blocks/machine.h"

namespace doppel::blocks {

/// Where two engines parted.
struct Difference {
  size_t run = 0;
  u64 retired = 0;                 ///< Instructions of that run.
  std::vector<std::string> lines;
  cpu::CpuState oracle;
  cpu::CpuState tested;
};

class Pair {
 public:
  /// @errors as BlockMachine::create
  static Result<std::unique_ptr<Pair>, Error> create(const std::string& engine, unsigned threshold);

  /// Runs the block on both. True if they agree; else `difference` says where they did not, and the
  /// pair is of no further use. `memory_each_run`: memory is compared after every run, not once.
  bool run(const BlockCase& block, const LaidOut& code, bool memory_each_run, Difference& difference);

  BlockMachine& oracle() { return *oracle_; }
  u64 instructions() const { return instructions_; }

 private:
  bool run_once(const BlockCase& block, const RunSpec& spec, bool first, Difference& difference);
  bool same_memory(const BlockCase& block, Difference& difference);

  std::string engine_;
  std::unique_ptr<BlockMachine> oracle_;
  std::unique_ptr<BlockMachine> tested_;
  u64 instructions_ = 0;
};

}  // namespace doppel::blocks
