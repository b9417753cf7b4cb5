#include "devices/mpu_401.h"

namespace doppel::devices {

namespace {

constexpr unsigned kData = 0;

// Status, active low: 40h it takes no byte now, 80h it has none to give.
constexpr u8 kNothingToRead = 0x80;
constexpr u8 kOtherBits = 0x3f;

constexpr u8 kUartMode = 0x3f;
constexpr u8 kReset = 0xff;
constexpr u8 kAck = 0xfe;

}  // namespace

void Mpu401::reset() {
  answers_.clear();
  is_uart_ = false;
}

u8 Mpu401::read_byte(unsigned offset) {
  if (offset == kData) return answers_.empty() ? 0xff : answers_.pop();
  return static_cast<u8>(kOtherBits | (answers_.empty() ? kNothingToRead : 0));
}

void Mpu401::write_byte(unsigned offset, u8 value) {
  if (offset == kData) return;
  if (is_uart_) {
    // The only command it still knows, and one it does not acknowledge.
    if (value == kReset) reset();
    return;
  }
  if (value == kReset) reset();
  if (value == kUartMode) is_uart_ = true;
  answers_.push(kAck);
}

}  // namespace doppel::devices
