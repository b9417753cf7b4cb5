#include "tests/blocks/pair.h"

#include "tests/blocks/compare.h"

namespace doppel::blocks {

Result<std::unique_ptr<Pair>, Error> Pair::create(const std::string& engine, unsigned threshold) {
  auto pair = std::make_unique<Pair>();
  pair->engine_ = engine;
  DOPPEL_TRY(pair->oracle_, BlockMachine::create("interp", threshold));
  DOPPEL_TRY(pair->tested_, BlockMachine::create(engine, threshold));
  return pair;
}

bool Pair::run(const BlockCase& block, const LaidOut& code, bool memory_each_run, Difference& difference) {
  oracle_->place(block, code);
  tested_->place(block, code);
  for (size_t i = 0; i < block.runs.size(); ++i) {
    difference.run = i;
    if (!run_once(block, block.runs[i], i == 0, difference)) return false;
    if ((memory_each_run || i + 1 == block.runs.size()) && !same_memory(block, difference)) return false;
  }
  return true;
}

bool Pair::run_once(const BlockCase& block, const RunSpec& spec, bool first, Difference& difference) {
  oracle_->load(block, spec, first);
  tested_->load(block, spec, first);
  const u64 start = oracle_->state().retired;
  const u64 end = start + spec.budget;
  Random random(spec.slice_seed);
  u64 target = start;
  for (int slice = 0; target < end; ++slice) {
    target = spec.slices == 0 ? end : std::min(end, target + 1 + random.below(spec.slices));
    if (slice == spec.interrupt_after) {
      oracle_->raise_interrupt();
      tested_->raise_interrupt();
    }
    const bool goes_on = oracle_->run_to(target);
    tested_->run_to(target);
    if (!equal(oracle_->state(), tested_->state())) {
      difference.retired = oracle_->state().retired - start;
      difference.lines = differences(oracle_->state(), tested_->state(), engine_);
      difference.oracle = oracle_->state();
      difference.tested = tested_->state();
      return false;
    }
    if (!goes_on) break;
  }
  instructions_ += oracle_->state().retired - start;
  difference.retired = oracle_->state().retired - start;
  return true;
}

bool Pair::same_memory(const BlockCase& block, Difference& difference) {
  difference.lines = memory_differences(*oracle_, *tested_, block, engine_);
  if (difference.lines.empty()) return true;
  difference.oracle = oracle_->state();
  difference.tested = tested_->state();
  return false;
}

}  // namespace doppel::blocks
