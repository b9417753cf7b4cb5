#pragma once

// Runs the same instruction on doppel's processor, set up as the host's kernel sets up a process:
// long mode, user privilege, the same pages, the same segments.

#include <array>
#include <csignal>
#include <memory>

#include "cpu/cpu.h"
#include "cpu/decoder.h"
#include "cpu/engine.h"
#include "mmu/machine_memory.h"
#include "mmu/pmap.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

class GuestRunner {
 public:
  /// `translates`: instructions go through the translator instead of straight to their handlers.
  /// @errors no memory, or no translator here
  static Result<std::unique_ptr<GuestRunner>, Error> create(bool translates);

  /// Host addresses of the guest's frames.
  const MemoryView& memory() const { return memory_; }
  Outcome run(const TestCase& test, MachineState& after);
  std::string disassemble(const TestCase& test) const;

 private:
  explicit GuestRunner(mmu::MachineMemory machine);
  Result<void, Error> build();
  void write_phys(u64 address, u64 value);
  void map(u64 linear, u64 physical, u64 flags);
  void write_descriptors();
  /// `stepped`: with TF set, as the host is.
  void load(const TestCase& test, bool stepped);
  void load_segment(Seg segment, u16 selector);
  Outcome run_handler(const TestCase& test);
  Outcome run_engine(const TestCase& test);
  void swap_signals();

  mmu::MachineMemory machine_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory physical_;
  std::unique_ptr<cpu::Environment> environment_;
  cpu::CpuModel model_;
  std::unique_ptr<cpu::Cpu> cpu_;
  std::unique_ptr<cpu::Engine> engine_;  // Null: handlers are called.
  // The translator and the host's side of the test both live on signals: the ones not in force.
  std::array<struct sigaction, 4> signals_ = {};
  std::unique_ptr<cpu::Decoder> decoder_;
  MemoryView memory_;
  u64 next_table_ = 0;
  u64 gdt_[16] = {};
};

}  // namespace doppel::differential
