#include "devices/dma_8237.h"

#include <algorithm>

namespace doppel::devices {

namespace {

// Registers; 0 to 7 are address and count of each channel in turn.
constexpr unsigned kStatusCommand = 8;
constexpr unsigned kRequest = 9;
constexpr unsigned kSingleMask = 10;
constexpr unsigned kMode = 11;
constexpr unsigned kClearFlipFlop = 12;
constexpr unsigned kTemporaryMasterClear = 13;
constexpr unsigned kClearMask = 14;
constexpr unsigned kAllMask = 15;

// COMMAND. Memory-to-memory, timing, priority and the polarity of pins are stored by hardware and
// have no effect here. Simplified: memory-to-memory transfers do not exist (the AT cannot use them
// between pages, and PIIX3 leaves them out); rotating priority needs two channels at once.
constexpr u8 kCommandDisable = 0x04;
// REQUEST and the single mask bit.
constexpr u8 kSetBit = 0x04;
// MODE.
constexpr u8 kModeChannel = 0x03;
constexpr u8 kModeTransfer = 0x0c;
constexpr u8 kModeTransferWrite = 0x04;  // To memory.
constexpr u8 kModeTransferRead = 0x08;   // From memory.
constexpr u8 kModeAutoInitialize = 0x10;
constexpr u8 kModeDecrement = 0x20;
constexpr u8 kModeKind = 0xc0;
constexpr u8 kModeCascade = 0xc0;

/// What a register without an answer reads as.
constexpr u8 kOpenBus = 0xff;

void set_byte(u16& word, bool high, u8 value) {
  word = high ? static_cast<u16>((word & 0x00ff) | value << 8)
              : static_cast<u16>((word & 0xff00) | value);
}

}  // namespace

// --- One controller ---------------------------------------------------------------------------

void Dma8237::master_clear() {
  command_ = 0;
  mask_ = 0x0f;
  requests_ = 0;
  terminal_counts_ = 0;
  high_byte_ = false;
}

void Dma8237::reset() {
  master_clear();
  channels_ = {};
}

u8 Dma8237::read_register(unsigned index) {
  index &= 15;
  if (index < kStatusCommand) {
    const Channel& channel = channels_[index / 2];
    const u16 word = (index & 1) != 0 ? channel.count : channel.address;
    const u8 value = static_cast<u8>(high_byte_ ? word >> 8 : word);
    high_byte_ = !high_byte_;
    return value;
  }
  switch (index) {
    case kStatusCommand: {
      const u8 status = static_cast<u8>(requests_ << 4 | terminal_counts_);
      terminal_counts_ = 0;
      return status;
    }
    case kTemporaryMasterClear:
      return 0;  // The last byte of a memory-to-memory transfer; there never was one.
    case kAllMask:
      return static_cast<u8>(0xf0 | mask_);  // As PIIX3 does; the 8237A has nothing to read here.
    default:
      return kOpenBus;
  }
}

void Dma8237::write_register(unsigned index, u8 value) {
  index &= 15;
  if (index < kStatusCommand) {
    // Base and current take the byte together.
    Channel& channel = channels_[index / 2];
    const bool is_count = (index & 1) != 0;
    set_byte(is_count ? channel.base_count : channel.base_address, high_byte_, value);
    set_byte(is_count ? channel.count : channel.address, high_byte_, value);
    high_byte_ = !high_byte_;
    return;
  }
  const u8 bit = static_cast<u8>(1u << (value & kModeChannel));
  switch (index) {
    case kStatusCommand:
      command_ = value;
      break;
    case kRequest:
      // Simplified: a request by software shows in STATUS, but no chip is there to take the bytes.
      requests_ = static_cast<u8>((value & kSetBit) != 0 ? requests_ | bit : requests_ & ~bit);
      break;
    case kSingleMask:
      mask_ = static_cast<u8>((value & kSetBit) != 0 ? mask_ | bit : mask_ & ~bit);
      break;
    case kMode:
      channels_[value & kModeChannel].mode = static_cast<u8>(value & ~kModeChannel);
      break;
    case kClearFlipFlop:
      high_byte_ = false;
      break;
    case kTemporaryMasterClear:
      master_clear();
      break;
    case kClearMask:
      mask_ = 0;
      break;
    default:
      mask_ = value & 0x0f;
      break;
  }
}

/// True if a chip's DREQ would be acknowledged. A cascaded channel acknowledges a bus master that
/// brings its own addresses; chips with a DmaChannel do not.
bool Dma8237::answers(unsigned index) const {
  return (command_ & kCommandDisable) == 0 && (mask_ >> index & 1) == 0 &&
         (channels_[index].mode & kModeKind) != kModeCascade;
}

PhysAddr Dma8237::physical_address(const Channel& channel, u8 page) const {
  if (unit_ == Unit::Byte) return PhysAddr(u64{page} << 16 | channel.address);
  return PhysAddr(u64{page & 0xfeu} << 16 | u64{channel.address} << 1);
}

template <class Copy>
DmaMoved Dma8237::transfer(unsigned index, u8 page, size_t size_bytes, Copy&& copy) {
  if (!answers(index)) return {};
  Channel& channel = channels_[index];
  const u32 unit_bytes = static_cast<u32>(unit_);
  const u32 units =
      static_cast<u32>(std::min<u64>(size_bytes / unit_bytes, u64{channel.count} + 1));
  if (units == 0) return {};

  const bool decrements = (channel.mode & kModeDecrement) != 0;
  for (u32 done = 0; done < units;) {
    // Upwards in one piece as far as the page goes; downwards the units come in reverse.
    const u32 piece = decrements ? 1 : std::min<u32>(units - done, 0x10000u - channel.address);
    copy(physical_address(channel, page), done * unit_bytes, piece * unit_bytes);
    channel.address = static_cast<u16>(decrements ? channel.address - 1 : channel.address + piece);
    done += piece;
  }
  channel.count = static_cast<u16>(channel.count - units);
  const bool ended = channel.count == 0xffff;
  if (ended) finish(index);
  return {units * unit_bytes, ended};
}

/// Terminal count: the channel starts over or masks itself.
void Dma8237::finish(unsigned index) {
  Channel& channel = channels_[index];
  const u8 bit = static_cast<u8>(1u << index);
  terminal_counts_ |= bit;
  requests_ &= static_cast<u8>(~bit);
  if ((channel.mode & kModeAutoInitialize) != 0) {
    channel.address = channel.base_address;
    channel.count = channel.base_count;
  } else {
    mask_ |= bit;
  }
}

DmaMoved Dma8237::read_memory(mmu::PhysicalMemory& memory, unsigned channel, u8 page,
                              std::span<u8> out) {
  const bool moves = (channels_[channel].mode & kModeTransfer) == kModeTransferRead;
  return transfer(channel, page, out.size(), [&](PhysAddr address, u32 offset, u32 size) {
    const std::span<u8> piece = out.subspan(offset, size);
    if (moves) {
      memory.read_bytes(address, piece);
    } else {
      std::ranges::fill(piece, kOpenBus);
    }
  });
}

DmaMoved Dma8237::write_memory(mmu::PhysicalMemory& memory, unsigned channel, u8 page,
                               std::span<const u8> bytes) {
  const bool moves = (channels_[channel].mode & kModeTransfer) == kModeTransferWrite;
  return transfer(channel, page, bytes.size(), [&](PhysAddr address, u32 offset, u32 size) {
    if (moves) memory.write_bytes(address, bytes.subspan(offset, size));
  });
}

void Dma8237::serialize(Archive& archive) {
  archive(channels_, command_, mask_, requests_, terminal_counts_, high_byte_);
  mask_ &= 0x0f;
  requests_ &= 0x0f;
  terminal_counts_ &= 0x0f;
}

// --- The pair ---------------------------------------------------------------------------------

DmaMoved DmaChannel::read_memory(std::span<u8> out) {
  return pair_->chip_of(number_).read_memory(pair_->memory_, number_ % 4, pair_->page_of(number_),
                                             out);
}

DmaMoved DmaChannel::write_memory(std::span<const u8> bytes) {
  return pair_->chip_of(number_).write_memory(pair_->memory_, number_ % 4, pair_->page_of(number_),
                                              bytes);
}

/// The AT put the page registers where its decoder had room.
u8 Dma8237Pair::page_of(unsigned channel) const {
  static constexpr std::array<u8, kChannels> kPort{0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
  return pages_[kPort[channel] - 0x81];
}

// Simplified: a chip on channels 0 to 3 is served whatever became of channel 4. On hardware their
// requests pass through it, and firmware opens it (cascade mode, not masked) once and for all.
void Dma8237Pair::reset() {
  byte_chip_.reset();
  word_chip_.reset();
  pages_ = {};
}

}  // namespace doppel::devices
