#pragma once

// The interpreter: decodes a block once, then calls its handlers one after another.
//
// It is the oracle of the translator, so it is plain: one handler a instruction, faults as values,
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

 private:
  static constexpr u32 kMaxBlock = 32;

  Block* find_block();
  Block* decode_block(u64 physical, const u8* page);
  Block* straddling_block(LinearAddr address, u64 physical, const u8* page);
  void run_block(const Block& block, u64 limit);
  void step_carefully();
  void retire_fault(u64 rip, const Fault& fault);

  Cpu& cpu_;
  Decoder decoder_;
  EngineCounters counters_;
  BlockCache cache_;
  Block straddling_;          // The last instruction that crossed a page, checked by its bytes.
  u8 straddling_bytes_[15] = {};
  bool outside_memory_ = false;  // The last block looked for is where no memory is.
};

}  // namespace doppel::cpu
