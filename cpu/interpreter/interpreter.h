#pragma once

// The interpreter: decodes a block once, then calls its handlers one after another.
//
// It is the oracle of the translator, so it is plain: one handler an instruction, faults as values,
// time exact to the instruction. What must be looked at between instructions (single-step, debug
// registers, interrupt shadows, a tracing sink) takes the careful path, one instruction at a time.

#include "cpu/cpu.h"
#include "cpu/decoder.h"
#include "cpu/engine.h"
#include "cpu/interpreter/block_cache.h"

namespace doppel::cpu {

class Interpreter final : public Engine {
 public:
  /// `cpu` must outlive the engine.
  explicit Interpreter(Cpu& cpu);

  ExitReason run(u64 budget) override;
  void flush() override;
  const EngineCounters& counters() const override { return counters_; }
  const Decoder& decoder() const { return decoder_; }

  // ---- for an engine that runs only some blocks this way -----------------------------------------

  /// The block at RIP, decoded if need be. Null where the fetch faulted (the fault is delivered
  /// already), where an instruction beyond the segment's limit was dealt with, or where no memory is.
  Block* find_block();
  /// Null from find_block meant that there is no memory.
  bool is_outside_memory() const { return outside_memory_; }
  /// Runs at most `limit` of a block's instructions; ends early when something wants attention.
  void run_block(const Block& block, u64 limit);
  /// Runs one instruction with everything the manual lets happen around it.
  void step_carefully();
  /// Instructions lie in two pages: not kept, and rewritten by the next of its kind.
  bool is_straddling(const Block& block) const { return &block == &straddling_; }
  BlockCache& cache() { return cache_; }

 private:
  static constexpr u32 kMaxBlock = 32;

  Block* decode_block(u64 physical, const u8* page);
  Block* straddling_block(LinearAddr address, u64 physical, const u8* page);
  void retire_fault(u64 rip, const Fault& fault);
  bool is_fetched(u64 from, u64 rip) const;

  Cpu& cpu_;
  Decoder decoder_;
  EngineCounters counters_;
  BlockCache cache_;
  Block straddling_;          // The last instruction that crossed a page, checked by its bytes.
  u8 straddling_bytes_[15] = {};
  std::vector<Instruction> decoded_;  // Of the block at hand.
  bool outside_memory_ = false;  // The last block looked for is where no memory is.
};

}  // namespace doppel::cpu
