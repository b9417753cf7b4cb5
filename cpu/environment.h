#pragma once

#include <optional>

#include "cpu/base/types.h"

namespace doppel::cpu {

/// What a processor asks of the machine around it.
class Environment {
 public:
  virtual ~Environment() = default;

  virtual u64 read_port(u16 port, Width width) = 0;
  virtual void write_port(u16 port, Width width, u64 value) = 0;
  /// The interrupt acknowledge cycle: the vector behind INTR.
  virtual u8 acknowledge_interrupt() = 0;

  /// MSRs that chips own (local APIC: APIC_BASE, TSC_DEADLINE, x2APIC). False: #GP(0).
  virtual bool read_msr(u32 index, u64& value) = 0;
  virtual bool write_msr(u32 index, u64 value) = 0;
  virtual u8 cr8() = 0;
  virtual void set_cr8(u8 priority) = 0;

  /// Time-stamp counter, at its constant rate, adjustments included.
  virtual u64 tsc() = 0;
  /// tsc() less CpuState::retired, if that stays the same while only instructions pass time: until `wait`, a write of the
  /// counter or a device's doing, after all of which the engine's `run` returns.
  virtual std::optional<u64> tsc_base() { return std::nullopt; }
  virtual void set_tsc(u64 value) = 0;
  virtual u64 tsc_adjust() = 0;
  virtual void set_tsc_adjust(u64 value) = 0;

  /// The processor does nothing for this long, and time passes.
  virtual void wait(u64 time_ns) = 0;

  /// FERR#: an unmasked x87 error with CR0.NE = 0; the board turns it into IRQ 13.
  virtual void set_ferr(bool level) = 0;
};

}  // namespace doppel::cpu
