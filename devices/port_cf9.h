#pragma once

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"

namespace doppel::devices {

/// The reset control register: bit 2 rising resets, bit 1 says how (0: the processor, 1:
/// everything).
///
/// CF9h lies inside the PCI address register at CF8h: only a byte access means this port. The board
/// sorts that out and may call read() and write() directly.
/// @source  Intel 82371SB (PIIX3) data sheet, "RC - Reset Control Register"
class ResetPortCf9 final : public Device, public ByteHandler {
 public:
  explicit ResetPortCf9(MachineControl& control) : control_(control) {}

  using ByteHandler::read;
  using ByteHandler::write;
  u8 read() const { return value_; }
  void write(u8 value);

  std::string_view name() const override { return "port_cf9"; }
  void reset() override { value_ = 0; }
  void serialize(Archive& archive) override { archive(value_); }

 private:
  u8 read_byte(unsigned) override { return read(); }
  void write_byte(unsigned, u8 value) override { write(value); }

  MachineControl& control_;
  u8 value_ = 0;
};

}  // namespace doppel::devices
