#pragma once

#include "cpu/base/archive.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// The processor's TSC: virtual time at a fixed rate, plus what the guest wrote to it.
///
/// @source  Intel SDM Vol. 3B, "Time-Stamp Counter", "Time-Stamp Counter Adjustment"
class TimestampCounter {
 public:
  /// `scheduler` must outlive this. A rate of 0 means 1 GHz, where the arithmetic is exact.
  TimestampCounter(const Scheduler& scheduler, u64 rate_hz);

  u64 value() const { return static_cast<u64>(scaled_now()) + offset_; }
  /// WRMSR TSC: the difference shows in TSC_ADJUST too.
  void set_value(u64 value);
  u64 adjust() const { return adjust_; }
  void set_adjust(u64 value);
  u64 rate_hz() const { return rate_hz_; }

  /// The first nanosecond at which value() has reached `target`; now, if it already has.
  u64 reached_at_ns(u64 target) const;

  /// RESET clears counter and adjustment. INIT does not come here.
  void reset();
  void serialize(Archive& archive) { archive(offset_, adjust_); }

 private:
  u128 scaled_now() const;

  const Scheduler& scheduler_;
  u64 rate_hz_;
  u64 offset_ = 0;
  u64 adjust_ = 0;
};

}  // namespace doppel::devices
