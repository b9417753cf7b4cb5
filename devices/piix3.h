#pragma once

// The south bridge: ISA bridge with the PCI interrupt router, and the power management function.
//
//     slot, INTA..INTD --(slot + pin - 1) mod 4--> PIRQA..D --PIRQRC registers--> ISA IRQ
//
// Several slots share a PIRQ and several PIRQs may share an IRQ, so every wire is remembered and
// the level of an ISA line is computed.

#include <functional>

#include "devices/pci.h"

namespace doppel::devices {

/// 00:01.0, an Intel PIIX3 ISA bridge.
/// @source  Intel 82371SB (PIIX3) data sheet, "PIRQ Route Control Registers"
class Piix3 final : public PciFunction {
 public:
  static constexpr unsigned kPirqRoute = 0x60;
  static constexpr unsigned kPirqs = 4;

  /// `isa_line` gives the line of an IRQ number (3..15) that a PIRQ is routed to.
  explicit Piix3(std::function<IrqLine&(unsigned irq)> isa_line);

  /// The interrupt wire of a slot; `pin` 1..4 is INTA..INTD.
  IrqLine& pirq(unsigned slot, unsigned pin);
  /// Which PIRQ (0..3) that wire is.
  static constexpr unsigned pirq_of(unsigned slot, unsigned pin) {
    return (slot + pin + kPirqs - 2) % kPirqs;
  }

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class Wire final : public IrqLine {
   public:
    void set(bool level) override { bridge->set_wire(slot, pin, level); }
    Piix3* bridge = nullptr;
    unsigned slot = 0;
    unsigned pin = 0;  // 0..3
  };

  void set_wire(unsigned slot, unsigned pin, bool level);
  void config_written(unsigned offset, unsigned size_bytes) override;
  void update_lines();

  std::function<IrqLine&(unsigned)> isa_line_;
  std::array<std::array<Wire, 4>, 32> wires_;
  std::array<std::array<u32, 4>, kPirqs> asserted_{};  // [PIRQ][pin]: one bit a slot.
  u16 isa_levels_ = 0;                                 // What each ISA line was last set to.
};

/// 00:01.3, the power management function of a PIIX4.
///
/// Simplified: the register block answers at its fixed ports whatever PMBASE says.
/// @source  Intel 82371AB (PIIX4) data sheet, "Power Management PCI Configuration Registers"
class Piix4Pm final : public PciFunction {
 public:
  static constexpr unsigned kPmBase = 0x40;
  static constexpr unsigned kPmRegMisc = 0x80;

  explicit Piix4Pm(u16 pm_base);
};

}  // namespace doppel::devices
