#include "devices/vga_memory.h"

#include <algorithm>
#include <array>

#include "cpu/base/bits.h"
#include "cpu/base/check.h"

namespace doppel::devices {

namespace {

/// A bit for each plane becomes a byte for each plane.
constexpr std::array<u32, 16> kPlaneBytes = [] {
  std::array<u32, 16> table{};
  for (unsigned planes = 0; planes < 16; ++planes) {
    for (unsigned plane = 0; plane < 4; ++plane) {
      if ((planes >> plane & 1) != 0) table[planes] |= 0xffu << (8 * plane);
    }
  }
  return table;
}();

constexpr u32 kEveryPlane = 0x0101'0101;
constexpr u32 kEvenPlanes = 0x00ff'00ff;
constexpr u32 kOddPlanes = 0xff00'ff00;
constexpr u32 kBankBytes = 0x10000;

struct Part {
  u32 first;
  u32 size;
};
/// Miscellaneous graphics register, "memory map": offsets from A0000h.
constexpr std::array<Part, 4> kParts{{
    {0x00000, 0x20000},
    {0x00000, 0x10000},
    {0x10000, 0x08000},
    {0x18000, 0x08000},
}};

// Copies whose length the compiler knows: one instruction instead of a call.
u64 load_bytes(const u8* from, Width width) {
  u64 value = 0;
  switch (width) {
    case Width::Byte:
      return *from;
    case Width::Word:
      std::memcpy(&value, from, 2);
      return value;
    case Width::Dword:
      std::memcpy(&value, from, 4);
      return value;
    case Width::Qword:
      std::memcpy(&value, from, 8);
      return value;
  }
  return value;
}

void store_bytes(u8* to, Width width, u64 value) {
  switch (width) {
    case Width::Byte:
      *to = static_cast<u8>(value);
      return;
    case Width::Word:
      std::memcpy(to, &value, 2);
      return;
    case Width::Dword:
      std::memcpy(to, &value, 4);
      return;
    case Width::Qword:
      std::memcpy(to, &value, 8);
      return;
  }
}

}  // namespace

VgaMemory::VgaMemory(std::span<u8> bytes)
    : bytes_(bytes),
      mask_(static_cast<u32>(bytes.size()) - 1),
      stamps_(bytes.size() >> kPageShift, 1) {
  DOPPEL_CHECK(bytes.size() >= kLegacyBytes && (bytes.size() & (bytes.size() - 1)) == 0,
               "a VGA's memory is a power of two, 256 KiB at least");
}

void VgaMemory::configure(const VgaRegisters& registers, const Vbe& vbe) {
  const u8 memory_mode = registers.sequencer(4);
  const u8 mode = registers.graphics(5);
  const u8 misc = registers.graphics(6);
  const Part part = kParts[bit_field(misc, 3, 2)];
  first_ = part.first;
  size_ = part.size;
  chain4_ = bit(memory_mode, 3);
  odd_even_write_ = !bit(memory_mode, 2);
  odd_even_read_ = bit(mode, 4);
  compare_ = bit(mode, 3);
  write_mode_ = mode & 3;
  read_map_ = registers.graphics(4);
  rotate_ = registers.graphics(3) & 7;
  function_ = static_cast<u8>(bit_field(registers.graphics(3), 4, 3));
  bit_mask_ = registers.graphics(8);
  map_mask_ = kPlaneBytes[registers.sequencer(2)];
  set_reset_ = kPlaneBytes[registers.graphics(0)];
  enable_set_reset_ = kPlaneBytes[registers.graphics(1)];
  compare_value_ = kPlaneBytes[registers.graphics(2)];
  compare_care_ = kPlaneBytes[registers.graphics(7)];

  bank_ = 0;
  quad_mask_ = kLegacyBytes - 1;
  kind_ = Kind::General;
  if (vbe.enabled()) {
    bank_ = vbe.bank_address();
    quad_mask_ = mask_;
    if (vbe.depth() != 4) {
      kind_ = Kind::Linear;
      size_ = std::min(size_, kBankBytes);
    }
    return;
  }
  const bool plain = write_mode_ == 0 && rotate_ == 0 && function_ == 0 && bit_mask_ == 0xff &&
                     enable_set_reset_ == 0 && !compare_;
  if (plain && chain4_ && map_mask_ == kPlaneBytes[0xf]) kind_ = Kind::PlainChain4;
  if (plain && !chain4_ && odd_even_write_ && odd_even_read_ && map_mask_ == kPlaneBytes[0x3] &&
      read_map_ < 2) {
    kind_ = Kind::PlainOddEven;
  }
}

// --- The window --------------------------------------------------------------------------------

u64 VgaMemory::read(u64 offset, Width width) {
  const u32 at = static_cast<u32>(offset) - first_;
  const unsigned count = bytes(width);
  if (at < size_ && count <= size_ - at) [[likely]] {
    if (kind_ == Kind::Linear) {
      // Banks are aligned and a power of two: the access does not pass the end of memory.
      return load_bytes(&bytes_[(bank_ + at) & mask_], width);
    }
    if (kind_ == Kind::PlainChain4 && (at & 3) + count <= 4) {
      latch_ = load((at & 0xfffc) << 2);
      return latch_ >> (8 * (at & 3)) & all_ones(width);
    }
    if (kind_ == Kind::PlainOddEven && (at & 1) + count <= 2) {
      latch_ = load((at & 0xfffe) << 2);
      return latch_ >> (8 * (at & 1)) & all_ones(width);
    }
  }
  u64 value = 0;
  for (unsigned i = 0; i < count; ++i) value |= u64{read_byte(at + i)} << (8 * i);
  return value;
}

void VgaMemory::write(u64 offset, Width width, u64 value) {
  const u32 at = static_cast<u32>(offset) - first_;
  const unsigned count = bytes(width);
  if (at < size_ && count <= size_ - at) [[likely]] {
    u32 first = 0;
    bool plain = false;
    if (kind_ == Kind::Linear) {
      first = (bank_ + at) & mask_;
      stamp((first + count - 1) >> kPageShift);
      plain = true;
    } else if (kind_ == Kind::PlainChain4 && (at & 3) + count <= 4) {
      first = (at & 0xfffc) << 2 | (at & 3);
      plain = true;
    } else if (kind_ == Kind::PlainOddEven && (at & 1) + count <= 2) {
      first = (at & 0xfffe) << 2 | (at & 1);
      plain = true;
    }
    if (plain) {
      store_bytes(&bytes_[first], width, value);
      stamps_[first >> kPageShift] = epoch_;
      return;
    }
  }
  for (unsigned i = 0; i < count; ++i) write_byte(at + i, static_cast<u8>(value >> (8 * i)));
}

u8 VgaMemory::read_byte(u32 at) {
  if (at >= size_) return 0xff;
  if (kind_ == Kind::Linear) return bytes_[(bank_ + at) & mask_];
  u32 address = at;
  unsigned plane = read_map_;
  if (chain4_) {
    address = at & ~3u;
    plane = at & 3;
  } else if (odd_even_read_) {
    address = at & ~1u;
    plane = (read_map_ & 2u) | (at & 1);
  }
  latch_ = load(quad_offset(address));
  if (!compare_) return static_cast<u8>(latch_ >> (8 * plane));
  // A bit is one where all planes that matter agree with the colour.
  const u32 different = (latch_ ^ compare_value_) & compare_care_;
  const u32 folded = different | different >> 16;
  return static_cast<u8>(~(folded | folded >> 8));
}

/// @source  IBM PS/2 Technical Reference, "Graphics Mode Register", write modes 0 to 3
void VgaMemory::write_byte(u32 at, u8 value) {
  if (at >= size_) return;
  if (kind_ == Kind::Linear) {
    const u32 offset = (bank_ + at) & mask_;
    bytes_[offset] = value;
    stamp(offset >> kPageShift);
    return;
  }
  u32 address = at;
  u32 planes = map_mask_;
  if (chain4_) {
    address = at & ~3u;
    planes &= 0xffu << (8 * (at & 3));
  } else if (odd_even_write_) {
    // Simplified: bit 0 of the address becomes 0, whatever the odd/even page bit says.
    address = at & ~1u;
    planes &= (at & 1) != 0 ? kOddPlanes : kEvenPlanes;
  }
  const u32 rotated =
      static_cast<u8>(value >> rotate_ | static_cast<u32>(value) << (8 - rotate_)) * kEveryPlane;
  u32 mask = bit_mask_ * kEveryPlane;
  u32 data = latch_;
  switch (write_mode_) {
    case 0:
      data = combine((rotated & ~enable_set_reset_) | (set_reset_ & enable_set_reset_));
      break;
    case 1:
      mask = ~u32{0};
      break;
    case 2:
      data = combine(kPlaneBytes[value & 0xf]);
      break;
    default:
      mask &= rotated;
      data = combine(set_reset_);
      break;
  }
  data = (data & mask) | (latch_ & ~mask);
  const u32 offset = quad_offset(address);
  store(offset, (data & planes) | (load(offset) & ~planes));
}

/// "Data rotate register": the function applied between data and latches.
u32 VgaMemory::combine(u32 data) const {
  switch (function_) {
    case 1:
      return data & latch_;
    case 2:
      return data | latch_;
    case 3:
      return data ^ latch_;
    default:
      return data;
  }
}

// --- What changed ------------------------------------------------------------------------------

void VgaMemory::clear(u32 first, u32 count) {
  first &= mask_;
  count = std::min(count, size_bytes() - first);
  if (count == 0) return;
  std::fill_n(bytes_.begin() + first, count, u8{0});
  for (u32 page = first >> kPageShift; page <= (first + count - 1) >> kPageShift; ++page) {
    stamp(page);
  }
}

bool VgaMemory::changed_since(u32 epoch, u32 first, u32 count) const {
  if (count == 0) return false;
  first &= mask_;
  const u32 pages = std::min<u32>(((first & 0xfff) + count + 0xfff) >> kPageShift,
                                  static_cast<u32>(stamps_.size()));
  for (u32 i = 0; i < pages; ++i) {
    const u32 page = ((first >> kPageShift) + i) & static_cast<u32>(stamps_.size() - 1);
    if (stamps_[page] >= epoch) return true;
  }
  return false;
}

}  // namespace doppel::devices
