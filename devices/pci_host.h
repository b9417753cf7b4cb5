#pragma once

#include "devices/pci.h"

namespace doppel::devices {

/// The host bridge at 00:00.0: an Intel 440FX.
///
/// Simplified: its registers keep what firmware writes, and the PAM and SMRAM registers change
/// nothing: between C0000h and FFFFFh there is what the machine put there.
/// @source  Intel 440FX (82441FX PMC) data sheet, "PCI Configuration Space Mapped Registers"
class PciHost final : public PciFunction {
 public:
  static constexpr unsigned kPam0 = 0x59;
  static constexpr unsigned kSmram = 0x72;

  PciHost();
};

}  // namespace doppel::devices
