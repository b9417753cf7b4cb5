#pragma once

// One attempt to bring an event to its handler; used by events.cpp.

#include <string>

#include "cpu/cpu.h"
#include "cpu/segmentation.h"
#include "cpu/stack_frame.h"

namespace doppel::cpu {

class Delivery {
 public:
  struct Event {
    u8 vector = 0;
    EventSource source = EventSource::Exception;
    u32 error_code = 0;
    /// Push RFLAGS with RF set: a fault's instruction is restarted without meeting its breakpoint again.
    bool resume = false;
  };

  Delivery(Cpu& cpu, const Event& event);

  /// All or nothing, except through a task gate: see `committed`.
  Result<void> run();
  /// A task gate led to a new task, and the fault that `run` returned is that task's.
  bool committed() const { return committed_; }
  /// The new task asks for a debug trap before its first instruction.
  bool debug_trap() const { return debug_trap_; }
  /// What failed, in a sentence; for the report of a dead guest.
  std::string failure(const Fault& fault) const;

 private:
  bool software() const {
    return event_.source == EventSource::SoftwareInterrupt || event_.source == EventSource::SoftwareException;
  }
  bool has_code() const {
    return event_.source == EventSource::Exception && has_error_code(static_cast<Vector>(event_.vector));
  }
  u32 external() const { return software() ? 0 : 1; }
  /// Error code that names the IDT entry.
  u32 idt_code() const { return u32{event_.vector} * 8 + 2 + external(); }
  u32 code_of(Selector selector) const { return selector.error_code() | external(); }
  u64 pushed_flags() const {
    return cpu_.state.rflags() | (event_.resume ? rflags::RF : 0);
  }

  Result<void> run_real();
  Result<bool> redirect_v86();
  Result<void> enter_real(LinearAddr entry, u64 flags, u64 cleared);
  Result<void> run_protected();
  Result<void> run_long();
  Result<void> run_task_gate(const Descriptor& gate);
  Result<void> enter_gate(const Descriptor& gate, u64 offset, unsigned width, unsigned ist);
  Result<DescriptorRef> read_code(Selector selector);
  Result<void> check_gate(const Descriptor& gate);
  void finish(const Descriptor& gate, Selector selector, const Descriptor& code, u64 offset, unsigned level);

  /// Notes what is being done, for `failure`.
  void at(const char* step) { step_ = step; }

  Cpu& cpu_;
  Event event_;
  bool committed_ = false;
  bool debug_trap_ = false;
  const char* step_ = "";
  u64 entry_address_ = 0;
  u64 gate_low_ = 0;
  Selector stack_selector_;
  u64 stack_pointer_ = 0;
};

}  // namespace doppel::cpu
