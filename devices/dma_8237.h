#pragma once

// The ISA bus's DMA: two 8237A controllers, and the page registers that give them an address bus.
//
// The 8237A counts in 16 bits. A page register beside it holds the address above them and does not
// count along, so a transfer that runs over the end of its page goes on at the page's beginning.
// The second controller sits one address line higher and moves words: its pages are 128 KiB.
//
//     channel  0-3: page A23..A16 | address A15..A0
//     channel  5-7: page A23..A17 | address A16..A1 | 0
//
// A chip does not see registers. It holds a DmaChannel, offers or asks for bytes, and is told how
// many went and whether the count ended (EOP, which the chips call TC). Nothing here takes time:
// the chip that asks decides how fast it does.

#include <array>
#include <span>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// What became of a transfer.
struct DmaMoved {
  u32 bytes = 0;                ///< Less than offered: the count ended, or the channel is masked.
  bool terminal_count = false;  ///< The last of these bytes was the last of the programmed count.
};

/// One controller of four channels, without its page registers.
/// @source  Intel 8237A data sheet, "Register Description", "Software Commands"
class Dma8237 {
 public:
  /// What a channel moves per cycle: it follows from how the controller is wired.
  enum class Unit : u8 { Byte = 1, Word = 2 };
  explicit Dma8237(Unit unit) : unit_(unit) {}

  u8 read_register(unsigned index);
  void write_register(unsigned index, u8 value);
  void master_clear();
  void reset();

  DmaMoved read_memory(mmu::PhysicalMemory& memory, unsigned channel, u8 page, std::span<u8> out);
  DmaMoved write_memory(mmu::PhysicalMemory& memory, unsigned channel, u8 page,
                        std::span<const u8> bytes);

  void serialize(Archive& archive);

 private:
  static constexpr unsigned kChannels = 4;
  struct Channel {
    u16 base_address = 0;
    u16 base_count = 0;
    u16 address = 0;  // The next unit's.
    u16 count = 0;    // Units left, less one.
    u8 mode = 0;      // Without the two bits that select the channel.
    void serialize(Archive& archive) { archive(base_address, base_count, address, count, mode); }
  };

  bool answers(unsigned index) const;
  PhysAddr physical_address(const Channel& channel, u8 page) const;
  /// Counts `size_bytes` or what is left, and calls `copy(address, offset, size)` for each piece.
  template <class Copy>
  DmaMoved transfer(unsigned index, u8 page, size_t size_bytes, Copy&& copy);
  void finish(unsigned index);

  Unit unit_;
  std::array<Channel, kChannels> channels_{};
  u8 command_ = 0;
  u8 mask_ = 0x0f;
  u8 requests_ = 0;         // Software requests.
  u8 terminal_counts_ = 0;  // Until STATUS is read.
  bool high_byte_ = false;  // The first/last flip-flop.
};

class Dma8237Pair;

/// A chip's DREQ and DACK: one channel of the pair, which must outlive it.
class DmaChannel {
 public:
  /// Memory to chip. What does not move (verify, or a channel set to write) reads as ones.
  DmaMoved read_memory(std::span<u8> out);
  /// Chip to memory.
  DmaMoved write_memory(std::span<const u8> bytes);

 private:
  friend class Dma8237Pair;
  DmaChannel(Dma8237Pair& pair, unsigned number) : pair_(&pair), number_(number) {}

  Dma8237Pair* pair_;
  unsigned number_;
};

/// @source  IBM PC/AT Technical Reference, "DMA Controller"; Intel 82371SB (PIIX3), "DMA Registers"
class Dma8237Pair final : public Device {
 public:
  /// `memory` must outlive the pair.
  explicit Dma8237Pair(mmu::PhysicalMemory& memory) : memory_(memory) {}

  /// Ports 00h-0Fh: channels 0 to 3, of bytes.
  mmu::IoHandler& byte_ports() { return byte_ports_; }
  static constexpr u16 kBytePorts = 0x10;
  /// Ports C0h-DFh: channels 4 to 7, of words. Address line 0 is not decoded.
  mmu::IoHandler& word_ports() { return word_ports_; }
  static constexpr u16 kWordPorts = 0x20;
  /// Ports 81h-8Fh. Those that no channel uses are memory.
  mmu::IoHandler& page_ports() { return page_ports_; }
  static constexpr u16 kPagePorts = 0x0f;

  /// Channel 0 to 7. Channel 4 is where the first controller is plugged into the second.
  DmaChannel channel(unsigned number) { return DmaChannel(*this, number % kChannels); }

  std::string_view name() const override { return "dma"; }
  void reset() override;
  void serialize(Archive& archive) override { archive(byte_chip_, word_chip_, pages_); }

 private:
  friend class DmaChannel;
  static constexpr unsigned kChannels = 8;

  u8 read_byte_chip(unsigned offset) { return byte_chip_.read_register(offset); }
  void write_byte_chip(unsigned offset, u8 value) { byte_chip_.write_register(offset, value); }
  u8 read_word_chip(unsigned offset) { return word_chip_.read_register(offset >> 1); }
  void write_word_chip(unsigned offset, u8 value) { word_chip_.write_register(offset >> 1, value); }
  u8 read_page(unsigned offset) { return pages_[offset % pages_.size()]; }
  void write_page(unsigned offset, u8 value) { pages_[offset % pages_.size()] = value; }

  Dma8237& chip_of(unsigned channel) { return channel < 4 ? byte_chip_ : word_chip_; }
  u8 page_of(unsigned channel) const;

  mmu::PhysicalMemory& memory_;
  Dma8237 byte_chip_{Dma8237::Unit::Byte};
  Dma8237 word_chip_{Dma8237::Unit::Word};
  std::array<u8, kPagePorts> pages_{};

  BytePorts<Dma8237Pair> byte_ports_{*this, &Dma8237Pair::read_byte_chip,
                                     &Dma8237Pair::write_byte_chip};
  BytePorts<Dma8237Pair> word_ports_{*this, &Dma8237Pair::read_word_chip,
                                     &Dma8237Pair::write_word_chip};
  BytePorts<Dma8237Pair> page_ports_{*this, &Dma8237Pair::read_page, &Dma8237Pair::write_page};
};

}  // namespace doppel::devices
