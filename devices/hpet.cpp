#include "devices/hpet.h"

#include <string>
#include <utility>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u64 kCapabilityRegister = 0x000;
constexpr u64 kConfig = 0x010;
constexpr u64 kStatus = 0x020;
constexpr u64 kMainCounter = 0x0f0;
constexpr u64 kFirstTimer = 0x100;
constexpr u64 kTimerStride = 0x20;
constexpr u64 kTimerConfig = 0x00;
constexpr u64 kTimerComparator = 0x08;

constexpr u64 kFemtosecondsPerTick = Hpet::kTickNs * 1'000'000;
constexpr u64 kLegacyReplacement = 1u << 1;

// A timer's configuration.
constexpr u64 kLevel = 1u << 1;
constexpr u64 kInterruptEnable = 1u << 2;
constexpr u64 kPeriodic = 1u << 3;
constexpr u64 kPeriodicCapable = 1u << 4;
constexpr u64 k64BitCapable = 1u << 5;
constexpr u64 kValueSet = 1u << 6;
constexpr u64 k32BitMode = 1u << 8;
constexpr u64 kWritable = 0x3f4e;

/// Simplified: matches of one periodic timer stand at least this far apart (1 µs), as in the local
/// APIC's timer; the accumulator moves on by whole periods.
constexpr u64 kMinimumPeriodTicks = 100;

}  // namespace

bool Hpet::Timer::periodic() const { return (config & kPeriodic) != 0; }
u64 Hpet::Timer::mask() const { return (config & k32BitMode) != 0 ? 0xffff'ffff : ~u64{0}; }

Hpet::Hpet(Scheduler& scheduler, Wires wires) : scheduler_(scheduler), wires_(std::move(wires)) {
  for (unsigned i = 0; i < kTimers; ++i) {
    timers_[i].event = scheduler.add("hpet" + std::to_string(i), [this, i] { match(i); });
  }
}

bool Hpet::legacy_replacement() const { return (config_ & kLegacyReplacement) != 0; }

u64 Hpet::counter() const {
  if (!enabled()) return counter_base_;
  return counter_base_ + (scheduler_.now_ns() - start_ns_) / kTickNs;
}

void Hpet::set_counter(u64 value) {
  counter_base_ = value;
  start_ns_ = scheduler_.now_ns();
}

// --- Matching ---------------------------------------------------------------------------------

/// What is due at this very instruction happens before a register changes.
void Hpet::settle() {
  for (unsigned i = 0; i < kTimers; ++i) {
    if (scheduler_.deadline_ns(timers_[i].event) > scheduler_.now_ns()) continue;
    scheduler_.cancel(timers_[i].event);
    match(i);
  }
}

void Hpet::schedule_match(Timer& timer, u64 ticks_ahead) {
  // Time is counted from the last start: a tick ends every ten nanoseconds after it.
  const u64 elapsed = (scheduler_.now_ns() - start_ns_) / kTickNs;
  const u128 deadline = u128{start_ns_} + (u128{elapsed} + ticks_ahead) * kTickNs;
  scheduler_.schedule(
      timer.event, deadline < Scheduler::kNever ? static_cast<u64>(deadline) : Scheduler::kNever);
}

void Hpet::rearm(unsigned index) {
  Timer& timer = timers_[index];
  // A timer that can neither interrupt nor set its status bit has no visible match.
  // A periodic one moves its accumulator all the same.
  const bool visible = (timer.config & (kInterruptEnable | kLevel)) != 0 || timer.periodic();
  if (!enabled() || !visible) {
    scheduler_.cancel(timer.event);
    return;
  }
  schedule_match(timer, (timer.comparator - counter()) & timer.mask());
}

void Hpet::rearm_all() {
  for (unsigned i = 0; i < kTimers; ++i) rearm(i);
}

void Hpet::match(unsigned index) {
  Timer& timer = timers_[index];
  const u64 now = counter();
  const u64 period = timer.period & timer.mask();
  if (timer.periodic() && period != 0) {
    // Past the counter, by whole periods.
    const u64 pause = period < kMinimumPeriodTicks ? kMinimumPeriodTicks : 1;
    const u64 behind = (now - timer.comparator) & timer.mask();
    timer.comparator =
        (timer.comparator + (behind + pause + period - 1) / period * period) & timer.mask();
    schedule_match(timer, (timer.comparator - now) & timer.mask());
  } else if (timer.mask() != ~u64{0}) {
    // A 32-bit comparator meets the counter again after it wrapped.
    const u64 late = (now - timer.comparator) & timer.mask();
    schedule_match(timer, (u64{1} << 32) - late);
  }
  if ((timer.config & kLevel) != 0) {
    status_ |= u64{1} << index;
    update_line(index);
  } else if ((timer.config & kInterruptEnable) != 0) {
    if (IrqLine* line = line_of(index)) line->pulse();
  }
}

// --- Interrupt lines --------------------------------------------------------------------------

IrqLine* Hpet::line_of(unsigned index) {
  if (legacy_replacement() && index == 0) return &wires_.legacy_timer;
  if (legacy_replacement() && index == 1) return &wires_.legacy_rtc;
  const unsigned route = static_cast<unsigned>(bit_field(timers_[index].config, 13, 9));
  return bit(kRouteCapability, route) ? &wires_.pin(route) : nullptr;
}

/// Drives the line of a level-triggered timer, and lets go of the one it held before.
void Hpet::update_line(unsigned index) {
  Timer& timer = timers_[index];
  const bool active =
      bit(status_, index) && (timer.config & kLevel) != 0 && (timer.config & kInterruptEnable) != 0;
  IrqLine* wanted = active ? line_of(index) : nullptr;
  if (timer.asserted == wanted) return;
  if (timer.asserted != nullptr) timer.asserted->set(false);
  timer.asserted = wanted;
  if (wanted != nullptr) wanted->set(true);
}

// --- Registers --------------------------------------------------------------------------------

void Hpet::write_config(u64 value) {
  const u64 changed = (config_ ^ value) & 3;
  if ((changed & 1) != 0) set_counter(counter());  // Freezes it, or starts it from where it stands.
  config_ = value & 3;
  if ((changed & kLegacyReplacement) != 0) {
    wires_.legacy_changed(legacy_replacement());
    for (unsigned i = 0; i < kTimers; ++i) update_line(i);
  }
  if (changed != 0) rearm_all();
}

void Hpet::write_timer_config(unsigned index, u64 value, u64 written) {
  Timer& timer = timers_[index];
  // VAL_SET reads as zero and stays until the comparator is written.
  if ((written & kValueSet) == 0) value |= timer.config & kValueSet;
  u64 config = value & kWritable;
  if (index != 0) config &= ~(kPeriodic | kValueSet);  // Only timer 0 is capable of it.
  timer.config = config;
  timer.comparator &= timer.mask();
  timer.period &= timer.mask();
  if ((config & kLevel) == 0) status_ &= ~(u64{1} << index);
  update_line(index);
  rearm(index);
}

/// In periodic mode a write sets the period; with VAL_SET it sets the accumulator as well.
void Hpet::write_comparator(unsigned index, u64 value, u64 written) {
  Timer& timer = timers_[index];
  const bool set_comparator = !timer.periodic() || (timer.config & kValueSet) != 0;
  if (timer.periodic()) {
    timer.period = ((timer.period & ~written) | (value & written)) & timer.mask();
  }
  if (set_comparator) {
    timer.comparator = ((timer.comparator & ~written) | (value & written)) & timer.mask();
  }
  timer.config &= ~kValueSet;
  rearm(index);
}

u64 Hpet::read_register(u64 offset) const {
  switch (offset) {
    case kCapabilityRegister:
      return kFemtosecondsPerTick << 32 | kCapabilities;
    case kConfig:
      return config_;
    case kStatus:
      return status_;
    case kMainCounter:
      return counter();
    default:
      break;
  }
  if (offset < kFirstTimer || offset >= kFirstTimer + kTimers * kTimerStride) return 0;
  const unsigned index = static_cast<unsigned>((offset - kFirstTimer) / kTimerStride);
  const Timer& timer = timers_[index];
  switch ((offset - kFirstTimer) % kTimerStride) {
    case kTimerConfig:
      return u64{kRouteCapability} << 32 | k64BitCapable | (index == 0 ? kPeriodicCapable : 0) |
             (timer.config & ~kValueSet);
    case kTimerComparator:
      return timer.comparator;
    default:
      return 0;  // FSB delivery is not offered.
  }
}

void Hpet::write_register(u64 offset, u64 value, u64 written) {
  const u64 merged = (read_register(offset) & ~written) | (value & written);
  settle();
  switch (offset) {
    case kConfig:
      write_config(merged);
      return;
    case kStatus:
      status_ &= ~(value & written);
      for (unsigned i = 0; i < kTimers; ++i) update_line(i);
      return;
    case kMainCounter:
      set_counter(merged);
      rearm_all();
      return;
    default:
      break;
  }
  if (offset < kFirstTimer || offset >= kFirstTimer + kTimers * kTimerStride) return;
  const unsigned index = static_cast<unsigned>((offset - kFirstTimer) / kTimerStride);
  switch ((offset - kFirstTimer) % kTimerStride) {
    case kTimerConfig:
      write_timer_config(index, merged, written);
      return;
    case kTimerComparator:
      write_comparator(index, value, written);
      return;
    default:
      return;
  }
}

u64 Hpet::read(u64 offset, Width width) {
  const unsigned shift = static_cast<unsigned>(offset & 7) * 8;
  return (read_register(offset & ~u64{7}) >> shift) & all_ones(width);
}

void Hpet::write(u64 offset, Width width, u64 value) {
  const unsigned shift = static_cast<unsigned>(offset & 7) * 8;
  write_register(offset & ~u64{7}, value << shift, all_ones(width) << shift);
}

void Hpet::reset() {
  const bool had_legacy = legacy_replacement();
  status_ = 0;
  config_ = 0;
  set_counter(0);
  for (unsigned i = 0; i < kTimers; ++i) {
    Timer& timer = timers_[i];
    timer.config = 0;
    timer.comparator = ~u64{0};
    timer.period = 0;
    scheduler_.cancel(timer.event);
    update_line(i);
  }
  if (had_legacy) wires_.legacy_changed(false);
}

void Hpet::serialize(Archive& archive) {
  archive(config_, status_, counter_base_, start_ns_);
  for (Timer& timer : timers_) archive(timer.config, timer.comparator, timer.period);
  if (!archive.is_loading()) return;
  wires_.legacy_changed(legacy_replacement());
  for (unsigned i = 0; i < kTimers; ++i) {
    // The lines keep their saved levels; only who holds which has to be known again.
    Timer& timer = timers_[i];
    const bool active = bit(status_, i) &&
                        (timer.config & (kLevel | kInterruptEnable)) == (kLevel | kInterruptEnable);
    timer.asserted = active ? line_of(i) : nullptr;
  }
}

}  // namespace doppel::devices
