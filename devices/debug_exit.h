#pragma once

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"

namespace doppel::devices {

/// The port by which a test program ends the run (QEMU's isa-debug-exit): writing v gives the
/// process status (v << 1) | 1, always odd, so that success is never mistaken for a clean shutdown.
class DebugExit final : public Device, public mmu::IoHandler {
 public:
  explicit DebugExit(MachineControl& control) : control_(control) {}

  u64 read(u64, Width) override { return 0; }
  void write(u64, Width width, u64 value) override;

  std::string_view name() const override { return "debug_exit"; }
  void reset() override {}
  void serialize(Archive&) override {}

 private:
  MachineControl& control_;
};

/// Port 8900h of Bochs: the eight bytes "Shutdown", one after another, end the run.
class ShutdownPort8900 final : public Device, public ByteHandler {
 public:
  explicit ShutdownPort8900(MachineControl& control) : control_(control) {}

  std::string_view name() const override { return "shutdown_8900"; }
  void reset() override { matched_ = 0; }
  void serialize(Archive& archive) override;

 private:
  u8 read_byte(unsigned) override { return 0xff; }
  void write_byte(unsigned offset, u8 value) override;

  MachineControl& control_;
  u8 matched_ = 0;  // Letters seen so far.
};

}  // namespace doppel::devices
