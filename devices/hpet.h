#pragma once

// The high precision event timer: one 64-bit counter at 100 MHz and three comparators.
//
// As with the other timers nothing counts: the counter is virtual time over ten, and each
// comparator has one event for the moment at which it matches next.

#include <array>
#include <functional>

#include "devices/device.h"
#include "devices/irq.h"
#include "devices/scheduler.h"
#include "mmu/io_handler.h"

namespace doppel::devices {

/// @source  IA-PC HPET (High Precision Event Timers) Specification 1.0a, "Register Model"
class Hpet final : public Device, public mmu::IoHandler {
 public:
  static constexpr unsigned kTimers = 3;
  static constexpr u64 kWindowSize = 0x400;
  static constexpr u64 kTickNs = 10;
  /// Low half of the capabilities, which the ACPI table repeats: revision, timers, width, legacy,
  /// vendor.
  static constexpr u32 kCapabilities = 0x8086'0000 | 1u << 15 | 1u << 13 | (kTimers - 1) << 8 | 1;
  /// I/O APIC pins a timer may be routed to: 20..23.
  static constexpr u32 kRouteCapability = 0x00f0'0000;

  struct Wires {
    /// The line of I/O APIC pin `n` of kRouteCapability.
    std::function<IrqLine&(unsigned pin)> pin;
    IrqLine& legacy_timer;  ///< IRQ 0 in legacy replacement.
    IrqLine& legacy_rtc;    ///< IRQ 8 in legacy replacement.
    /// Legacy replacement began or ended: the PIT and the RTC lose or regain their lines.
    std::function<void(bool on)> legacy_changed;
  };
  /// References must outlive the chip.
  Hpet(Scheduler& scheduler, Wires wires);

  bool legacy_replacement() const;

  u64 read(u64 offset, Width width) override;
  void write(u64 offset, Width width, u64 value) override;

  std::string_view name() const override { return "hpet"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  struct Timer {
    u64 config = 0;
    u64 comparator = ~u64{0};
    u64 period = 0;
    Scheduler::EventId event = 0;
    IrqLine* asserted = nullptr;  // The line a level-triggered timer holds.

    bool periodic() const;
    u64 mask() const;
  };

  bool enabled() const { return (config_ & 1) != 0; }
  u64 counter() const;
  void set_counter(u64 value);
  void write_config(u64 value);
  void write_timer_config(unsigned index, u64 value, u64 written);
  void write_comparator(unsigned index, u64 value, u64 written);
  u64 read_register(u64 offset) const;
  void write_register(u64 offset, u64 value, u64 written);

  void settle();
  void rearm(unsigned index);
  void rearm_all();
  void schedule_match(Timer& timer, u64 ticks_ahead);
  void match(unsigned index);
  void update_line(unsigned index);
  IrqLine* line_of(unsigned index);

  Scheduler& scheduler_;
  Wires wires_;

  u64 config_ = 0;
  u64 status_ = 0;
  u64 counter_base_ = 0;  // The counter when it was last started or written.
  u64 start_ns_ = 0;
  std::array<Timer, kTimers> timers_;
};

}  // namespace doppel::devices
