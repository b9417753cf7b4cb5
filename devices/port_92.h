#pragma once

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/keyboard_8042.h"

namespace doppel::devices {

/// System control port A: gate A20 and reset without the slow way through the 8042.
/// Both switch the same gate, the last writer wins; its state is kept in the 8042.
/// @source  IBM PS/2 Hardware Interface Technical Reference, "System Control Port A (0092h)"
class Port92 final : public Device, public ByteHandler {
 public:
  Port92(MachineControl& control, Keyboard8042& keyboard)
      : control_(control), keyboard_(keyboard) {}

  std::string_view name() const override { return "port_92"; }
  void reset() override { value_ = 0; }
  void serialize(Archive& archive) override { archive(value_); }

 private:
  u8 read_byte(unsigned offset) override;
  void write_byte(unsigned offset, u8 value) override;

  MachineControl& control_;
  Keyboard8042& keyboard_;
  u8 value_ = 0;  // All but the A20 bit.
};

}  // namespace doppel::devices
