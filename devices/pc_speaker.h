#pragma once

// The loudspeaker of the PC: one bit, which is the timer's third output behind a gate.
//
//     counter 2 --OUT--+
//                      AND --> loudspeaker
//     port 61h, bit 1 -+
//
// The chip has no samples; it is told when something about its two inputs changes. From then on
// the counter runs by itself, and what it did is drawn later, some hundredths of a second at a
// time: a frame is the share of its time that the bit was set. So fast switching (music by pulse
// width) comes out as the level it means.

#include <vector>

#include "devices/audio.h"
#include "devices/device.h"
#include "devices/pit_8254.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  IBM PC/AT Technical Reference, "Speaker"
class PcSpeaker final : public Device, public SpeakerInput {
 public:
  static constexpr unsigned kRateHz = 44100;

  /// `sink` may be null: nobody listens. It must outlive the speaker.
  PcSpeaker(Scheduler& scheduler, AudioSink* sink);

  void counter_changed(const PitCounter& counter, bool on) override;
  void counter_restored(const PitCounter& counter, bool on) override;

  std::string_view name() const override { return "speaker"; }
  void reset() override;
  /// What was drawn is not the guest's to see; only how long drawing goes on is state.
  void serialize(Archive& archive) override;

 private:
  void begin_at(u64 tick);
  void draw_until(u64 tick);
  void end_frame(u64 ticks);
  void deliver();
  void take_turn();
  void keep_turning();
  bool is_sounding() const;
  u64 now_tick() const;

  Scheduler& scheduler_;
  AudioSink* sink_;
  Scheduler::EventId event_;
  u64 silent_at_ns_ = 0;  // When the last change has died away.
  PitCounter counter_;
  bool on_ = false;

  // Drawing.
  u64 tick_ = 0;          // Drawn so far, in the timer's ticks.
  u64 frame_ = 0;         // The frame that tick is in,
  u64 high_ticks_ = 0;    // and how long the bit was set in it.
  u64 first_frame_ = 0;   // Of those that wait to be delivered.
  i32 last_level_ = 0;    // The loudspeaker passes changes only:
  i64 position_ = 0;      // where its cone is.
  std::vector<AudioFrame> frames_;
};

}  // namespace doppel::devices
