#pragma once

#include <vector>

#include "devices/audio.h"

namespace doppel::test {

/// Keeps what it hears.
struct RecordingSink final : devices::AudioSink {
  std::vector<devices::AudioFrame> frames;
  u64 begun_ns = 0;
  u64 gaps = 0;  ///< How often frames did not follow those before.
  unsigned rate_hz = 0;

  void play(u64 start_ns, unsigned rate, std::span<const devices::AudioFrame> more) override {
    if (frames.empty()) begun_ns = start_ns;
    const u64 expected = frames.empty() ? start_ns : begun_ns + frames.size() * u64{1'000'000'000} / rate_hz;
    if (start_ns > expected + 50'000 || start_ns + 50'000 < expected) ++gaps;
    rate_hz = rate;
    frames.insert(frames.end(), more.begin(), more.end());
  }
  /// How often the signal goes up through zero within [first, first + count).
  unsigned rises(size_t first, size_t count) const {
    unsigned seen = 0;
    for (size_t i = first + 1; i < first + count && i < frames.size(); ++i) {
      if (frames[i - 1].left < 0 && frames[i].left >= 0) ++seen;
    }
    return seen;
  }
};

}  // namespace doppel::test
