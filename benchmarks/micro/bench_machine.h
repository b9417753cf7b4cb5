#pragma once

// A processor in 64-bit mode with memory and nothing else, and an engine that drives it.
//
//     linear 0 .. 64 MiB          itself, 2 MiB pages
//     kSmallPages, 128 MiB        32768 small pages, over 8 MiB of memory again and again
//     kHole                       not mapped

#include <memory>
#include <string_view>

#include "benchmarks/micro/code.h"
#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "cpu/environment.h"
#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"

namespace doppel::bench {

class BenchMachine final : private cpu::Environment {
 public:
  static constexpr u64 kRam = u64{64} << 20;
  static constexpr u64 kCode = u64{16} << 20;
  static constexpr u64 kHandler = 0x8000;
  static constexpr u64 kStack = 0x20'0000;
  static constexpr u64 kData = u64{8} << 20;
  static constexpr u64 kSmallPages = u64{1} << 30;
  static constexpr u64 kSmallPageCount = 32768;
  static constexpr u64 kHole = u64{2} << 30;
  static constexpr u64 kOtherRoot = 0x10'8000;  ///< A second root with the same tables below it.

  /// A write to this port raises an interrupt; any other port remembers nothing.
  static constexpr u16 kInterruptPort = 0x80;
  static constexpr u8 kInterruptVector = 0x40;

  explicit BenchMachine(std::string_view engine);

  cpu::Cpu& cpu() { return cpu_; }
  cpu::Engine& engine() { return *engine_; }

  void write(const Code& code);
  /// An interrupt gate to this handler, which INT n may use from any privilege level.
  void set_vector(u8 vector, u64 handler);
  /// Starts at `start` with a fresh stack, runs to HLT. CPU nanoseconds of this thread.
  /// Ends the program with a sentence if the guest ends in another way.
  double run(u64 start);

 private:
  void poke(u64 address, u64 value);
  void write_tables();
  void enter_long_mode();

  u64 read_port(u16, Width width) override { return all_ones(width); }
  void write_port(u16 port, Width, u64) override {
    if (port == kInterruptPort) cpu_.set_intr(true);
  }
  u8 acknowledge_interrupt() override {
    cpu_.set_intr(false);
    return kInterruptVector;
  }
  bool read_msr(u32, u64&) override { return false; }
  bool write_msr(u32, u64) override { return false; }
  u8 cr8() override { return 0; }
  void set_cr8(u8) override {}
  u64 tsc() override { return cpu_.state.retired; }
  void set_tsc(u64) override {}
  u64 tsc_adjust() override { return 0; }
  void set_tsc_adjust(u64) override {}
  void wait(u64) override {}
  void set_ferr(bool) override {}

  mmu::MachineMemory pool_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory memory_;
  cpu::Cpu cpu_;
  std::unique_ptr<cpu::Engine> engine_;
};

}  // namespace doppel::bench
