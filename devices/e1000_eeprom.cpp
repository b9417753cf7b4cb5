#include "devices/e1000_eeprom.h"

namespace doppel::devices {

namespace {

// EECD.
constexpr u32 kSk = 1u << 0;
constexpr u32 kCs = 1u << 1;
constexpr u32 kDi = 1u << 2;
constexpr u32 kDo = 1u << 3;
constexpr u32 kFwe = 3u << 4;
constexpr u32 kReq = 1u << 6;
constexpr u32 kGnt = 1u << 7;
constexpr u32 kPres = 1u << 8;
constexpr u32 kDriven = kSk | kCs | kDi | kFwe | kReq;
constexpr u32 kFlashWritesDisabled = 1u << 4;

// EERD.
constexpr u32 kStart = 1u << 0;
constexpr u32 kDone = 1u << 4;
constexpr unsigned kAddressShift = 8;
constexpr unsigned kDataShift = 16;

constexpr unsigned kCommandBits = 8;  // Behind the start bit: opcode and address.
constexpr unsigned kAddressBits = 6;
constexpr u16 kOpcodeRead = 2;

// Words. @source "EEPROM Address Map" (5.6)
constexpr unsigned kInitControl1 = 0x0a;
constexpr unsigned kSubsystem = 0x0b;
constexpr unsigned kSubsystemVendor = 0x0c;
constexpr unsigned kDevice = 0x0d;
constexpr unsigned kVendor = 0x0e;
constexpr unsigned kInitControl2 = 0x0f;
constexpr unsigned kChecksum = 0x3f;
constexpr u16 kChecksumOfAll = 0xbaba;

}  // namespace

E1000Eeprom::E1000Eeprom(const MacAddress& mac) {
  words_.fill(0xffff);
  for (unsigned i = 0; i < 3; ++i) words_[i] = static_cast<u16>(mac[2 * i] | mac[2 * i + 1] << 8);
  words_[0x03] = 0x0000;  // Compatibility.
  words_[0x04] = 0xffff;
  words_[0x08] = 0x3000;  // The printed board assembly number, of nothing.
  words_[0x09] = 0x0000;
  words_[kInitControl1] = 0x4408;  // Signature 01b; identifiers come from here.
  words_[kSubsystem] = 0x001e;
  words_[kSubsystemVendor] = 0x8086;
  words_[kDevice] = 0x100e;
  words_[kVendor] = 0x8086;
  words_[kInitControl2] = 0x3040;
  u16 sum = 0;
  for (unsigned i = 0; i < kChecksum; ++i) sum = static_cast<u16>(sum + words_[i]);
  words_[kChecksum] = static_cast<u16>(kChecksumOfAll - sum);
}

u32 E1000Eeprom::read_eecd() const {
  u32 value = eecd_ | kPres;
  if (out_) value |= kDo;
  if ((eecd_ & kReq) != 0) value |= kGnt;  // Nobody else wants it.
  return value;
}

void E1000Eeprom::write_eecd(u32 value) {
  const bool was_clock = (eecd_ & kSk) != 0;
  eecd_ = value & kDriven;
  if ((eecd_ & kCs) == 0) {
    out_ = true;
    bits_ = left_ = 0;
    command_ = 0;
    reading_ = false;
    return;
  }
  if (!was_clock && (eecd_ & kSk) != 0) clock();
}

/// The clock rises: a bit goes in, or one comes out.
void E1000Eeprom::clock() {
  const bool in = (eecd_ & kDi) != 0;
  if (reading_) {
    if (left_ == 0) {
      address_ = static_cast<u8>((address_ + 1) % words_.size());
      shift_ = words_[address_];
      left_ = 16;
    }
    out_ = (shift_ & 0x8000) != 0;
    shift_ = static_cast<u16>(shift_ << 1);
    --left_;
    return;
  }
  if (bits_ == 0) {
    if (in) bits_ = 1;
    return;
  }
  if (bits_ > kCommandBits) return;  // Data for a write, which is protected.
  command_ = static_cast<u16>(command_ << 1 | (in ? 1 : 0));
  if (++bits_ <= kCommandBits) return;
  if ((command_ >> kAddressBits & 3) != kOpcodeRead) return;
  reading_ = true;
  address_ = static_cast<u8>(command_ & (words_.size() - 1));
  shift_ = words_[address_];
  left_ = 16;
  out_ = false;  // A zero stands before the data.
}

void E1000Eeprom::write_eerd(u32 value) {
  eerd_ = value & 0xff00;
  if ((value & kStart) == 0) return;
  eerd_ |= kDone | u32{word(value >> kAddressShift & 0xff)} << kDataShift;
}

void E1000Eeprom::reset() {
  eecd_ = kFlashWritesDisabled;
  eerd_ = 0;
  out_ = true;
  bits_ = left_ = address_ = 0;
  command_ = shift_ = 0;
  reading_ = false;
}

void E1000Eeprom::serialize(Archive& archive) {
  archive(eecd_, eerd_, out_, bits_, command_, reading_, shift_, left_, address_);
  if (address_ < words_.size() && left_ <= 16) return;
  archive.fail("an EEPROM reads a word that it does not have");
  address_ = left_ = 0;
}

}  // namespace doppel::devices
