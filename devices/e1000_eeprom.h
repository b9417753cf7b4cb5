#pragma once

// The serial EEPROM of an e1000: 64 words that say who the card is.
//
// Software moves its pins by hand through EECD, or asks for a word through EERD. Over the pins it is
// a Microwire part: a start bit, two bits of opcode, six of address, and for a read sixteen bits
// back, with the next word after them.

#include <array>

#include "cpu/base/archive.h"
#include "devices/network.h"

namespace doppel::devices {

/// Simplified: what is written is not kept, as with a part whose write protection is on.
/// @source  Intel 8254x Software Developer's Manual, "EEPROM Interface" (5); Microchip 93C46 data
///          sheet, "Functional Description"
class E1000Eeprom {
 public:
  explicit E1000Eeprom(const MacAddress& mac);

  u16 word(unsigned index) const { return words_[index % words_.size()]; }

  u32 read_eecd() const;
  void write_eecd(u32 value);
  u32 read_eerd() const { return eerd_; }
  void write_eerd(u32 value);

  void reset();
  void serialize(Archive& archive);

 private:
  void clock();

  std::array<u16, 64> words_{};
  u32 eecd_ = 0;  // The pins that software drives.
  u32 eerd_ = 0;
  bool out_ = true;   // DO; high while nothing is read.
  u8 bits_ = 0;       // Of the command since its start bit.
  u16 command_ = 0;
  bool reading_ = false;
  u16 shift_ = 0;     // What leaves next is the highest bit,
  u8 left_ = 0;       // and so many are left.
  u8 address_ = 0;
};

}  // namespace doppel::devices
