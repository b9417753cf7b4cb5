#pragma once

#include "devices/byte_queue.h"
#include "devices/endpoints.h"
#include "devices/key_parser.h"
#include "devices/scan_codes.h"

namespace doppel::devices {

/// The keyboard at the end of the cable: an MF-2 with scan sets 1, 2 and 3.
///
/// Key strokes come in as raw set 2 bytes and are turned into the set the guest chose. The key that
/// was pressed last repeats as long as it is held; whoever has the clock calls repeat(). Repeats
/// that come with the input are not taken: they follow the host's clock.
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

  /// The key that repeats; nothing is held otherwise.
  const std::optional<KeyStroke>& held() const { return held_; }
  u64 repeat_delay_ns() const;
  u64 repeat_period_ns() const;
  /// Presses the held key once more.
  void repeat();

  /// Bit 0 scroll, 1 num, 2 caps.
  u8 leds() const { return leds_; }
  void serialize(Archive& archive);

 private:
  static constexpr u8 kDefaultRate = 0x2b;  // 10.9 a second after 500 ms.

  void set_defaults();
  bool parameter(u8 byte);
  void send(const KeyStroke& stroke, std::span<const u8> bytes);
  void send_set_three(const KeyStroke& stroke);

  ByteQueue<16> answers_;
  ByteQueue<64> strokes_;
  SetOneTranslator translator_;  // For a keyboard that itself speaks set 1.
  u8 expecting_ = 0;             // The command whose parameter comes next; 0: none.
  u8 last_sent_ = 0;
  u8 leds_ = 0;
  u8 rate_ = kDefaultRate;
  u8 scan_set_ = 2;
  bool scanning_ = true;
  std::array<u8, 256> key_types_ = set_three_key_types();  // Of set 3, by its codes.
  KeyParser parser_;
  std::optional<KeyStroke> held_;
};

}  // namespace doppel::devices
