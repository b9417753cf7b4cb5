#pragma once

// Runs one instruction on the host processor, in any mode, with any state.
//
// The way in is a signal frame of our own making, handed to rt_sigreturn(2): the kernel loads every
// register from it, code and stack segment included, so that 16- and 32-bit code needs no far jump.
// The trap flag is set in that frame. The way out is therefore always a signal: SIGTRAP after one
// instruction, or the signal of the exception it raised; the frame the kernel then builds is the
// state afterwards.

#include <memory>
#include <string>

#include "cpu/base/result.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

class HostRunner {
 public:
  /// Maps the pages, loads the descriptor table, installs the handlers. One per process.
  /// @errors a sentence, where the host lacks what this needs.
  static Result<std::unique_ptr<HostRunner>, Error> create();
  ~HostRunner();

  /// Memory as the host's instructions see it, through a mapping that is always writable.
  const MemoryView& memory() const { return memory_; }
  /// RFLAGS as the host will have them when it is asked to load these.
  u64 loadable_rflags(u64 wanted) const;

  /// Runs the instruction at `before.rip`; a repeated one until it is through, or `max_steps`.
  Outcome run(const TestCase& test, MachineState& after, u64 max_steps);

  /// What LAR and LSL say of the flat segments, for the guest's descriptor table.
  static u16 access_rights(u16 selector);
  static u32 segment_limit(u16 selector);

 private:
  HostRunner() = default;
  Result<void, Error> map_memory();
  Result<void, Error> load_ldt();
  Result<void, Error> install_handlers();
  void step(const MachineState& before, CodeSize size, MachineState& after, Outcome& outcome);

  MemoryView memory_;
  int memfd_ = -1;
  std::unique_ptr<u8[]> signal_stack_;
};

}  // namespace doppel::differential
