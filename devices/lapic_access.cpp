// The two doors to the local APIC's registers: the memory page of xAPIC mode and the MSRs.

#include "cpu/arch/msr.h"
#include "cpu/base/log.h"
#include "devices/lapic.h"
#include "devices/lapic_registers.h"

namespace doppel::devices {

using namespace lapic_registers;

namespace {

constexpr u32 offset_of_msr(u32 index) { return (index - msr::X2APIC_FIRST) << 4; }

/// Bits that WRMSR may set in x2APIC mode; any other is #GP. 0 for registers that take only 0.
/// @source  Intel SDM Vol. 3A, "x2APIC Register Address Space", "Reserved Bit Checking"
std::optional<u64> x2apic_writable(u32 offset) {
  switch (offset) {
    case kTpr:
      return 0xff;
    case kEoi:
      return 0;
    case kSvr:
      return 0x3ff;
    case kEsr:
      return 0;
    case kIcrLow:
      return 0xffff'ffff'000c'cfff;
    case kLvtTimer:
      return 0x7'10ff;
    case kLvtThermal:
    case kLvtPerformance:
      return 0x1'17ff;
    case kLvtLint0:
    case kLvtLint1:
      return 0x1'f7ff;
    case kLvtError:
      return 0x1'10ff;
    case kInitialCount:
      return 0xffff'ffff;
    case kDivide:
      return 0xb;
    case kSelfIpi:
      return 0xff;
    default:
      return std::nullopt;
  }
}

}  // namespace

u64 LocalApic::read(u64 offset, Width width) {
  const u32 within = static_cast<u32>(offset & 0xf);
  // Registers are the first four bytes of each sixteen; the rest reads as zero.
  if (within >= 4) return 0;
  const u32 start = static_cast<u32>(offset & 0xff0);
  const std::optional<u32> value = start == kSelfIpi ? std::nullopt : read_register(start);
  if (!value) {
    if (width == Width::Dword) report_error(kIllegalRegister);
    return 0;
  }
  return (*value >> (8 * within)) & all_ones(width);
}

void LocalApic::write(u64 offset, Width width, u64 value) {
  // Stores must be aligned and 32 bits wide; of a wider one the lower half counts.
  if ((offset & 0xf) != 0 || bytes(width) < 4) return;
  const u32 start = static_cast<u32>(offset & 0xff0);
  if (!write_register(start, static_cast<u32>(value))) report_error(kIllegalRegister);
}

bool LocalApic::read_msr(u32 index, u64& value) {
  if (index == msr::APIC_BASE) {
    value = apic_base_;
    return true;
  }
  if (index == msr::TSC_DEADLINE) {
    value = timer_.deadline();
    return true;
  }
  if (index < msr::X2APIC_FIRST || index > msr::X2APIC_LAST || !x2apic()) return false;
  return read_x2apic(offset_of_msr(index), value);
}

bool LocalApic::write_msr(u32 index, u64 value) {
  if (index == msr::APIC_BASE) return set_apic_base(value);
  if (index == msr::TSC_DEADLINE) {
    timer_.set_deadline(value);
    return true;
  }
  if (index < msr::X2APIC_FIRST || index > msr::X2APIC_LAST || !x2apic()) return false;
  return write_x2apic(offset_of_msr(index), value);
}

bool LocalApic::read_x2apic(u32 offset, u64& value) {
  switch (offset) {
    case kIcrLow:
      value = u64{command_high_} << 32 | command_low_;
      return true;
    case kApr:
    case kRrd:
    case kDfr:
    case kIcrHigh:
    case kEoi:  // Write-only.
    case kSelfIpi:
      return false;
    default: {
      const std::optional<u32> found = read_register(offset);
      if (found) value = *found;
      return found.has_value();
    }
  }
}

bool LocalApic::write_x2apic(u32 offset, u64 value) {
  const std::optional<u64> writable = x2apic_writable(offset);
  if (!writable || (value & ~*writable) != 0) return false;
  if (offset == kIcrLow) {
    command_high_ = static_cast<u32>(value >> 32);
  } else if (offset == kSelfIpi) {
    // Seen in ICR as a fixed IPI with the shorthand for self.
    command_low_ = static_cast<u32>(value) | 1u << kShorthandShift;
    send_command();
    return true;
  }
  return write_register(offset, static_cast<u32>(value));
}

/// @source  Intel SDM Vol. 3A, "x2APIC State Transitions"
bool LocalApic::set_apic_base(u64 value) {
  constexpr u64 kMeaningful = kBaseMask | kBaseBootstrap | kBaseX2apic | kBaseEnable;
  if ((value & ~kMeaningful) != 0) return false;
  const bool enable = (value & kBaseEnable) != 0;
  const bool extend = (value & kBaseX2apic) != 0;
  if (extend && !enable) return false;              // No such state.
  if (extend && !hardware_enabled()) return false;  // Off leads to xAPIC only.
  if (!extend && enable && x2apic()) return false;  // x2APIC leads to off only.

  const bool was_enabled = hardware_enabled();
  const bool was_extended = x2apic();
  apic_base_ = value;
  if (was_enabled && !enable) reset_registers();  // Its state is lost.
  if (extend && !was_extended) command_high_ = 0;
  log::info("lapic", "%s: base 0x%llx, %s", name_.c_str(), static_cast<unsigned long long>(base()),
            extend   ? "x2APIC"
            : enable ? "xAPIC"
                     : "off");
  host_.local_apic_moved(*this);
  output_changed();
  return true;
}

}  // namespace doppel::devices
