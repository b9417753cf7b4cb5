#pragma once

// ACPI's fixed hardware, as the PIIX4's power management function has it:
//
//     +0  PM1 status, enable     what happened / what of it raises the SCI
//     +4  PM1 control            SCI_EN, and the sleep state the machine shall enter
//     +8  PM timer               24 bits at 3.579545 MHz
//     +C  GPE0 status, enable    general events
//
// and ports B2h, B3h by which an operating system asks the firmware to hand ACPI over. There is no
// firmware behind them: the chip itself sets and clears SCI_EN.

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  ACPI Specification, "ACPI Hardware Specification", "Fixed Hardware Registers";
///          Intel 82371AB (PIIX4) data sheet, "Power Management I/O Space Registers"
class AcpiPm final : public Device, public ByteHandler {
 public:
  static constexpr u64 kTimerHz = 3'579'545;
  static constexpr u8 kEnableCommand = 0xf1;
  static constexpr u8 kDisableCommand = 0xf0;

  // Offsets, for the tables.
  static constexpr u16 kEvent = 0x00;
  static constexpr u16 kControl = 0x04;
  static constexpr u16 kTimer = 0x08;
  static constexpr u16 kGpe0 = 0x0c;
  static constexpr u8 kEventSize = 4;
  static constexpr u8 kControlSize = 2;
  static constexpr u8 kTimerSize = 4;
  static constexpr u8 kGpe0Size = 4;
  /// Bytes of SLP_TYPa for S5, as in \_S5.
  static constexpr u8 kSoftOffType = 0;

  /// References must outlive the chip.
  AcpiPm(Scheduler& scheduler, IrqLine& sci, MachineControl& control);

  /// B2h (command) and B3h (status).
  mmu::IoHandler& command_ports() { return command_ports_; }
  /// The control register alone, two bytes: where older machines had it.
  mmu::IoHandler& control_ports() { return control_ports_; }

  void press_power_button();
  /// The RTC raised its line: an event the operating system may enable.
  void rtc_alarm();

  std::string_view name() const override { return "acpi_pm"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  u8 read_byte(unsigned offset) override;
  void write_byte(unsigned offset, u8 value) override;
  u8 read_command(unsigned offset);
  void write_command(unsigned offset, u8 value);
  u8 read_control(unsigned offset);
  void write_control(unsigned offset, u8 value);

  u64 ticks() const;
  void start_carry_period();
  void note_carry();
  void sleep(unsigned type);
  void update_sci();

  Scheduler& scheduler_;
  IrqLine& sci_;
  MachineControl& control_;
  Scheduler::EventId carry_event_;

  u16 status_ = 0;
  u16 enable_ = 0;
  u16 pm1_control_ = 0;
  u16 gpe_status_ = 0;
  u16 gpe_enable_ = 0;
  u8 command_ = 0;
  u8 command_status_ = 0;
  u64 carry_tick_ = 0;  // The tick at which the timer's bit 23 changes next.
  BytePorts<AcpiPm> command_ports_;
  BytePorts<AcpiPm> control_ports_;
};

}  // namespace doppel::devices
