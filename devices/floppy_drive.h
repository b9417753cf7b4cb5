#pragma once

// A floppy drive and the disk in it: where the head stands, which sectors there are, and whether
// somebody opened the door.
//
// A disk is a block medium whose size tells its format. It holds sectors of 512 bytes in the order
// cylinder, head, sector; gaps, address marks and checksums are not kept. The drive knows the
// distance its head went, not the number a controller believes it is at.

#include <optional>
#include <span>

#include "cpu/base/archive.h"
#include "devices/block_backend.h"

namespace doppel::devices {

/// The drives of a PC, as CMOS register 10h numbers them.
enum class FloppyDriveType : u8 { None, Kb360, Kb1200, Kb720, Kb1440, Kb2880 };

struct FloppyGeometry {
  u8 cylinders = 0;
  u8 heads = 0;
  u8 sectors_per_track = 0;
  /// The drive this format was made for.
  FloppyDriveType drive = FloppyDriveType::None;

  u64 sectors() const { return u64{cylinders} * heads * sectors_per_track; }
};

/// The format with this many sectors: 160K, 180K, 320K, 360K, 720K, 1.2M, 1.44M or 2.88M.
std::optional<FloppyGeometry> floppy_geometry(u64 sectors);

class FloppyDrive {
 public:
  /// Builds the drive in, or (None) out; a disk in it is gone.
  void fit(FloppyDriveType type);
  FloppyDriveType type() const { return type_; }
  bool is_fitted() const { return type_ != FloppyDriveType::None; }

  /// Changes the disk; null takes it out. An empty bay gets the drive that the disk was made for.
  /// False, and nothing changed, if the size is no format or the drive cannot read it.
  bool insert(BlockBackend* medium);
  /// Null: no disk.
  const FloppyGeometry* geometry() const { return geometry_ ? &*geometry_ : nullptr; }
  bool is_write_protected() const { return medium_ != nullptr && medium_->is_read_only(); }
  /// The DSKCHG line: on since the door was opened, until the head is stepped with a disk in.
  bool is_disk_changed() const { return is_fitted() && changed_; }

  /// Moves the head; inwards (to higher cylinders) is positive. Stops where the drive does.
  void step(int steps);
  /// The TRK0 sensor.
  bool is_at_track0() const { return is_fitted() && position_ == 0; }
  unsigned position() const { return position_; }
  /// The disk's cylinder below the head: a drive with 96 tracks an inch steps twice for one
  /// with 48.
  unsigned cylinder() const;

  /// True if the head finds sector IDs at this data rate (CCR bits 0 and 1).
  bool finds_ids(unsigned head, u8 rate) const;
  /// Sectors below the head; `sector` counts from 1. False: not there, or the host could not.
  bool read(unsigned head, unsigned sector, std::span<u8> out);
  bool write(unsigned head, unsigned sector, std::span<const u8> bytes);

  /// The disk's contents are the host's; its size is kept to notice another one.
  void serialize(Archive& archive);

 private:
  std::optional<u64> block(unsigned head, unsigned sector) const;

  FloppyDriveType type_ = FloppyDriveType::None;
  BlockBackend* medium_ = nullptr;
  std::optional<FloppyGeometry> geometry_;
  u8 position_ = 0;
  bool changed_ = true;
};

}  // namespace doppel::devices
