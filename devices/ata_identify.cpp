#include "devices/ata_identify.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr std::string_view kFirmwareRevision = "1.0";
constexpr u16 kIntegrityMark = 0xa5;
constexpr u16 kFastestCycleNs = 120;

}  // namespace

void AtaIdentify::set_text(unsigned first, unsigned words, std::string_view text) {
  const auto character = [text](size_t index) {
    return index < text.size() ? static_cast<u8>(text[index]) : u8{' '};
  };
  for (unsigned i = 0; i < words; ++i) {
    set(first + i, unsigned{character(2 * i)} << 8 | character(2 * i + 1));
  }
}

void AtaIdentify::set_names(std::string_view serial, std::string_view model) {
  set_text(10, 10, serial);
  set_text(23, 4, kFirmwareRevision);
  set_text(27, 20, model);
}

void AtaIdentify::set_transfer_modes(u8 dma_mode) {
  // Capability bits below, the selected mode's bit above them.
  const unsigned selected = 0x100u << (dma_mode & 7);
  const unsigned family = dma_mode & 0xf8;
  set(53, 0x0007);  // Words 54-58, 64-70 and 88 mean something.
  set(63, 0x0007 | (family == 0x20 ? selected : 0));
  set(64, 0x0003);  // PIO 3 and 4.
  for (unsigned word = 65; word <= 68; ++word) set(word, kFastestCycleNs);
  set(88, 0x003f | (family == 0x40 ? selected : 0));
}

void AtaIdentify::set_interface(unsigned unit) {
  set(80, 0x00f0);  // ATA/ATAPI-4 to -7.
  set(93, unit == 0 ? 0x600b : 0x6b00);
}

void AtaIdentify::write(std::span<u8> out) {
  words_[255] = 0;
  unsigned sum = kIntegrityMark;
  for (const u16 word : words_) sum += (word & 0xff) + (word >> 8);
  set(255, kIntegrityMark | (0x100 - (sum & 0xff)) << 8);
  for (size_t i = 0; i < std::min(out.size(), kBytes); ++i) {
    out[i] = static_cast<u8>(words_[i / 2] >> (8 * (i % 2)));
  }
}

}  // namespace doppel::devices
