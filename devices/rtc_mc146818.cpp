#include "devices/rtc_mc146818.h"

#include <algorithm>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

enum Register : u8 {
  kSeconds = 0x00,
  kSecondsAlarm = 0x01,
  kMinutes = 0x02,
  kMinutesAlarm = 0x03,
  kHours = 0x04,
  kHoursAlarm = 0x05,
  kDayOfWeek = 0x06,
  kDayOfMonth = 0x07,
  kMonth = 0x08,
  kYear = 0x09,
  kRegisterA = 0x0a,
  kRegisterB = 0x0b,
  kRegisterC = 0x0c,
  kRegisterD = 0x0d,
  kCentury = 0x32,
};

// Register A.
constexpr u8 kUip = 0x80;
constexpr u8 kRateMask = 0x0f;
constexpr u8 kDivider32768 = 0x20;
// Register B.
constexpr u8 kSet = 0x80;
constexpr u8 kPie = 0x40;
constexpr u8 kAie = 0x20;
constexpr u8 kUie = 0x10;
constexpr u8 kSqwe = 0x08;
constexpr u8 kBinary = 0x04;
constexpr u8 k24Hours = 0x02;
// Register C.
constexpr u8 kIrqf = 0x80;
constexpr u8 kPf = 0x40;
constexpr u8 kAf = 0x20;
constexpr u8 kUf = 0x10;
// Register D.
constexpr u8 kVrt = 0x80;

constexpr u8 kPm = 0x80;
constexpr u8 kDontCare = 0xc0;
constexpr u8 kNmiMask = 0x80;
constexpr u8 kExtendedBank = 0x80;

constexpr u64 kTicksPerSecond = 32768;
constexpr u64 kNsPerSecond = 1'000'000'000;
constexpr u64 kSecondsPerDay = 86400;
/// UIP is set 244 microseconds before the update.
constexpr u64 kUipTicks = 8;

bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

unsigned days_in_month(unsigned month, unsigned year) {
  static constexpr std::array<u8, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month == 2 && is_leap(year)) return 29;
  // What a guest wrote may be no month at all.
  return month >= 1 && month <= 12 ? kDays[month - 1] : 31;
}

}  // namespace

RtcMc146818::RtcMc146818(Scheduler& scheduler, IrqLine& irq8, i64 start_seconds)
    : scheduler_(scheduler),
      irq8_(irq8),
      event_(scheduler.add("rtc",
                           [this] {
                             catch_up();
                             reschedule();
                           })),
      ports_(*this, &RtcMc146818::read_port, &RtcMc146818::write_port) {
  cmos_[kRegisterA] = kDivider32768 | 6;  // 1024 Hz, as a BIOS sets it.
  cmos_[kRegisterB] = k24Hours;
  cmos_[kRegisterD] = kVrt;
  set_time(start_seconds);
  start_divider(kTicksPerSecond);
}

void RtcMc146818::reset() {
  catch_up();
  cmos_[kRegisterB] &= static_cast<u8>(~(kPie | kAie | kUie | kSqwe));
  cmos_[kRegisterC] = 0;
  index_ = extended_index_ = 0;
  nmi_masked_ = false;
  update_irq();
  reschedule();
}

/// Fills the time registers from a count of seconds.
void RtcMc146818::set_time(i64 seconds) {
  // Years 0000 to 9999 fit the registers; anything else starts in 1970.
  constexpr i64 kFirst = -62'167'219'200;
  constexpr i64 kLast = 253'402'300'799;
  if (seconds < kFirst || seconds > kLast) seconds = 0;
  i64 days = seconds / static_cast<i64>(kSecondsPerDay);
  i64 left = seconds % static_cast<i64>(kSecondsPerDay);
  if (left < 0) {
    left += static_cast<i64>(kSecondsPerDay);
    --days;
  }
  const i64 weekday = ((days + 4) % 7 + 7) % 7;  // 1970 began on a Thursday.

  // 400 years are 146097 days: take those off first, then walk years and months.
  constexpr i64 kDaysIn400Years = 146097;
  i64 cycles = days / kDaysIn400Years;
  if (days % kDaysIn400Years < 0) --cycles;
  unsigned year = static_cast<unsigned>(1970 + cycles * 400);
  days -= cycles * kDaysIn400Years;
  for (i64 length = is_leap(year) ? 366 : 365; days >= length; length = is_leap(year) ? 366 : 365) {
    days -= length;
    ++year;
  }
  unsigned month = 1;
  while (days >= days_in_month(month, year)) days -= days_in_month(month++, year);

  cmos_[kSeconds] = encode(static_cast<unsigned>(left % 60));
  cmos_[kMinutes] = encode(static_cast<unsigned>(left / 60 % 60));
  set_hour(static_cast<unsigned>(left / 3600));
  cmos_[kDayOfWeek] = encode(static_cast<unsigned>(weekday) + 1);
  cmos_[kDayOfMonth] = encode(static_cast<unsigned>(days) + 1);
  cmos_[kMonth] = encode(month);
  cmos_[kYear] = encode(year % 100);
  cmos_[kCentury] = encode(year / 100);
}

unsigned RtcMc146818::decode(u8 value) const {
  if (cmos_[kRegisterB] & kBinary) return value;
  return (value >> 4) * 10u + (value & 15u);
}

u8 RtcMc146818::encode(unsigned value) const {
  if (cmos_[kRegisterB] & kBinary) return static_cast<u8>(value);
  return static_cast<u8>((value / 10 % 10) << 4 | value % 10);
}

/// 0..23 from the register, whatever its format.
unsigned RtcMc146818::hour() const {
  const u8 value = cmos_[kHours];
  if (cmos_[kRegisterB] & k24Hours) return decode(value);
  const unsigned hour12 = decode(value & static_cast<u8>(~kPm)) % 12;  // 12 stands for zero.
  return hour12 + ((value & kPm) != 0 ? 12 : 0);
}

void RtcMc146818::set_hour(unsigned hour) {
  if (cmos_[kRegisterB] & k24Hours) {
    cmos_[kHours] = encode(hour);
    return;
  }
  const unsigned hour12 = hour % 12 == 0 ? 12 : hour % 12;
  cmos_[kHours] = static_cast<u8>(encode(hour12) | (hour >= 12 ? kPm : 0));
}

// --- The divider chain ---

/// Simplified: only "reset" (11x) stops the chain; the other time bases count as 32768 Hz, the only
/// crystal a PC has.
bool RtcMc146818::divider_runs() const { return (cmos_[kRegisterA] & 0x60) != 0x60; }

u64 RtcMc146818::now_tick() const {
  const u64 now_ns = scheduler_.now_ns();
  if (now_ns < divider_start_ns_) return 0;
  const u64 elapsed_ns = now_ns - divider_start_ns_;
  return static_cast<u64>(u128{elapsed_ns} * kTicksPerSecond / kNsPerSecond);
}

void RtcMc146818::start_divider(u64 first_second_ticks) {
  divider_start_ns_ = scheduler_.now_ns();
  seen_tick_ = 0;
  next_second_tick_ = first_second_ticks;
}

/// @source  MC146818 data sheet, "Periodic Interrupt Rate and Square Wave Output Frequency"
u64 RtcMc146818::period_ticks() const {
  const unsigned rate = cmos_[kRegisterA] & kRateMask;
  if (rate == 0 || !divider_runs()) return 0;
  // Rates 1 and 2 repeat 256 Hz and 128 Hz. The shortest period is 122 microseconds.
  return u64{1} << (rate <= 2 ? rate + 6 : rate - 1);
}

/// Simplified: the update takes no time; it happens when UIP ends.
bool RtcMc146818::update_in_progress() const {
  if (!divider_runs() || (cmos_[kRegisterB] & kSet) != 0) return false;
  return next_second_tick_ - seen_tick_ <= kUipTicks;
}

/// Everything that happened since somebody last looked.
void RtcMc146818::catch_up() {
  if (!divider_runs()) return;
  const u64 tick = now_tick();
  if (tick <= seen_tick_) return;
  if (const u64 period = period_ticks(); period != 0 && tick / period != seen_tick_ / period) {
    cmos_[kRegisterC] |= kPf;
  }
  seen_tick_ = tick;
  if (tick >= next_second_tick_) {
    const u64 seconds = (tick - next_second_tick_) / kTicksPerSecond + 1;
    next_second_tick_ += seconds * kTicksPerSecond;
    if (!(cmos_[kRegisterB] & kSet)) {
      count_seconds(seconds);
      cmos_[kRegisterC] |= kUf;
    }
  }
  update_irq();
}

void RtcMc146818::count_seconds(u64 seconds) {
  // After a long sleep whole days go first; an alarm is found in the last one as in any other.
  for (; seconds > kSecondsPerDay; seconds -= kSecondsPerDay) next_day();
  for (; seconds != 0; --seconds) {
    count_second();
    if (alarm_matches()) cmos_[kRegisterC] |= kAf;
  }
}

void RtcMc146818::count_second() {
  const unsigned second = decode(cmos_[kSeconds]) + 1;
  cmos_[kSeconds] = encode(second < 60 ? second : 0);
  if (second < 60) return;
  const unsigned minute = decode(cmos_[kMinutes]) + 1;
  cmos_[kMinutes] = encode(minute < 60 ? minute : 0);
  if (minute < 60) return;
  const unsigned next_hour = hour() + 1;
  set_hour(next_hour < 24 ? next_hour : 0);
  if (next_hour >= 24) next_day();
}

void RtcMc146818::next_day() {
  cmos_[kDayOfWeek] = encode(decode(cmos_[kDayOfWeek]) % 7 + 1);
  const unsigned year = decode(cmos_[kCentury]) * 100 + decode(cmos_[kYear]);
  const unsigned month = decode(cmos_[kMonth]);
  const unsigned day = decode(cmos_[kDayOfMonth]) + 1;
  const bool same_month = day <= days_in_month(month, year);
  cmos_[kDayOfMonth] = encode(same_month ? day : 1);
  if (same_month) return;
  cmos_[kMonth] = encode(month < 12 ? month + 1 : 1);
  if (month < 12) return;
  // Simplified: the chip itself knows no century; here the byte that PCs keep it in is counted on
  // too.
  cmos_[kYear] = encode((year + 1) % 100);
  cmos_[kCentury] = encode((year + 1) / 100 % 100);
}

bool RtcMc146818::alarm_matches() const {
  const auto equal = [this](Register alarm, Register time) {
    return cmos_[alarm] >= kDontCare || cmos_[alarm] == cmos_[time];
  };
  return equal(kSecondsAlarm, kSeconds) && equal(kMinutesAlarm, kMinutes) &&
         equal(kHoursAlarm, kHours);
}

void RtcMc146818::update_irq() {
  // Enables in B stand where their flags stand in C.
  const bool request = (cmos_[kRegisterB] & cmos_[kRegisterC] & (kPf | kAf | kUf)) != 0;
  cmos_[kRegisterC] = static_cast<u8>((cmos_[kRegisterC] & ~kIrqf) | (request ? kIrqf : 0));
  irq8_.set(request);
}

/// The next tick that can raise an interrupt. None is needed for flags nobody is interrupted by.
void RtcMc146818::reschedule() {
  const u8 enabled = cmos_[kRegisterB];
  u64 next = ~u64{0};
  if (const u64 period = period_ticks(); period != 0 && (enabled & kPie) != 0) {
    next = (seen_tick_ / period + 1) * period;
  }
  if (divider_runs() && (enabled & (kAie | kUie)) != 0 && (enabled & kSet) == 0) {
    next = std::min(next, next_second_tick_);
  }
  if (next == ~u64{0}) {
    scheduler_.cancel(event_);
    return;
  }
  const u128 after_start = (u128{next} * kNsPerSecond + kTicksPerSecond - 1) / kTicksPerSecond;
  const u128 deadline = divider_start_ns_ + after_start;
  scheduler_.schedule(
      event_, deadline < Scheduler::kNever ? static_cast<u64>(deadline) : Scheduler::kNever);
}

// --- Ports ---

u8 RtcMc146818::read_port(unsigned offset) {
  switch (offset) {
    case 1:
      return read_register(index_);
    case 3:
      return cmos_[kExtendedBank | extended_index_];
    default:
      return 0xff;  // The index registers are write-only.
  }
}

void RtcMc146818::write_port(unsigned offset, u8 value) {
  switch (offset) {
    case 0:
      nmi_masked_ = (value & kNmiMask) != 0;
      index_ = value & 0x7f;
      break;
    case 1:
      write_register(index_, value);
      break;
    case 2:
      extended_index_ = value & 0x7f;
      break;
    default:
      cmos_[kExtendedBank | extended_index_] = value;
      break;
  }
}

u8 RtcMc146818::read_register(u8 index) {
  catch_up();
  switch (index) {
    case kRegisterA:
      return static_cast<u8>(cmos_[kRegisterA] | (update_in_progress() ? kUip : 0));
    case kRegisterC: {
      const u8 flags = cmos_[kRegisterC];
      cmos_[kRegisterC] = 0;
      update_irq();
      return flags;
    }
    default:
      return cmos_[index];
  }
}

void RtcMc146818::write_register(u8 index, u8 value) {
  catch_up();
  switch (index) {
    case kRegisterA:
      write_register_a(value);
      break;
    case kRegisterB:
      write_register_b(value);
      break;
    case kRegisterC:
    case kRegisterD:
      break;  // Read-only.
    default:
      cmos_[index] = value;
      break;
  }
}

void RtcMc146818::write_register_a(u8 value) {
  const bool ran = divider_runs();
  cmos_[kRegisterA] = value & static_cast<u8>(~kUip);
  // The chip starts half a second before its next update when it is released from divider reset.
  if (!ran && divider_runs()) start_divider(kTicksPerSecond / 2);
  reschedule();
}

void RtcMc146818::write_register_b(u8 value) {
  // Simplified: daylight saving (DSE) is kept but changes nothing.
  if (value & kSet) value &= static_cast<u8>(~kUie);
  cmos_[kRegisterB] = value;
  update_irq();
  reschedule();
}

void RtcMc146818::serialize(Archive& archive) {
  archive(cmos_, divider_start_ns_, seen_tick_, next_second_tick_, index_, extended_index_,
          nmi_masked_);
  // A time that virtual time cannot reach would never come, or be long overdue for ever.
  constexpr u64 kLastTick = u64{1} << 50;
  if (seen_tick_ > kLastTick || next_second_tick_ <= seen_tick_ ||
      next_second_tick_ - seen_tick_ > kTicksPerSecond) {
    archive.fail("the RTC's divider is out of step");
    start_divider(kTicksPerSecond);
  }
  index_ &= 0x7f;
  extended_index_ &= 0x7f;
}

}  // namespace doppel::devices
