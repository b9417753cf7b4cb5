#pragma once

// Runs the same instruction on doppel's processor, set up as the host's kernel sets up a process:
// long mode, user privilege, the same pages, the same segments.

#include <memory>

#include "cpu/cpu.h"
#include "cpu/decoder.h"
#include "mmu/machine_memory.h"
#include "mmu/pmap.h"
#include "tests/differential/machine_state.h"

namespace doppel::differential {

class GuestRunner {
 public:
  static Result<std::unique_ptr<GuestRunner>, Error> create();

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
  void load(const TestCase& test);
  void load_segment(Seg segment, u16 selector);

  mmu::MachineMemory machine_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory physical_;
  std::unique_ptr<cpu::Environment> environment_;
  cpu::CpuModel model_;
  std::unique_ptr<cpu::Cpu> cpu_;
  std::unique_ptr<cpu::Decoder> decoder_;
  MemoryView memory_;
  u64 next_table_ = 0;
  u64 gdt_[16] = {};
};

}  // namespace doppel::differential
