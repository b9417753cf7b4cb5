#include "devices/timestamp_counter.h"

namespace doppel::devices {

namespace {

constexpr u64 kNanosecondsPerSecond = 1'000'000'000;

}  // namespace

TimestampCounter::TimestampCounter(const Scheduler& scheduler, u64 rate_hz)
    : scheduler_(scheduler), rate_hz_(rate_hz == 0 ? kNanosecondsPerSecond : rate_hz) {}

u128 TimestampCounter::scaled_now() const {
  const u64 now = scheduler_.now_ns();
  if (rate_hz_ == kNanosecondsPerSecond) return now;
  return u128{now} * rate_hz_ / kNanosecondsPerSecond;
}

void TimestampCounter::set_value(u64 value) { set_adjust(adjust_ + (value - this->value())); }

void TimestampCounter::set_adjust(u64 value) {
  offset_ += value - adjust_;
  adjust_ = value;
}

u64 TimestampCounter::reached_at_ns(u64 target) const {
  const u64 current = value();
  if (target <= current) return scheduler_.now_ns();
  const u128 ticks = scaled_now() + (target - current);
  // Rounded up: one nanosecond earlier the counter still shows less.
  const u128 time = (ticks * kNanosecondsPerSecond + rate_hz_ - 1) / rate_hz_;
  return time < Scheduler::kNever ? static_cast<u64>(time) : Scheduler::kNever;
}

void TimestampCounter::reset() {
  offset_ = u64{0} - static_cast<u64>(scaled_now());
  adjust_ = 0;
}

}  // namespace doppel::devices
