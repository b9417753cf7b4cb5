#include "devices/lapic_timer.h"

#include <utility>

namespace doppel::devices {

namespace {

/// Simplified: interrupts of one periodic timer stand at least this far apart. A shorter period
/// keeps its counts and its phase, but leaves interrupts out, so that no guest makes time stand
/// still.
constexpr u64 kMinimumPeriodNs = 1000;

/// Bits 3, 1 and 0 of the divide configuration: 0 is divide by 2 … 6 by 128, 7 by 1.
u8 shift_of(u8 divide_configuration) {
  const unsigned code = (divide_configuration & 3u) | ((divide_configuration & 8u) >> 1);
  return static_cast<u8>((code + 1) & 7);
}

}  // namespace

LapicTimer::LapicTimer(std::string name, Scheduler& scheduler, const TimestampCounter& tsc,
                       std::function<void()> expired)
    : scheduler_(scheduler),
      tsc_(tsc),
      expired_(std::move(expired)),
      event_(scheduler.add(std::move(name), [this] { expire(); })) {}

/// What is due at this very instruction happens before a register changes.
void LapicTimer::settle() {
  if (scheduler_.deadline_ns(event_) <= scheduler_.now_ns()) {
    scheduler_.cancel(event_);
    expire();
  }
}

void LapicTimer::configure(Mode mode, bool masked) {
  if (mode == mode_ && masked == masked_) return;
  settle();
  if ((mode == Mode::TscDeadline) != (mode_ == Mode::TscDeadline)) {
    loaded_ = 0;
    deadline_ = 0;
  } else if (mode != mode_) {
    // A one-shot count that has ended does not start again because the mode became periodic.
    loaded_ = current_count();
    start_ns_ = scheduler_.now_ns();
  }
  mode_ = mode;
  masked_ = masked;
  rearm();
}

void LapicTimer::set_divide_configuration(u32 value) {
  settle();
  loaded_ = current_count();
  start_ns_ = scheduler_.now_ns();
  divide_configuration_ = static_cast<u8>(value & 0xb);
  divide_shift_ = shift_of(divide_configuration_);
  rearm();
}

void LapicTimer::set_initial_count(u32 count) {
  if (mode_ == Mode::TscDeadline) return;
  settle();
  initial_ = count;
  loaded_ = count;
  start_ns_ = scheduler_.now_ns();
  rearm();
}

u32 LapicTimer::current_count() const {
  if (mode_ == Mode::TscDeadline || loaded_ == 0) return 0;
  const u64 elapsed = elapsed_ticks(scheduler_.now_ns());
  if (elapsed < loaded_) return static_cast<u32>(loaded_ - elapsed);
  if (mode_ == Mode::OneShot || initial_ == 0) return 0;
  return static_cast<u32>(initial_ - (elapsed - loaded_) % initial_);
}

u64 LapicTimer::deadline() const {
  if (mode_ != Mode::TscDeadline || deadline_ <= tsc_.value()) return 0;
  return deadline_;
}

void LapicTimer::set_deadline(u64 tsc) {
  if (mode_ != Mode::TscDeadline) return;
  settle();
  deadline_ = tsc;
  rearm();
}

void LapicTimer::tsc_changed() {
  if (mode_ != Mode::TscDeadline) return;
  settle();
  rearm();
}

u64 LapicTimer::next_periodic_expiry_ns(u64 not_before_ns) const {
  const u64 first = start_ns_ + (u64{loaded_} << divide_shift_);
  if (first >= not_before_ns) return first;
  const u64 period = u64{initial_} << divide_shift_;
  return first + (not_before_ns - first + period - 1) / period * period;
}

void LapicTimer::rearm() {
  u64 next = Scheduler::kNever;
  if (mode_ == Mode::TscDeadline) {
    if (deadline_ != 0) next = tsc_.reached_at_ns(deadline_);
  } else if (!masked_ && current_count() != 0) {
    next = mode_ == Mode::Periodic && initial_ != 0
               ? next_periodic_expiry_ns(scheduler_.now_ns() + 1)
               : start_ns_ + (u64{loaded_} << divide_shift_);
  }
  scheduler_.schedule(event_, next);
}

void LapicTimer::expire() {
  if (mode_ == Mode::TscDeadline) {
    deadline_ = 0;
  } else if (mode_ == Mode::Periodic && loaded_ != 0 && initial_ != 0) {
    const u64 period = u64{initial_} << divide_shift_;
    const u64 pause = period < kMinimumPeriodNs ? kMinimumPeriodNs : 1;
    scheduler_.schedule(event_, next_periodic_expiry_ns(scheduler_.now_ns() + pause));
  }
  if (!masked_) expired_();
}

void LapicTimer::reset() {
  mode_ = Mode::OneShot;
  masked_ = true;
  divide_configuration_ = 0;
  divide_shift_ = shift_of(0);
  initial_ = 0;
  loaded_ = 0;
  start_ns_ = scheduler_.now_ns();
  deadline_ = 0;
  scheduler_.cancel(event_);
}

void LapicTimer::serialize(Archive& archive) {
  archive(mode_, masked_, divide_configuration_, initial_, loaded_, start_ns_, deadline_);
  divide_shift_ = shift_of(divide_configuration_);
}

}  // namespace doppel::devices
