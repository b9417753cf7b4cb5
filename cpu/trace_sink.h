#pragma once

#include "cpu/arch/exception.h"
#include "cpu/base/address.h"
#include "cpu/instruction.h"
#include "cpu/state.h"

namespace doppel::cpu {

/// Events an engine can report. An engine without a sink pays one test a block.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  /// Which calls are wanted; asked when the sink is installed.
  virtual bool wants_instructions() const { return false; }
  /// A block was decoded for the first time.
  virtual void decoded(const CpuState&, LinearAddr, const Instruction*, size_t /*count*/) {}
  /// A block is about to run (`-d exec`, `-d cpu`).
  virtual void block_entered(const CpuState&, LinearAddr) {}
  /// An instruction is about to run; only with wants_instructions().
  virtual void instruction(const CpuState&, LinearAddr, const Instruction&) {}
  /// An exception or interrupt is about to be delivered; `previous` is the vector being delivered when it arose, or -1.
  virtual void delivered(const CpuState&, u8 /*vector*/, u32 /*error_code*/, bool /*software*/,
                         bool /*external*/, int /*previous*/) {}
};

}  // namespace doppel::cpu
