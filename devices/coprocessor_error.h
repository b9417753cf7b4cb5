#pragma once

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"

namespace doppel::devices {

/// The AT's way of reporting x87 errors: FERR# sets a latch that drives IRQ 13, and a write to port
/// F0h clears it. Only processors with CR0.NE clear pull FERR#.
/// @source  Intel SDM Vol. 1, "MS-DOS Compatibility Sub-mode"; IBM PC/AT Technical Reference
class CoprocessorError final : public Device, public ByteHandler {
 public:
  explicit CoprocessorError(IrqLine& irq13) : irq13_(irq13) {}

  /// FERR#. Its fall releases the line too: the error was cleared in the unit itself.
  void set_ferr(bool level) {
    if (level == ferr_) return;
    ferr_ = level;
    irq13_.set(level);
  }

  std::string_view name() const override { return "coprocessor_error"; }
  void reset() override {
    ferr_ = false;
    irq13_.set(false);
  }
  void serialize(Archive& archive) override { archive(ferr_); }

 private:
  u8 read_byte(unsigned) override { return 0xff; }
  void write_byte(unsigned offset, u8) override {
    if (offset == 0) set_ferr(false);
  }

  IrqLine& irq13_;
  bool ferr_ = false;
};

}  // namespace doppel::devices
