#include "devices/acpi_pm.h"

#include "cpu/base/bits.h"
#include "cpu/base/log.h"

namespace doppel::devices {

namespace {

// PM1 status and enable.
constexpr u16 kTimerCarry = 1u << 0;
constexpr u16 kBusMaster = 1u << 4;
constexpr u16 kGlobal = 1u << 5;
constexpr u16 kPowerButton = 1u << 8;
constexpr u16 kSleepButton = 1u << 9;
constexpr u16 kRtc = 1u << 10;
constexpr u16 kWake = 1u << 15;
constexpr u16 kStatusBits =
    kTimerCarry | kBusMaster | kGlobal | kPowerButton | kSleepButton | kRtc | kWake;
constexpr u16 kEnableBits = kTimerCarry | kGlobal | kPowerButton | kSleepButton | kRtc;

// PM1 control.
constexpr u16 kSciEnable = 1u << 0;
constexpr u16 kSleepEnable = 1u << 13;
constexpr u16 kControlBits = 0x1c07;  // SLP_EN reads as zero.

/// TMR_STS is set whenever bit 23 changes.
constexpr u64 kCarryTicks = u64{1} << 23;
constexpr u64 kNanosecondsPerSecond = 1'000'000'000;

void set_byte(u16& word, unsigned index, u8 value) {
  const unsigned shift = index * 8;
  word = static_cast<u16>((word & ~(0xffu << shift)) | unsigned{value} << shift);
}

u8 byte_of(u64 value, unsigned index) { return static_cast<u8>(value >> (index * 8)); }

}  // namespace

AcpiPm::AcpiPm(Scheduler& scheduler, IrqLine& sci, MachineControl& control)
    : scheduler_(scheduler),
      sci_(sci),
      control_(control),
      carry_event_(scheduler.add("acpi_pm_timer", [this] { update_sci(); })),
      command_ports_(*this, &AcpiPm::read_command, &AcpiPm::write_command),
      control_ports_(*this, &AcpiPm::read_control, &AcpiPm::write_control) {}

u64 AcpiPm::ticks() const {
  return static_cast<u64>(u128{scheduler_.now_ns()} * kTimerHz / kNanosecondsPerSecond);
}

void AcpiPm::start_carry_period() { carry_tick_ = (ticks() / kCarryTicks + 1) * kCarryTicks; }

void AcpiPm::note_carry() {
  if (ticks() >= carry_tick_) status_ |= kTimerCarry;
}

void AcpiPm::update_sci() {
  note_carry();
  const bool enabled = (pm1_control_ & kSciEnable) != 0;
  const bool event = (status_ & enable_ & kEnableBits) != 0 || (gpe_status_ & gpe_enable_) != 0;
  sci_.set(enabled && event);

  // Somebody waits for the carry only while it is enabled and has not come.
  u64 deadline = Scheduler::kNever;
  if ((enable_ & kTimerCarry) != 0 && (status_ & kTimerCarry) == 0) {
    const u128 time = (u128{carry_tick_} * kNanosecondsPerSecond + kTimerHz - 1) / kTimerHz;
    if (time < Scheduler::kNever) deadline = static_cast<u64>(time);
  }
  scheduler_.schedule(carry_event_, deadline);
}

void AcpiPm::press_power_button() {
  status_ |= kPowerButton;
  update_sci();
}

void AcpiPm::rtc_alarm() {
  status_ |= kRtc;
  update_sci();
}

void AcpiPm::sleep(unsigned type) {
  if (type == kSoftOffType) {
    control_.request_shutdown();
    return;
  }
  // Simplified: no sleep state but S5 is offered; any other one is left again at once.
  log::warn("acpi", "sleep type 0x%x is not offered", type);
  status_ |= kWake;
}

// --- The register block -----------------------------------------------------------------------

u8 AcpiPm::read_byte(unsigned offset) {
  switch (offset & ~1u) {
    case kEvent:
      note_carry();
      return byte_of(status_, offset & 1);
    case kEvent + 2:
      return byte_of(enable_, offset & 1);
    case kControl:
      return byte_of(pm1_control_, offset & 1);
    case kTimer:
      return byte_of(ticks() & 0xff'ffff, offset & 3);
    case kTimer + 2:
      return byte_of(ticks() & 0xff'ffff, offset & 3);
    case kGpe0:
      return byte_of(gpe_status_, offset & 1);
    case kGpe0 + 2:
      return byte_of(gpe_enable_, offset & 1);
    default:
      return 0;  // The PIIX4's other registers: nothing is behind them.
  }
}

void AcpiPm::write_byte(unsigned offset, u8 value) {
  const unsigned index = offset & 1;
  const u16 shifted = static_cast<u16>(unsigned{value} << (8 * index));
  switch (offset & ~1u) {
    case kEvent:
      note_carry();
      status_ &= static_cast<u16>(~(shifted & kStatusBits));
      if ((shifted & kTimerCarry) != 0) start_carry_period();
      break;
    case kEvent + 2:
      set_byte(enable_, index, value);
      enable_ &= kEnableBits;
      break;
    case kControl: {
      set_byte(pm1_control_, index, value);
      const bool sleeps = (pm1_control_ & kSleepEnable) != 0;
      pm1_control_ &= kControlBits;
      if (sleeps) sleep(static_cast<unsigned>(bit_field(pm1_control_, 12, 10)));
      break;
    }
    case kGpe0:
      gpe_status_ &= static_cast<u16>(~shifted);
      break;
    case kGpe0 + 2:
      set_byte(gpe_enable_, index, value);
      break;
    default:
      return;
  }
  update_sci();
}

u8 AcpiPm::read_control(unsigned offset) { return read_byte(kControl + (offset & 1)); }

void AcpiPm::write_control(unsigned offset, u8 value) {
  write_byte(kControl + (offset & 1), value);
}

u8 AcpiPm::read_command(unsigned offset) { return offset == 0 ? command_ : command_status_; }

void AcpiPm::write_command(unsigned offset, u8 value) {
  if (offset != 0) {
    command_status_ = value;
    return;
  }
  command_ = value;
  if (value == kEnableCommand) pm1_control_ |= kSciEnable;
  if (value == kDisableCommand) pm1_control_ &= static_cast<u16>(~kSciEnable);
  update_sci();
}

void AcpiPm::reset() {
  status_ = 0;
  enable_ = 0;
  pm1_control_ = 0;
  gpe_status_ = 0;
  gpe_enable_ = 0;
  command_ = 0;
  command_status_ = 0;
  start_carry_period();
  update_sci();
}

void AcpiPm::serialize(Archive& archive) {
  archive(status_, enable_, pm1_control_, gpe_status_, gpe_enable_, command_, command_status_,
          carry_tick_);
}

}  // namespace doppel::devices
