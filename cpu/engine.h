#pragma once

#include "cpu/base/address.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

/// Why an engine came back to the run loop.
enum class ExitReason : u8 {
  BudgetSpent,  ///< All instructions asked for have retired.
  Attention,    ///< A device was spoken to, or an event arrived: look at the machine, then go on.
  Halted,       ///< HLT or MWAIT: nothing to do until an event.
  Shutdown,     ///< Triple fault: the processor stopped for good.
  OutsideMemory,  ///< The next instruction would come from where there is neither RAM nor ROM.
};

struct EngineCounters {
  u64 blocks_decoded = 0;
  u64 blocks_invalidated = 0;
  u64 block_lookups = 0;
  u64 instructions_decoded = 0;
  u64 cache_flushes = 0;
};

/// Something that makes a processor run. `state.retired` advances by exactly what retired.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Runs at most `budget` instructions. HLT retires; so does a faulting instruction; a repeated
  /// string instruction retires once for every stretch of iterations between which interrupts may come.
  virtual ExitReason run(u64 budget) = 0;
  /// Everything decoded may be stale: memory was replaced behind the engine's back (loading state).
  virtual void flush() = 0;
  virtual const EngineCounters& counters() const = 0;
};

}  // namespace doppel::cpu
