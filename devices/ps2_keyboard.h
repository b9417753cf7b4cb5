#pragma once

#include "devices/byte_queue.h"
#include "devices/endpoints.h"
#include "devices/scan_codes.h"

namespace doppel::devices {

/// The keyboard at the end of the cable: an MF-2 with scan sets 1, 2 and 3.
///
/// Key strokes come in as raw set 2 bytes and are turned into the set the guest chose.
/// Simplified: it does not repeat held keys itself; repeats come with the input.
/// @source  IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-Key)"
class Ps2Keyboard final : public ByteReceiver {
 public:
  /// Power-on state, without the self-test's answer.
  void reset();
  /// A byte from the system. True if a self-test was started: finish_self_test() when it is over.
  bool command(u8 byte);
  void finish_self_test() { answers_.push(0xaa); }

  /// Something to send. Answers go before key strokes.
  bool has_output() const { return !answers_.empty() || !strokes_.empty(); }
  u8 take_output();

  unsigned room() const override;
  void receive(u8 byte) override;

  /// Bit 0 scroll, 1 num, 2 caps.
  u8 leds() const { return leds_; }
  void serialize(Archive& archive);

 private:
  static constexpr u8 kDefaultRate = 0x2b;  // 10.9 a second after 500 ms.

  void set_defaults();
  bool parameter(u8 byte);
  void receive_set_three(u8 byte);
  void queue_stroke(u8 byte);

  ByteQueue<16> answers_;
  ByteQueue<64> strokes_;
  SetOneTranslator translator_;  // For a keyboard that itself speaks set 1.
  u8 expecting_ = 0;             // The command whose parameter comes next; 0: none.
  u8 last_sent_ = 0;
  u8 leds_ = 0;
  u8 rate_ = kDefaultRate;
  u8 scan_set_ = 2;
  bool scanning_ = true;
  bool all_releases_ = false;  // Set 3: every key reports its release.
  bool releases_ = true;       // Set 3: any key does.
  // Parsing set 2 input for set 3.
  bool extended_ = false;
  bool release_ = false;
  u8 skip_ = 0;  // Bytes left of Pause's fixed sequence.
};

}  // namespace doppel::devices
