#include "devices/pit_8254.h"

#include <algorithm>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u64 kNsPerSecond = 1'000'000'000;

// Control word.
constexpr unsigned kReadBack = 3;  // In the counter field.
constexpr u8 kReadBackNoCount = 0x20;
constexpr u8 kReadBackNoStatus = 0x10;
// Access.
constexpr u8 kLatch = 0;
constexpr u8 kLowByte = 1;
constexpr u8 kHighByte = 2;
constexpr u8 kBothBytes = 3;
// Port 61h.
constexpr u8 kGate2 = 0x01;
constexpr u8 kSpeakerData = 0x02;
constexpr u8 kPort61Writable = 0x0f;
// Counter 1 asks for a refresh every 18 ticks; port 61h shows a bit that changes with each.
constexpr u64 kRefreshTicks = 18;

u16 to_bcd(u32 value) {
  return static_cast<u16>((value / 1000 % 10) << 12 | (value / 100 % 10) << 8 |
                          (value / 10 % 10) << 4 | value % 10);
}

u32 from_bcd(u16 value) {
  return (value >> 12) * 1000u + (value >> 8 & 15) * 100u + (value >> 4 & 15) * 10u + (value & 15u);
}

}  // namespace

void PitCounter::reset(u64 tick) {
  const bool gate = gate_;
  *this = PitCounter{};
  gate_ = gate;
  tick_ = tick;
}

/// What a count of CR means: zero is the largest count.
u32 PitCounter::initial_count() const {
  const u32 count = (bcd_ ? from_bcd(reload_) : reload_) % modulus();
  if (count == 0) return modulus();
  // Simplified: a count of 1 is illegal in modes 2 and 3; it runs as 2.
  return is_periodic() ? std::max(count, u32{2}) : count;
}

/// An odd square wave is high for the longer half.
u32 PitCounter::half_period(bool high) const { return (loaded_count_ + (high ? 1 : 0)) / 2; }

void PitCounter::write_control(u8 value, u64 tick) {
  advance(tick);
  mode_ = value >> 1 & 7;
  if (mode_ > 5) mode_ -= 4;  // Modes 2 and 3 do not look at their highest bit.
  access_ = value >> 4 & 3;
  bcd_ = bit(value, 0);
  // What stands there until the next count is loaded must be one that four decimal digits can show.
  count_ = std::min(count_, modulus());
  loaded_count_ = std::min(loaded_count_, modulus());
  write_high_ = read_high_ = false;
  latched_bytes_ = 0;
  status_latched_ = false;
  null_count_ = true;
  count_valid_ = load_pending_ = counting_ = armed_ = false;
  output_ = mode_ != 0;
}

void PitCounter::write_count(u8 value, u64 tick) {
  advance(tick);
  switch (access_) {
    case kLowByte:
      reload_ = value;
      break;
    case kHighByte:
      reload_ = static_cast<u16>(value << 8);
      break;
    default:
      if (!write_high_) {
        first_byte_ = value;
        write_high_ = true;
        // Mode 0: the first byte stops the counter, OUT goes low at once.
        if (mode_ == 0) {
          counting_ = false;
          load_pending_ = false;
          output_ = false;
        }
        return;
      }
      write_high_ = false;
      reload_ = static_cast<u16>(value << 8 | first_byte_);
  }
  count_written();
}

void PitCounter::count_written() {
  null_count_ = true;
  const bool first = !count_valid_;
  count_valid_ = true;
  if (mode_ == 0) output_ = false;
  // Modes 2 and 3 take a later count at the end of the (half) period, modes 1 and 5 at a trigger.
  if (mode_ == 0 || mode_ == 4 || (is_periodic() && first)) load_pending_ = true;
}

/// The CLK pulse that moves CR into CE. True if OUT rose.
bool PitCounter::load() {
  const bool before = output_;
  load_pending_ = false;
  null_count_ = false;
  counting_ = true;
  count_ = initial_count();
  loaded_count_ = count_;
  switch (mode_) {
    case 1:
      output_ = false;
      break;
    case 2:
      output_ = true;
      break;
    case 3:
      output_ = true;
      count_ = half_period(true);
      break;
    case 4:
    case 5:
      armed_ = true;
      output_ = true;  // A strobe under way ends.
      break;
    default:
      break;
  }
  return output_ && !before;
}

bool PitCounter::advance(u64 tick) {
  if (tick <= tick_) return false;
  u64 ticks = tick - tick_;
  tick_ = tick;
  bool rose = false;
  if (load_pending_) {
    rose = load();
    --ticks;
  }
  if (!counting_ || ticks == 0) return rose;
  // A low gate stops the counter, except where the gate is a trigger.
  if (!gate_ && !is_triggered()) {
    // The strobe of mode 4 lasts one CLK whatever the gate does.
    if (mode_ == 4 && !output_) {
      output_ = true;
      rose = true;
    }
    return rose;
  }
  switch (mode_) {
    case 2:
      return count_rate_generator(ticks) || rose;
    case 3:
      return count_square_wave(ticks) || rose;
    default:
      return count_down(ticks) || rose;
  }
}

/// Modes 0, 1, 4, 5: down through zero and round again.
bool PitCounter::count_down(u64 ticks) {
  const u64 to_zero = ticks_to_zero();
  bool rose = false;
  if (mode_ <= 1) {
    if (!output_ && ticks >= to_zero) {
      output_ = true;
      rose = true;
    }
  } else if (!output_) {
    output_ = true;  // The strobe was one CLK long.
    rose = true;
  } else if (armed_ && ticks >= to_zero) {
    armed_ = false;
    if (ticks == to_zero) {
      output_ = false;
    } else {
      rose = true;  // Down and up again.
    }
  }
  const u64 size = modulus();
  count_ = static_cast<u32>((u64{count_} + size - ticks % size) % size);
  return rose;
}

/// Mode 2: CE runs N..1, OUT is low while it is 1.
bool PitCounter::count_rate_generator(u64 ticks) {
  bool rose = false;
  if (ticks < count_) {
    count_ -= static_cast<u32>(ticks);
  } else {
    ticks -= count_;
    loaded_count_ = initial_count();
    null_count_ = false;
    count_ = loaded_count_ - static_cast<u32>(ticks % loaded_count_);
    rose = true;
  }
  output_ = count_ != 1;
  return rose;
}

/// Mode 3: count_ is what is left of this half. A new count is taken at its end.
bool PitCounter::count_square_wave(u64 ticks) {
  if (ticks < count_) {
    count_ -= static_cast<u32>(ticks);
    return false;
  }
  ticks -= count_;
  loaded_count_ = initial_count();
  null_count_ = false;
  output_ = !output_;
  bool rose = output_ || ticks >= half_period(false);
  ticks %= loaded_count_;
  const u32 half = half_period(output_);
  if (ticks >= half) {
    ticks -= half;
    output_ = !output_;
    rose = rose || output_;
  }
  count_ = half_period(output_) - static_cast<u32>(ticks);
  return rose;
}

u64 PitCounter::next_rise() const {
  if (!gate_ && !is_triggered() && !load_pending_) return kNoTick;
  const u64 load_ticks = load_pending_ ? 1 : 0;
  const u64 count = load_pending_ ? initial_count() : ticks_to_zero();
  if (!load_pending_ && !counting_) return kNoTick;
  switch (mode_) {
    case 0:
    case 1:
      if (!gate_ && mode_ == 0) return kNoTick;
      if (output_ && !load_pending_) return kNoTick;
      return tick_ + load_ticks + count;
    case 2:
      return tick_ + load_ticks + count;
    case 3: {
      if (load_pending_) return tick_ + 1 + count;
      // From the low half the end of it; from the high half one low half more.
      if (!output_) return tick_ + count_;
      const u32 next = initial_count();
      return tick_ + count_ + next / 2;
    }
    default:
      if (!output_) return tick_ + 1;
      if (!load_pending_ && !armed_) return kNoTick;
      return tick_ + load_ticks + count + 1;
  }
}

/// What CE reads as.
u16 PitCounter::visible_count() const {
  u32 value = count_;
  if (mode_ == 3 && counting_) {
    // Counts down by two; an odd count starts one lower and its high half is one step longer.
    const bool odd_high = output_ && (loaded_count_ & 1) != 0;
    value = 2 * (count_ - (odd_high ? 1 : 0));
  }
  value %= modulus();
  return bcd_ ? to_bcd(value) : static_cast<u16>(value);
}

u8 PitCounter::read_count(u64 tick) {
  advance(tick);
  if (status_latched_) {
    status_latched_ = false;
    return latched_status_;
  }
  const bool is_latched = latched_bytes_ != 0;
  const u16 value = is_latched ? latched_count_ : visible_count();
  if (is_latched) --latched_bytes_;
  bool high = access_ == kHighByte;
  if (access_ == kBothBytes) {
    high = read_high_;
    read_high_ = !read_high_;
  }
  return static_cast<u8>(high ? value >> 8 : value);
}

void PitCounter::latch_count(u64 tick) {
  advance(tick);
  if (latched_bytes_ != 0) return;  // The first latch wins until it is read.
  latched_count_ = visible_count();
  latched_bytes_ = access_ == kBothBytes ? 2 : 1;
  read_high_ = false;
}

void PitCounter::latch_status(u64 tick) {
  advance(tick);
  if (status_latched_) return;
  latched_status_ = static_cast<u8>((output_ ? 0x80 : 0) | (null_count_ ? 0x40 : 0) | access_ << 4 |
                                    mode_ << 1 | (bcd_ ? 1 : 0));
  status_latched_ = true;
}

void PitCounter::set_gate(bool level, u64 tick) {
  advance(tick);
  if (level == gate_) return;
  gate_ = level;
  if (level) {
    // A rising edge triggers or restarts; modes 0 and 4 just go on.
    if (mode_ != 0 && mode_ != 4 && count_valid_) load_pending_ = true;
  } else if (is_periodic()) {
    output_ = true;
  }
}

void PitCounter::serialize(Archive& archive) {
  archive(tick_, count_, loaded_count_, reload_, first_byte_, latched_count_, latched_bytes_,
          latched_status_, mode_, access_, bcd_, status_latched_, write_high_, read_high_,
          null_count_, count_valid_, load_pending_, counting_, armed_, gate_, output_);
  const bool running_too_long = count_ > modulus() || loaded_count_ > modulus();
  if (mode_ > 5 || access_ > kBothBytes || latched_bytes_ > 2 || running_too_long) {
    archive.fail("an 8254 state does not exist");
    reset(tick_);
  }
}

Pit8254::Pit8254(Scheduler& scheduler, IrqLine& irq0)
    : scheduler_(scheduler),
      irq0_(irq0),
      event_(scheduler.add("pit.irq0", [this] { update_irq(counters_[0].advance(now_tick())); })),
      ports_(*this, &Pit8254::read_port, &Pit8254::write_port),
      port61_(*this, &Pit8254::read_port61, &Pit8254::write_port61) {}

void Pit8254::reset() {
  const u64 tick = now_tick();
  control61_ = 0;
  for (PitCounter& counter : counters_) counter.reset(tick);
  counters_[2].set_gate(false, tick);
  // The chip has no reset pin and wakes up undefined. We start as every BIOS leaves it: counter 0
  // gives 18.2 Hz, counter 1 the refresh.
  counters_[0].write_control(0x36, tick);
  counters_[0].write_count(0, tick);
  counters_[0].write_count(0, tick);
  counters_[1].write_control(0x54, tick);
  counters_[1].write_count(kRefreshTicks, tick);
  counters_[2].write_control(0xb6, tick);
  tell_speaker();
  update_irq(false);
}

u64 Pit8254::tick_at(u64 time_ns) {
  return static_cast<u64>(u128{time_ns} * kRateHz / kNsPerSecond);
}

u64 Pit8254::now_tick() const { return tick_at(scheduler_.now_ns()); }

bool Pit8254::speaker_on() const { return (control61_ & kSpeakerData) != 0; }

void Pit8254::tell_speaker() {
  if (speaker_ != nullptr) speaker_->counter_changed(counters_[2], speaker_on());
}

/// Drives IRQ 0 with OUT and waits for the next time it rises.
///
/// Simplified: OUT's falling edges are shown with the next rise, since an edge-triggered input asks
/// for nothing else. Rises that were missed become one. The next one is always later than now: two
/// ticks, 1.7 microseconds, is the shortest period a guest can set.
void Pit8254::update_irq(bool rose) {
  if (rose) irq0_.set(false);
  irq0_.set(counters_[0].output() || rose);
  if (!counters_[0].output()) irq0_.set(false);
  const u64 tick = counters_[0].next_rise();
  if (tick == PitCounter::kNoTick) {
    scheduler_.cancel(event_);
    return;
  }
  const u128 ns = (u128{tick} * kNsPerSecond + kRateHz - 1) / kRateHz;
  scheduler_.schedule(event_, ns < Scheduler::kNever ? static_cast<u64>(ns) : Scheduler::kNever);
}

u8 Pit8254::read_port(unsigned offset) {
  offset &= 3;
  if (offset == 3) return 0xff;  // The control word is write-only.
  const u64 tick = now_tick();
  if (offset == 0) update_irq(counters_[0].advance(tick));
  return counters_[offset].read_count(tick);
}

void Pit8254::write_port(unsigned offset, u8 value) {
  offset &= 3;
  const u64 tick = now_tick();
  const bool rose = counters_[0].advance(tick);
  if (offset < 3) {
    counters_[offset].write_count(value, tick);
    if (offset == 2) tell_speaker();
  } else if (const unsigned target = value >> 6; target == kReadBack) {
    for (unsigned i = 0; i < 3; ++i) {
      if (!bit(value, i + 1)) continue;
      if (!(value & kReadBackNoCount)) counters_[i].latch_count(tick);
      if (!(value & kReadBackNoStatus)) counters_[i].latch_status(tick);
    }
  } else if ((value >> 4 & 3) == kLatch) {
    counters_[target].latch_count(tick);
  } else {
    counters_[target].write_control(value, tick);
    if (target == 2) tell_speaker();
  }
  update_irq(rose);
}

/// @source  Intel 82371SB (PIIX3) data sheet, "NMISC - NMI Status and Control Register"
u8 Pit8254::read_port61(unsigned) {
  const u64 tick = now_tick();
  counters_[2].advance(tick);
  const bool refresh = (tick / kRefreshTicks & 1) != 0;
  // Bits 7 and 6, the causes of an NMI, stay clear: no chip here reports parity errors.
  return static_cast<u8>(control61_ | (refresh ? 0x10 : 0) | (counters_[2].output() ? 0x20 : 0));
}

void Pit8254::write_port61(unsigned, u8 value) {
  control61_ = value & kPort61Writable;
  counters_[2].set_gate((value & kGate2) != 0, now_tick());
  tell_speaker();
}

void Pit8254::serialize(Archive& archive) {
  archive(counters_, control61_);
  if (archive.is_loading() && speaker_ != nullptr)
    speaker_->counter_restored(counters_[2], speaker_on());
}

}  // namespace doppel::devices
