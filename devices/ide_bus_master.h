#pragma once

// The bus master of one IDE channel: carries a drive's data along a list of memory regions.
//
//     BMIDTP -> | address | count |  -> region      A descriptor is 8 bytes; the top bit of its
//     last
//               | address | count |  -> region      byte ends the table. A count of 0 is 64 KiB.
//               | address | count |E -> region
//
// The table and the command know nothing of each other's length. What software sees at the end:
//
//     interrupt  active   meaning
//         0        1      under way
//         1        0      done, and the table was exactly as long as the transfer
//         1        1      done, the table was longer
//         0        0      the table was shorter: the drive still waits (or an error)

#include <span>

#include "cpu/base/archive.h"
#include "devices/ide_drive.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// @source  Intel 82371SB (PIIX3) data sheet, "Bus Master IDE Registers" and "Bus Master Function"
class IdeBusMaster {
 public:
  static constexpr unsigned kPorts = 8;

  explicit IdeBusMaster(mmu::PhysicalMemory& memory) : memory_(memory) {}

  u8 read_byte(unsigned offset) const;
  void write_byte(unsigned offset, u8 value);

  /// The PCI function may be a master at all.
  void set_enabled(bool enabled) { enabled_ = enabled; }
  /// True if a drive with this wish would be served now.
  bool serves(IdeDrive::DmaWish wish) const;
  /// Carries the piece, or as much of it as the table has room for; gives the bytes moved.
  size_t move(IdeDrive::DmaWish wish, std::span<u8> piece);
  /// The channel's interrupt line went up.
  void interrupt_rose() { interrupt_ = true; }

  void reset();
  void serialize(Archive& archive);

 private:
  bool fetch_descriptor();

  mmu::PhysicalMemory& memory_;
  bool enabled_ = false;
  u8 command_ = 0;
  u8 capable_ = 0;  // Two bits of the status register in which software leaves notes to itself.
  bool active_ = false;
  bool error_ = false;
  bool interrupt_ = false;
  u32 table_ = 0;    // BMIDTP.
  u32 next_ = 0;     // The next descriptor.
  u32 address_ = 0;  // What is left of the present region.
  u32 left_ = 0;
  bool is_last_ = false;
};

}  // namespace doppel::devices
