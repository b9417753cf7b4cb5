#pragma once

// A bare machine for random blocks: a processor, an engine, and memory that is cheap to put back.

#include <memory>
#include <string_view>

#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "mmu/machine_memory.h"
#include "mmu/pmap.h"
#include "tests/blocks/case.h"

namespace doppel::blocks {

/// Guest-physical pages that are compared and put back.
struct Window {
  u64 first = 0;
  u64 bytes = 0;
};

class BlockMachine final : private cpu::Environment {
 public:
  /// @errors no memory; an engine that does not exist here
  static Result<std::unique_ptr<BlockMachine>, Error> create(std::string_view engine, unsigned threshold);

  cpu::Cpu& cpu() { return *cpu_; }
  const cpu::CpuState& state() const { return cpu_->state; }
  /// Puts memory back and places the block's code.
  void place(const BlockCase& block, const LaidOut& code);
  /// The state a run begins in. `first`: the first of its case, which forgets all translations of addresses.
  void load(const BlockCase& block, const RunSpec& run, bool first);
  /// Until `state.retired` is `target`, or the processor stops. True if it can go on.
  bool run_to(u64 target);
  void raise_interrupt();

  /// Guest-physical address of the page-table entry behind a mapped linear address.
  u64 entry_of(u64 linear, bool long_mode);
  /// What a case may have touched.
  std::vector<Window> windows(const BlockCase& block) const;
  const u8* host(u64 physical) { return pmap_.resolve(PhysAddr(physical)); }

 private:
  explicit BlockMachine(mmu::MachineMemory memory);
  Result<void, Error> build(std::string_view engine, unsigned threshold);
  void write_tables();
  void write_descriptors();
  void write_gates();
  void map(u64 linear, u64 physical, u64 flags);
  void map_long(u64 linear, u64 entry);
  void map_legacy(u64 linear, u64 entry);
  void map_code(const BlockCase& block);
  void put(u64 physical, const void* bytes, size_t size);
  template <class T>
  void put(u64 physical, T value) { put(physical, &value, sizeof value); }
  void put_back(const Window& window, const std::vector<u8>& from);
  void load_segments(const BlockCase& block);

  u64 read_port(u16, Width width) override { return all_ones(width); }
  void write_port(u16, Width, u64) override {}
  u8 acknowledge_interrupt() override {
    cpu_->set_intr(false);
    return 0x40;
  }
  bool read_msr(u32, u64&) override { return false; }
  bool write_msr(u32, u64) override { return false; }
  u8 cr8() override { return cr8_; }
  void set_cr8(u8 value) override { cr8_ = value; }
  // Exact to the instruction: RDTSC shows when an engine counts otherwise.
  u64 tsc() override { return cpu_->state.retired - start_ + tsc_offset_; }
  std::optional<u64> tsc_base() override { return tsc_offset_ - start_; }
  void set_tsc(u64 value) override { tsc_offset_ = value - (cpu_->state.retired - start_); }
  u64 tsc_adjust() override { return tsc_offset_; }
  void set_tsc_adjust(u64 value) override { tsc_offset_ = value; }
  void wait(u64) override {}
  void set_ferr(bool) override {}

  mmu::MachineMemory machine_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory physical_;
  cpu::CpuModel model_;
  std::unique_ptr<cpu::Cpu> cpu_;
  std::unique_ptr<cpu::Engine> engine_;
  std::vector<u8> pristine_;       // Physical memory below kLowSets, as a case finds it,
  std::vector<u8> pristine_warm_;  // and with all page-table entries accessed and dirty.
  u64 next_table_ = 0;
  u64 directory_ = 0;         // CR3 of legacy modes.
  u64 start_ = 0;
  u64 tsc_offset_ = 0;
  u8 cr8_ = 0;
  bool have_tables_changed();
  std::vector<u64> tables_seen_;
  bool touched_low_ = false;  // The last case was a real-mode one.
};

}  // namespace doppel::blocks
