#pragma once

// Sound, on its way out of the machine.
//
// A chip that makes sound has a sink of its own and hands it frames as virtual time passes, each
// with the moment at which it is heard. What listens (a file, the host's loudspeaker, nobody) is
// never asked anything, so that it cannot change what the guest sees.

#include <span>

#include "cpu/base/types.h"

namespace doppel::devices {

/// One moment of a stereo signal.
struct AudioFrame {
  i16 left = 0;
  i16 right = 0;
  bool operator==(const AudioFrame&) const = default;
};

/// The wire from a chip to whatever listens.
class AudioSink {
 public:
  virtual ~AudioSink() = default;
  /// `frames` follow each other at `rate_hz`; the first is heard at `start_ns` of virtual time.
  virtual void play(u64 start_ns, unsigned rate_hz, std::span<const AudioFrame> frames) = 0;
};

}  // namespace doppel::devices
