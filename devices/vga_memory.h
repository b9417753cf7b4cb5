#pragma once

// The card's memory, and the window at A0000h-BFFFFh through which the VGA shows it.
//
// The four planes lie interleaved: byte `a` of plane `p` is byte 4a + p. A quad of bytes is thus
// what the VGA reads at once (its latches), and the planar operations are arithmetic on 32 bits.
//
//   address in window   planar       odd/even          chain-4
//   plane               map mask     a & 1             a & 3
//   byte in plane       a            a with bit 0 = 0  a with bits 1-0 = 0
//
// The VGA's own modes reach 64 KiB of each plane. In VBE modes of 8 bits and more the window is 64
// KiB of linear memory.
//
// Who shows a picture needs to know what changed: each 4 KiB page has a stamp, the epoch of its
// last store; the looker begins a new epoch with each look.

#include <cstring>
#include <span>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/vbe.h"
#include "devices/vga_registers.h"
#include "mmu/io_handler.h"

namespace doppel::devices {

/// @source  IBM PS/2 Technical Reference, "Video Memory", "Graphics Controller Registers"
class VgaMemory final : public mmu::IoHandler {
 public:
  static constexpr u64 kWindow = 0xa0000;
  static constexpr u64 kWindowSize = 0x20000;
  /// What the VGA's own modes reach: four planes of 64 KiB.
  static constexpr u32 kLegacyBytes = 0x40000;
  static constexpr u32 kPageShift = 12;

  /// `bytes` outlives this; its size is a power of two and at least kLegacyBytes.
  explicit VgaMemory(std::span<u8> bytes);

  /// The window. Bytes outside of the part that is selected read as ones.
  u64 read(u64 offset, Width width) override;
  void write(u64 offset, Width width, u64 value) override;
  /// Works out how the window behaves; after every change of the registers.
  void configure(const VgaRegisters& registers, const Vbe& vbe);

  u32 size_bytes() const { return mask_ + 1; }
  /// `count` bytes from `first`. A row that would leave the memory comes from its beginning
  /// instead.
  const u8* row(u32 first, u32 count) const {
    return first <= size_bytes() && count <= size_bytes() - first ? &bytes_[first] : bytes_.data();
  }
  /// The four planes' bytes at `address`, plane 0 lowest, as the VGA's own modes see them.
  u32 planes(u32 address) const { return load((address << 2) & (kLegacyBytes - 1)); }
  void clear(u32 first, u32 count);

  /// The page was stored to.
  void stamp(u32 page) { stamps_[page & (stamps_.size() - 1)] = epoch_; }
  u32 epoch() const { return epoch_; }
  void begin_epoch() { ++epoch_; }
  /// A byte of [first, first + count) may have changed since `epoch` (inclusive).
  bool changed_since(u32 epoch, u32 first, u32 count) const;

  void reset() { latch_ = 0; }
  /// The latches; the bytes belong to their owner.
  void serialize(Archive& archive) { archive(latch_); }

 private:
  enum class Kind : u8 {
    Linear,        // A VBE bank.
    PlainChain4,   // Mode 13h: stores are just stores.
    PlainOddEven,  // Text likewise.
    General,
  };

  u32 load(u32 offset) const {
    u32 quad;
    std::memcpy(&quad, &bytes_[offset], 4);
    return quad;
  }
  void store(u32 offset, u32 quad) {
    std::memcpy(&bytes_[offset], &quad, 4);
    stamps_[offset >> kPageShift] = epoch_;
  }
  u32 quad_offset(u32 address) const { return ((bank_ + address) << 2) & quad_mask_; }
  u8 read_byte(u32 at);
  void write_byte(u32 at, u8 value);
  u32 combine(u32 data) const;

  std::span<u8> bytes_;
  u32 mask_;
  std::vector<u32> stamps_;
  u32 epoch_ = 1;
  u32 latch_ = 0;

  // Worked out from the registers. A plane's bit became its byte of a quad.
  Kind kind_ = Kind::General;
  u32 first_ = 0;  // The selected part of the window.
  u32 size_ = 0;
  u32 bank_ = 0;
  u32 quad_mask_ = kLegacyBytes - 1;
  bool chain4_ = false;
  bool odd_even_write_ = false;
  bool odd_even_read_ = false;
  bool compare_ = false;  // Read mode 1.
  u8 write_mode_ = 0;
  u8 read_map_ = 0;
  u8 rotate_ = 0;
  u8 function_ = 0;
  u8 bit_mask_ = 0;
  u32 map_mask_ = 0;
  u32 set_reset_ = 0;
  u32 enable_set_reset_ = 0;
  u32 compare_value_ = 0;
  u32 compare_care_ = 0;
};

}  // namespace doppel::devices
