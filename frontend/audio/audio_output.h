#pragma once

#include <span>

#include "devices/audio.h"

namespace doppel::frontend {

/// Where a finished signal goes: one stream, 16 bits, stereo.
class AudioOutput {
 public:
  virtual ~AudioOutput() = default;
  virtual unsigned rate_hz() const = 0;
  virtual void write(std::span<const devices::AudioFrame> frames) = 0;
  /// Nobody makes a sound for so long.
  virtual void pause(u64 frames) = 0;
};

}  // namespace doppel::frontend
