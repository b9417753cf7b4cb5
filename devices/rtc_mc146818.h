#pragma once

// The real-time clock and its battery-backed memory.
//
// Time lives where the guest sees it: in the ten time registers (and the century byte), raw, in the
// format that register B says. Once a virtual second they are counted on. Nobody needs to be woken
// for that unless an interrupt is enabled: a read brings the clock up to date first.

#include <array>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  Motorola MC146818 data sheet; IBM PC/AT Technical Reference for the CMOS layout
class RtcMc146818 final : public Device {
 public:
  /// `start_seconds` since 1970-01-01 00:00:00.
  RtcMc146818(Scheduler& scheduler, IrqLine& irq8, i64 start_seconds);

  /// Ports 70h-73h: index and data of the standard bank, then of the extended bank. A board without
  /// the extended bank maps only the first two.
  mmu::IoHandler& ports() { return ports_; }
  static constexpr u16 kPorts = 4;

  /// Bit 7 of port 70h: NMI does not reach the processor.
  bool nmi_masked() const { return nmi_masked_; }
  /// Memory as firmware finds it; 80h and above is the extended bank.
  void set_cmos(u8 index, u8 value) { cmos_[index] = value; }
  u8 cmos(u8 index) const { return cmos_[index]; }

  std::string_view name() const override { return "rtc"; }
  /// The RESET pin: interrupts off. Time and memory stay, a battery keeps them.
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  void set_time(i64 seconds);
  u8 read_port(unsigned offset);
  void write_port(unsigned offset, u8 value);
  u8 read_register(u8 index);
  void write_register(u8 index, u8 value);
  void write_register_a(u8 value);
  void write_register_b(u8 value);

  bool divider_runs() const;
  bool update_in_progress() const;
  /// Periods of the 32768 Hz chain between two periodic flags; 0: none.
  u64 period_ticks() const;
  u64 now_tick() const;
  void start_divider(u64 first_second_ticks);
  void catch_up();
  void count_seconds(u64 seconds);
  void count_second();
  void next_day();
  bool alarm_matches() const;
  void update_irq();
  void reschedule();

  unsigned decode(u8 value) const;
  u8 encode(unsigned value) const;
  unsigned hour() const;
  void set_hour(unsigned hour);

  Scheduler& scheduler_;
  IrqLine& irq8_;
  Scheduler::EventId event_;
  std::array<u8, 256> cmos_{};
  u64 divider_start_ns_ = 0;  // Tick 0 of the 32768 Hz chain.
  u64 seen_tick_ = 0;         // Everything up to here is accounted for.
  u64 next_second_tick_ = 0;  // The update that is still to come.
  u8 index_ = 0;
  u8 extended_index_ = 0;
  bool nmi_masked_ = false;
  BytePorts<RtcMc146818> ports_;
};

}  // namespace doppel::devices
