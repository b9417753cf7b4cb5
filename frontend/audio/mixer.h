#pragma once

// Several chips, one loudspeaker.
//
//     speaker  --voice--+                     Every voice says when its frames are heard; their
//     AC'97    --voice--+--> sum --> output   places in the output follow from that alone, so a
//     SB16     --voice--+                     file comes out the same on every host.
//
// Voices speak in turns, some hundredths of a second at a time. The sum keeps what is younger than
// that; what is older can no longer change and leaves.

#include <deque>
#include <memory>
#include <vector>

#include "frontend/audio/audio_output.h"

namespace doppel::frontend {

class Mixer {
 public:
  /// `output` must outlive the mixer.
  explicit Mixer(AudioOutput& output) : output_(output) {}
  ~Mixer() { flush(); }
  Mixer(const Mixer&) = delete;
  Mixer& operator=(const Mixer&) = delete;

  /// A sink that lives as long as the mixer.
  devices::AudioSink& add_voice();
  /// What waits leaves: nobody will speak any more.
  void flush();

 private:
  /// Turns a chip's frames into the output's rate, by straight lines between them.
  class Voice final : public devices::AudioSink {
   public:
    explicit Voice(Mixer& mixer) : mixer_(mixer) {}
    void play(u64 start_ns, unsigned rate_hz, std::span<const devices::AudioFrame> frames) override;

   private:
    bool follows(u64 start_ns, unsigned rate_hz) const;

    Mixer& mixer_;
    unsigned rate_hz_ = 0;
    u64 begun_ns_ = 0;  // Since then without a gap
    u64 taken_ = 0;     // so many frames.
    u64 position_ = 0;  // The output's next frame,
    u64 phase_ = 0;     // and how far behind `last_` it lies, in parts of the output's rate.
    devices::AudioFrame last_;
  };
  struct Sum {
    i32 left = 0;
    i32 right = 0;
  };

  void add(u64 position, i32 left, i32 right);
  void emit_before(u64 position);

  AudioOutput& output_;
  std::vector<std::unique_ptr<Voice>> voices_;
  std::deque<Sum> sums_;
  u64 first_ = 0;  // Position of the first of them.
  bool begun_ = false;
};

}  // namespace doppel::frontend
