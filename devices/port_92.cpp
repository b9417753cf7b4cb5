#include "devices/port_92.h"

namespace doppel::devices {

namespace {
constexpr u8 kFastReset = 0x01;
constexpr u8 kA20 = 0x02;
}  // namespace

u8 Port92::read_byte(unsigned) { return static_cast<u8>(value_ | (keyboard_.a20() ? kA20 : 0)); }

void Port92::write_byte(unsigned, u8 value) {
  keyboard_.set_a20((value & kA20) != 0);
  const bool reset_rises = (value & ~value_ & kFastReset) != 0;
  value_ = value & static_cast<u8>(~kA20);
  if (reset_rises) control_.request_reset(MachineControl::ResetCause::Port92);
}

}  // namespace doppel::devices
