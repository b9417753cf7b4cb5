#include "frontend/audio/mixer.h"

#include <algorithm>
#include <array>
#include <limits>

namespace doppel::frontend {
namespace {

using devices::AudioFrame;

constexpr u64 kNsPerSecond = 1'000'000'000;
/// Frames that come this much early or late still belong to those before them.
constexpr u64 kToleranceNs = 2'000'000;
/// What is older than the youngest frame by this part of a second leaves.
constexpr unsigned kWindowsPerSecond = 25;

i16 clipped(i32 value) {
  using Limits = std::numeric_limits<i16>;
  return static_cast<i16>(std::clamp<i32>(value, Limits::min(), Limits::max()));
}

}  // namespace

devices::AudioSink& Mixer::add_voice() {
  voices_.push_back(std::make_unique<Voice>(*this));
  return *voices_.back();
}

bool Mixer::Voice::follows(u64 start_ns, unsigned rate_hz) const {
  if (rate_hz != rate_hz_) return false;
  const u64 expected = begun_ns_ + static_cast<u64>(u128{taken_} * kNsPerSecond / rate_hz_);
  return std::max(expected, start_ns) - std::min(expected, start_ns) <= kToleranceNs;
}

void Mixer::Voice::play(u64 start_ns, unsigned rate_hz, std::span<const AudioFrame> frames) {
  if (rate_hz == 0) return;
  const u64 out_rate = mixer_.output_.rate_hz();
  if (!follows(start_ns, rate_hz)) {
    rate_hz_ = rate_hz;
    begun_ns_ = start_ns;
    taken_ = 0;
    position_ = static_cast<u64>(u128{start_ns} * out_rate / kNsPerSecond);
    phase_ = 0;
    last_ = {};
  }
  const auto between = [&](i16 from, i16 to) {
    const i64 way = (i64{to} - from) * static_cast<i64>(phase_);
    return static_cast<i32>(from + way / static_cast<i64>(out_rate));
  };
  for (const AudioFrame& frame : frames) {
    for (; phase_ < out_rate; phase_ += rate_hz) {
      mixer_.add(position_++, between(last_.left, frame.left), between(last_.right, frame.right));
    }
    phase_ -= out_rate;
    last_ = frame;
  }
  taken_ += frames.size();
}

void Mixer::add(u64 position, i32 left, i32 right) {
  if (!begun_) {
    begun_ = true;
    first_ = position;
  }
  if (position < first_) return;  // Too late to be heard.
  const u64 window = output_.rate_hz() / kWindowsPerSecond;
  if (position - first_ >= window) emit_before(position - window + 1);
  const u64 index = position - first_;
  while (sums_.size() <= index) sums_.emplace_back();
  sums_[index].left += left;
  sums_[index].right += right;
}

void Mixer::emit_before(u64 position) {
  std::array<AudioFrame, 256> block;
  size_t count = 0;
  for (; first_ < position && !sums_.empty(); ++first_) {
    block[count++] = {clipped(sums_.front().left), clipped(sums_.front().right)};
    sums_.pop_front();
    if (count < block.size()) continue;
    output_.write(block);
    count = 0;
  }
  output_.write(std::span(block).first(count));
  if (first_ < position) output_.pause(position - first_);
  first_ = std::max(first_, position);
}

void Mixer::flush() { emit_before(first_ + sums_.size()); }

}  // namespace doppel::frontend
