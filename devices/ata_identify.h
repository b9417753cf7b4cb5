#pragma once

#include <array>
#include <span>
#include <string_view>

#include "cpu/base/types.h"

namespace doppel::devices {

/// The 256 words with which a drive describes itself; unmentioned ones are zero.
/// @source  ATA/ATAPI-7 Vol. 1, "IDENTIFY DEVICE" and "IDENTIFY PACKET DEVICE"
class AtaIdentify {
 public:
  static constexpr size_t kBytes = 512;

  void set(unsigned word, u64 value) { words_[word] = static_cast<u16>(value); }
  /// Two words, the lower half first.
  void set_dword(unsigned word, u64 value) {
    set(word, value);
    set(word + 1, value >> 16);
  }
  /// Padded with blanks; the first character of each pair is the upper byte.
  void set_text(unsigned first, unsigned words, std::string_view text);
  /// Which transfer modes there are, and which one `dma_mode` (as SET FEATURES counts) is.
  void set_transfer_modes(u8 dma_mode);
  /// Serial number, firmware revision and model.
  void set_names(std::string_view serial, std::string_view model);
  /// Standards followed, and the 80-conductor cable as unit 0 or 1 sees it.
  void set_interface(unsigned unit);

  /// As they go over the cable, with the integrity word that makes the bytes' sum zero.
  void write(std::span<u8> out);

 private:
  std::array<u16, kBytes / 2> words_{};
};

}  // namespace doppel::devices
