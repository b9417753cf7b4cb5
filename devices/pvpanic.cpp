#include "devices/pvpanic.h"

#include "cpu/base/log.h"

namespace doppel::devices {

namespace {

constexpr u8 kPanicked = 0x01;     // And nothing more will come of it.
constexpr u8 kCrashLoaded = 0x02;  // It crashed, and a kernel that was loaded for this takes over.

}  // namespace

u8 PvPanic::read_byte(unsigned) { return kPanicked | kCrashLoaded; }

void PvPanic::write_byte(unsigned, u8 value) {
  using Event = MachineControl::GuestEvent;
  if ((value & kPanicked) != 0) {
    control_.report_guest(Event::Panicked);
  } else if ((value & kCrashLoaded) != 0) {
    control_.report_guest(Event::CrashLoaded);
  } else {
    log::warn("pvpanic", "0x%x is no event", value);
  }
}

}  // namespace doppel::devices
