#pragma once

// A processor in real mode with memory and nothing else, and one captured test on it.

#include <memory>
#include <string>

#include "cpu/cpu.h"
#include "cpu/interpreter/interpreter.h"
#include "mmu/machine_memory.h"
#include "mmu/pmap.h"
#include "tests/realmode/captures.h"

namespace doppel::realmode {

class RealMachine {
 public:
  static Result<std::unique_ptr<RealMachine>, Error> create();

  /// Runs a capture up to its HLT. Each difference as a sentence; empty if there is none.
  std::vector<std::string> run(const Capture& capture);

 private:
  explicit RealMachine(mmu::MachineMemory machine);
  Result<void, Error> build();
  void load(const Snapshot& snapshot);
  std::vector<std::string> compare(const Capture& capture, cpu::ExitReason reason);

  mmu::MachineMemory machine_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory physical_;
  std::unique_ptr<cpu::Environment> bus_;
  std::unique_ptr<cpu::Cpu> cpu_;
  std::unique_ptr<cpu::Interpreter> interpreter_;
};

/// Why a later processor may do otherwise than the 80286 here; empty if it may not.
std::string reason_to_skip(const Capture& capture);

}  // namespace doppel::realmode
