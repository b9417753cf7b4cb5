#include "devices/port_cf9.h"

namespace doppel::devices {

namespace {
constexpr u8 kResetCpu = 0x04;
constexpr u8 kWritable = 0x0e;  // Full reset (as ICH has it), reset CPU, system reset.
}  // namespace

void ResetPortCf9::write(u8 value) {
  const bool rises = (value & ~value_ & kResetCpu) != 0;
  value_ = value & kWritable;
  // Simplified: a soft reset (bit 1 clear) resets everything too.
  if (rises) control_.request_reset(MachineControl::ResetCause::PortCf9);
}

}  // namespace doppel::devices
