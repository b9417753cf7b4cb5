#pragma once

// What a Sound Blaster plays or records by DMA: blocks of samples, one after another or one alone.
//
// Samples pass at the DSP's rate whether anybody looks or not; the transfer is brought up to date
// at the end of every block, and some times in between.

#include <array>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/audio.h"
#include "devices/dma_8237.h"

namespace doppel::devices {

class Sb16Transfer {
 public:
  struct Format {
    bool is_wide = false;  ///< 16 bits.
    bool is_stereo = false;
    bool is_signed = false;
    bool is_input = false;
    bool is_silence = false;  ///< Nothing moves, time passes.
    bool repeats = false;     ///< Auto-init: a block follows the other.
    void serialize(Archive& archive) {
      archive(is_wide, is_stereo, is_signed, is_input, is_silence, repeats);
    }
    unsigned channels() const { return is_stereo ? 2 : 1; }
    unsigned sample_bytes() const { return is_wide ? 2 : 1; }
  };

  /// A block of `samples` (1 to 65536; left and right count as two).
  void start(const Format& format, u32 samples, unsigned rate_hz, u64 now_ns);
  void stop() { running_ = false; }
  void pause() { paused_ = true; }
  void resume(u64 now_ns);
  /// After the present block.
  void stop_repeating() { format_.repeats = false; }
  /// Goes on repeating with a block that ends.
  void repeat() { format_.repeats = true; }
  bool is_running() const { return running_ && !paused_; }
  const Format& format() const { return format_; }
  unsigned rate_hz() const { return rate_hz_; }

  /// Moves what is due; what was played is appended to `frames`. The number of blocks that ended.
  unsigned advance(u64 now_ns, DmaChannel dma, std::vector<AudioFrame>& frames);
  /// The moment of the next sample.
  u64 position_ns() const;
  /// When the present block ends; ~0: nothing runs.
  u64 end_ns() const;

  void reset() { *this = Sb16Transfer{}; }
  void serialize(Archive& archive, u64 now_ns);

 private:
  static constexpr u32 kMostSamples = 0x1'0000;

  void begin_at(u64 now_ns);
  bool move(u32 samples, DmaChannel dma, std::vector<AudioFrame>& frames);
  void append(std::span<const u8> bytes, std::vector<AudioFrame>& frames);

  Format format_;
  bool running_ = false;
  bool paused_ = false;
  u32 block_ = 1;  // Samples,
  u32 left_ = 0;   // and how many of them are still to come.
  u32 rate_hz_ = 11025;
  // Time: since `begun_ns_`, `moved_` samples have gone.
  u64 begun_ns_ = 0;
  u64 moved_ = 0;
  bool half_ = false;  // A left sample waits for its right one.
  i16 left_sample_ = 0;
};

}  // namespace doppel::devices
