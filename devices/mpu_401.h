#pragma once

#include "devices/byte_ports.h"
#include "devices/byte_queue.h"

namespace doppel::devices {

/// A MIDI interface with nothing plugged in: it answers, and what it is sent goes nowhere.
///
/// Simplified: the intelligent mode accepts its commands and does nothing.
/// @source  Roland, "MPU-401 Technical Reference Manual"
class Mpu401 final : public ByteHandler {
 public:
  static constexpr u16 kPorts = 2;

  void reset();
  void serialize(Archive& archive) { archive(answers_, is_uart_); }

 private:
  u8 read_byte(unsigned offset) override;
  void write_byte(unsigned offset, u8 value) override;

  ByteQueue<4> answers_;
  bool is_uart_ = false;
};

}  // namespace doppel::devices
