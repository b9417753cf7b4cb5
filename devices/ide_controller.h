#pragma once

// The IDE function of a PIIX3, 00:01.1: two channels at the PC's old ports, and their bus masters.
//
// Each channel answers at its fixed ports once software sets its decode enable bit in IDETIM; the
// bus masters answer where base address register 4 puts them.

#include <array>
#include <memory>

#include "devices/ide_bus_master.h"
#include "devices/ide_channel.h"
#include "devices/pci.h"

namespace doppel::devices {

/// Simplified: the I/O enable bit of the command register moves the bus masters only; the fixed
/// ports need just their decode bit. The timings in IDETIM change nothing.
/// @source  Intel 82371SB (PIIX3) data sheet, "PCI Configuration Registers, IDE Interface"
class IdeController final : public PciFunction {
 public:
  static constexpr unsigned kChannels = 2;
  static constexpr unsigned kIdetim = 0x40;  // A word for each channel.
  static constexpr u16 kDecodeEnable = 0x8000;

  /// `ports` is the board's map, for BAR 4.
  IdeController(mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler,
                IrqLine& primary, IrqLine& secondary);

  /// Before the first reset.
  void attach(unsigned channel, unsigned unit, std::unique_ptr<IdeDrive> drive);
  const IdeDrive* drive(unsigned channel, unsigned unit) const;

  mmu::IoHandler& command_ports(unsigned channel) { return this->channel(channel).command_ports(); }
  mmu::IoHandler& control_port(unsigned channel) { return this->channel(channel).control_port(); }
  /// What firmware does first: both channels answer. For machines that start without firmware.
  void enable_ports();

  /// Grows with each sector of 512 bytes that any drive moves: a disk light.
  u64 sectors_moved() const;

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class MasterPorts final : public ByteHandler {
   public:
    explicit MasterPorts(IdeController& controller) : controller_(controller) {}

   private:
    u8 read_byte(unsigned offset) override;
    void write_byte(unsigned offset, u8 value) override;
    IdeController& controller_;
  };

  IdeChannel& channel(unsigned index) { return channels_[index % kChannels]; }
  void config_written(unsigned offset, unsigned size_bytes) override;
  void follow_config();

  std::array<IdeBusMaster, kChannels> masters_;
  std::array<IdeChannel, kChannels> channels_;
  MasterPorts master_ports_;
};

}  // namespace doppel::devices
