#pragma once

#include <array>

#include "devices/byte_queue.h"

namespace doppel::devices {

/// The mouse at the end of the second cable: standard PS/2, IntelliMouse wheel and five buttons
/// once the driver has knocked with the right sample rates.
/// @source  IBM PS/2 Hardware Interface Technical Reference, "Auxiliary Device"; Microsoft,
/// "IntelliMouse" protocol
class Ps2Mouse {
 public:
  void reset();
  /// A byte from the system. True if a self-test was started: finish_self_test() when it is over.
  bool command(u8 byte);
  void finish_self_test();

  /// Motion since the last call, in counts: right and down are positive; `wheel` is positive away
  /// from the hand. `buttons` is what is held now: bit 0 left, 1 right, 2 middle, 3 and 4 side.
  void move(int dx, int dy, int wheel, unsigned buttons);
  /// Motion waits to be reported in stream mode.
  bool wants_to_report() const;
  /// Time between two reports.
  u64 sample_period_ns() const;
  /// Puts a report of what has gathered into the output.
  void report();

  /// Something to send. Answers go before reports.
  bool has_output() const { return !answers_.empty() || !report_.empty(); }
  u8 take_output();

  void serialize(Archive& archive);

 private:
  void set_defaults();
  bool parameter(u8 byte);
  std::array<u8, 4> take_motion(bool scaled);
  unsigned packet_size() const { return has_wheel() ? 4 : 3; }
  void answer(u8 byte) { answers_.push(byte); }
  void answer_status();
  bool has_wheel() const { return id_ >= 3; }

  ByteQueue<16> answers_;
  ByteQueue<4> report_;
  u8 expecting_ = 0;
  u8 last_sent_ = 0;
  u8 id_ = 0;
  std::array<u8, 3> rates_{};  // The last three sample rates set: the knock.
  u8 sample_rate_ = 100;
  u8 resolution_ = 2;  // 2^n counts a millimetre.
  bool scaling_two_ = false;
  bool reporting_ = false;
  bool remote_ = false;
  bool wrap_ = false;
  // Gathered since the last report.
  i32 dx_ = 0;
  i32 dy_ = 0;
  i32 wheel_ = 0;
  u8 buttons_ = 0;
  bool changed_ = false;
};

}  // namespace doppel::devices
