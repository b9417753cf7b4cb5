#pragma once

// The translator: an engine that runs guest code as host code.
//
// Blocks that have run a few times are translated; until then, and wherever translated code cannot
// go (single-step, device registers, instructions across pages, faults), the interpreter runs them.
// Both see the same `Cpu`, so either may take over between any two instructions. Translated code
// leaves when its budget is spent, when a callout wants the run loop, or when it cannot go on: then
// everything the guest can see is as it was before the instruction it stopped at.

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "cpu/cpu.h"
#include "cpu/decoder.h"
#include "cpu/engine.h"

namespace doppel::jit {

struct TranslatorOptions {
  size_t cache_bytes = size_t{32} << 20;  ///< Of host code; when full, the oldest part is dropped.
  unsigned threshold = 4;                 ///< Runs of a block before it is translated.
  bool verify = false;                    ///< Every block's host code is checked before it runs.
  u64 sample_interval = 100'000;          ///< Instructions after which it is noted which block runs,
  unsigned hot_samples = 3;               ///< and how often one must be noted to become a trace.
  u64 hot_runs = 3000;                    ///< Runs of a block that counts them until it becomes a trace.
  u64 site_interval = 4'000'000;          ///< Instructions between two looks at what the accesses of traces remember.
  unsigned unroll_samples = 8;            ///< A loop noted so often of late is unrolled.
};

/// Counted since start; `info jit` and the report show them.
struct TranslatorStatistics {
  u64 blocks = 0;               ///< Translated so far, traces included.
  u64 traces = 0;
  u64 live_blocks = 0;
  u64 guest_instructions = 0;   ///< In translated blocks, counted once a translation.
  u64 guest_bytes = 0;
  u64 host_bytes = 0;           ///< Emitted so far.
  u64 translate_ns = 0;
  u64 entries = 0;              ///< Times the run loop went into translated code.
  u64 interpreted_blocks = 0;   ///< Times it ran the interpreter instead.
  u64 links = 0;                ///< Jumps patched from block to block.
  u64 lookups = 0;              ///< Indirect branches that had to ask.
  u64 misses = 0;               ///< Address checks that failed,
  u64 slow_accesses = 0;        ///< and those of them that were left to the interpreter.
  u64 callouts = 0;             ///< Instructions done by their handlers, called from translated code;
  std::vector<u64> callouts_by_mnemonic;  ///< by ZydisMnemonic: cpu::instruction_row has the names.
  u64 invalidated = 0;          ///< Blocks whose bytes changed.
  u64 evicted = 0;              ///< Blocks dropped for room.
  u64 flushes = 0;
};

/// What was made of one block; handed to whoever asked for listings.
struct Listing {
  u64 guest_rip = 0;
  u64 physical = 0;
  cpu::CodeSize code_size = cpu::CodeSize::Bits32;
  std::span<const cpu::Instruction> guest;
  std::span<const u64> guest_rips;    ///< Where each is.
  std::span<const u8> host;           ///< The block's host code, from its first entry to its cold end.
  u64 host_address = 0;               ///< Where it runs.
  /// For each guest instruction, where its host code begins; for all of them once more, if a loop has a
  /// second copy.
  std::span<const u32> host_offsets;
};

/// Whether this host can run translated code (BMI2); else a sentence.
Result<void, Error> translator_supported();

class Translator final : public cpu::Engine {
 public:
  /// `cpu` must outlive the engine. @errors no memory for the code cache.
  static Result<std::unique_ptr<Translator>, Error> create(cpu::Cpu& cpu,
                                                           const TranslatorOptions& options = {});
  ~Translator() override;

  cpu::ExitReason run(u64 budget) override;
  void flush() override;
  const cpu::EngineCounters& counters() const override;
  const TranslatorStatistics& statistics() const;

  /// Called with every block translated from now on; an empty function stops it.
  void set_listing_sink(std::function<void(const Listing&)> sink);
  /// Calls `visit` for every live block that covers this linear address now.
  void for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit);

 private:
  class Impl;
  explicit Translator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace doppel::jit
