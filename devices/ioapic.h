#pragma once

// The I/O APIC: 24 pins, each with a redirection entry that says which vector goes where.
//
// An edge is a message, once. A level-triggered pin sends a message when it is asserted and
// remembers that in remote IRR; it sends the next one only after an end of interrupt with its
// vector came back and the pin is still asserted.

#include <array>
#include <functional>

#include "devices/apic_bus.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "mmu/io_handler.h"

namespace doppel::devices {

/// @source  Intel 82093AA I/O APIC data sheet; version 20h with its EOI register as in Intel's ICH
class IoApic final : public Device, public mmu::IoHandler, public EndOfInterruptListener {
 public:
  static constexpr unsigned kPins = 24;
  static constexpr u64 kWindowSize = 0x1000;
  static constexpr u8 kVersion = 0x20;

  /// `bus` must outlive the chip. `acknowledge_pic` gives the 8259's vector, for pins in ExtINT
  /// mode.
  IoApic(ApicBus& bus, std::function<u8()> acknowledge_pic);

  /// The wire into a pin (0..23). True means asserted, whatever voltage that is: the polarity bit
  /// is kept for software and changes nothing.
  IrqLine& pin(unsigned index) { return pins_[index % kPins]; }

  u64 read(u64 offset, Width width) override;
  void write(u64 offset, Width width, u64 value) override;

  void end_of_interrupt(u8 vector) override;

  // For a monitor.
  u8 id() const { return id_; }
  u64 entry(unsigned index) const { return entries_[index % kPins]; }
  bool is_asserted(unsigned index) const { return ((asserted_ >> (index % kPins)) & 1) != 0; }

  std::string_view name() const override { return "ioapic"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class Pin final : public IrqLine {
   public:
    void set(bool level) override { chip->set_pin(index, level); }
    IoApic* chip = nullptr;
    unsigned index = 0;
  };

  void set_pin(unsigned index, bool level);
  void deliver(unsigned index);
  void deliver_if_level(unsigned index);
  u32 read_indirect() const;
  void write_indirect(u32 value);

  ApicBus& bus_;
  std::function<u8()> acknowledge_pic_;
  std::array<Pin, kPins> pins_;

  u8 select_ = 0;
  u8 id_ = 0;
  u32 asserted_ = 0;  // One bit a pin.
  std::array<u64, kPins> entries_{};
};

}  // namespace doppel::devices
