#include "devices/pc_speaker.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr u64 kNsPerSecond = 1'000'000'000;
/// Between two deliveries.
constexpr u64 kTurnNs = 10'000'000;
/// What hangs in the air after the last change.
constexpr u64 kTailNs = 100'000'000;
/// Nothing that lies longer back than this is drawn: somebody was not listening.
constexpr u64 kMostBehindTicks = Pit8254::kRateHz / 2;
/// The height of a square wave.
constexpr i32 kAmplitude = 16'000;
/// How much of the way to its place of rest the cone goes in a frame, as a shift: some 27 Hz.
constexpr unsigned kRestShift = 8;

/// The tick at which a frame begins.
u64 frame_tick(u64 frame) {
  return static_cast<u64>(u128{frame} * Pit8254::kRateHz / PcSpeaker::kRateHz);
}
u64 frame_of(u64 tick) {
  return static_cast<u64>(u128{tick} * PcSpeaker::kRateHz / Pit8254::kRateHz);
}
u64 frame_ns(u64 frame) {
  return static_cast<u64>(u128{frame} * kNsPerSecond / PcSpeaker::kRateHz);
}

}  // namespace

PcSpeaker::PcSpeaker(Scheduler& scheduler, AudioSink* sink)
    : scheduler_(scheduler),
      sink_(sink),
      event_(scheduler.add("speaker.turn", [this] { take_turn(); })) {}

void PcSpeaker::reset() {
  silent_at_ns_ = 0;
  scheduler_.cancel(event_);
}

u64 PcSpeaker::now_tick() const { return Pit8254::tick_at(scheduler_.now_ns()); }

void PcSpeaker::counter_changed(const PitCounter& counter, bool on) {
  draw_until(now_tick());
  const bool was_on = on_;
  counter_ = counter;
  on_ = on;
  if (!on && !was_on) return;  // Counter 2 measures time for the most part.
  silent_at_ns_ = scheduler_.now_ns() + kTailNs;
  keep_turning();
}

void PcSpeaker::counter_restored(const PitCounter& counter, bool on) {
  counter_ = counter;
  on_ = on;
  frames_.clear();
  begin_at(now_tick());
}

/// The cone is at rest.
void PcSpeaker::begin_at(u64 tick) {
  tick_ = tick;
  frame_ = frame_of(tick);
  high_ticks_ = 0;
  last_level_ = 0;
  position_ = 0;
}

bool PcSpeaker::is_sounding() const {
  return (on_ && counter_.is_oscillating()) || scheduler_.now_ns() < silent_at_ns_;
}

/// Turns are at round times, wherever the sound began.
void PcSpeaker::keep_turning() {
  if (scheduler_.is_scheduled(event_)) return;
  scheduler_.schedule(event_, (scheduler_.now_ns() / kTurnNs + 1) * kTurnNs);
}

void PcSpeaker::take_turn() {
  draw_until(now_tick());
  deliver();
  if (is_sounding()) keep_turning();
}

void PcSpeaker::draw_until(u64 tick) {
  if (sink_ == nullptr || tick <= tick_) return;
  if (!is_sounding() && !scheduler_.is_scheduled(event_) && frames_.empty()) {
    begin_at(tick);  // Silence until now.
    return;
  }
  if (tick - tick_ > kMostBehindTicks) {
    deliver();
    tick_ = tick - kMostBehindTicks;
    frame_ = frame_of(tick_);
    high_ticks_ = 0;
  }
  u64 frame_end = frame_tick(frame_ + 1);
  while (tick_ < tick) {
    while (tick_ >= frame_end) {
      end_frame(frame_end - frame_tick(frame_));
      frame_end = frame_tick(frame_ + 1);
    }
    ++tick_;
    if (!on_) continue;
    counter_.advance(tick_);
    high_ticks_ += counter_.output() ? 1 : 0;
  }
}

/// A loudspeaker has no use for a voltage that stays: its cone goes back to the middle.
void PcSpeaker::end_frame(u64 ticks) {
  const i32 level = static_cast<i32>(high_ticks_ * u64{kAmplitude} / std::max(ticks, u64{1}));
  position_ += i64{level - last_level_} << kRestShift;
  position_ -= position_ / (1 << kRestShift);
  last_level_ = level;
  high_ticks_ = 0;
  const i16 sample = static_cast<i16>(
      std::clamp<i64>(position_ / (1 << kRestShift), -kAmplitude, kAmplitude));
  if (frames_.empty()) first_frame_ = frame_;
  frames_.push_back({sample, sample});
  ++frame_;
}

void PcSpeaker::deliver() {
  if (sink_ != nullptr && !frames_.empty()) sink_->play(frame_ns(first_frame_), kRateHz, frames_);
  frames_.clear();
}

/// A damaged moment far ahead keeps the speaker awake, and harms nobody.
void PcSpeaker::serialize(Archive& archive) { archive(silent_at_ns_); }

}  // namespace doppel::devices
