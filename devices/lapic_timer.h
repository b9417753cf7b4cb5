#pragma once

// The local APIC's timer.
//
// Nothing counts: the registers are what virtual time says they are, and one event stands for the
// next interrupt. The bus clock is 1 GHz and dividers are powers of two, so all of it is exact.

#include <functional>
#include <string>

#include "cpu/base/archive.h"
#include "devices/scheduler.h"
#include "devices/timestamp_counter.h"

namespace doppel::devices {

/// @source  Intel SDM Vol. 3A, "APIC Timer" (with "TSC-Deadline Mode")
class LapicTimer {
 public:
  enum class Mode : u8 { OneShot, Periodic, TscDeadline };

  /// `expired` runs at each end of a count while the timer is not masked.
  LapicTimer(std::string name, Scheduler& scheduler, const TimestampCounter& tsc,
             std::function<void()> expired);

  /// Mode and mask as the LVT has them. A change to or from TSC-deadline mode disarms.
  void configure(Mode mode, bool masked);

  u32 divide_configuration() const { return divide_configuration_; }
  void set_divide_configuration(u32 value);
  u32 initial_count() const { return initial_; }
  /// Starts the count; 0 stops it. Ignored in TSC-deadline mode.
  void set_initial_count(u32 count);
  u32 current_count() const;

  /// 0 if not armed or not in TSC-deadline mode.
  u64 deadline() const;
  void set_deadline(u64 tsc);
  /// The guest moved the TSC: an armed deadline is nearer or farther now.
  void tsc_changed();

  void reset();
  void serialize(Archive& archive);

 private:
  void settle();
  void rearm();
  void expire();
  u64 elapsed_ticks(u64 now_ns) const { return (now_ns - start_ns_) >> divide_shift_; }
  u64 next_periodic_expiry_ns(u64 not_before_ns) const;

  Scheduler& scheduler_;
  const TimestampCounter& tsc_;
  std::function<void()> expired_;
  Scheduler::EventId event_;

  Mode mode_ = Mode::OneShot;
  bool masked_ = true;
  u8 divide_configuration_ = 0;
  u8 divide_shift_ = 1;
  u32 initial_ = 0;
  u32 loaded_ =
      0;  // The count at start_ns_: the initial one, or what was left when the divider changed.
  u64 start_ns_ = 0;
  u64 deadline_ = 0;
};

}  // namespace doppel::devices
