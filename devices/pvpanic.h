#pragma once

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"

namespace doppel::devices {

/// The port by which a guest's kernel says that it crashed (QEMU's pvpanic; ACPI knows it as
/// QEMU0001).
///
/// Reading tells which events it understands, writing reports some of them.
/// @source  QEMU documentation, "PVPANIC device"
class PvPanic final : public Device, public ByteHandler {
 public:
  explicit PvPanic(MachineControl& control) : control_(control) {}

  std::string_view name() const override { return "pvpanic"; }
  void reset() override {}
  void serialize(Archive&) override {}

 private:
  u8 read_byte(unsigned) override;
  void write_byte(unsigned, u8 value) override;

  MachineControl& control_;
};

}  // namespace doppel::devices
