#pragma once

#include "devices/pci.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// The host bridge at 00:00.0: an Intel 440FX.
///
/// Its PAM registers say for thirteen segments between C0000h and FFFFFh what is there: the ROM
/// chips, or the RAM behind them, which can be locked against writing. Firmware runs from ROM first,
/// copies itself and its cards' ROMs into the RAM, and locks it.
///
/// Simplified: a segment whose writes alone go to RAM reads as RAM too, which holds the ROM's bytes
/// when it is first switched in; so copying a segment onto itself works. The SMRAM register keeps
/// what is written and changes nothing: there is no system management mode.
/// @source  Intel 440FX (82441FX PMC) data sheet, "PCI Configuration Space Mapped Registers",
/// "Programmable Attribute Map Registers"
class PciHost final : public PciFunction {
 public:
  static constexpr unsigned kPam0 = 0x59;
  static constexpr unsigned kSmram = 0x72;

  /// Machines without ROM below 1 MiB have RAM there, whatever the registers say.
  explicit PciHost(mmu::PhysicalMemory& memory);

  /// Makes memory what the registers say, whatever became of it.
  void show_segments();

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr unsigned kPams = 7;
  static constexpr unsigned kSegments = 2 * kPams;

  void config_written(unsigned offset, unsigned size_bytes) override;
  void update_segments();
  u8 attributes(unsigned segment) const;

  mmu::PhysicalMemory& memory_;
  std::array<u8, kSegments> applied_{};  // What memory was last told.
};

}  // namespace doppel::devices
