#pragma once

// A hard disk on an IDE cable.
//
// A command names an address and a count in one of three ways (cylinder, head and sector; 28 bits;
// 48 bits) and a way for the data (PIO by the sector or by the block, or DMA). Address and count
// become lba_ and remaining_ at once; from there on there is one loop for all of them: a delay, a
// piece from or to the backend, and the task file moves along.

#include <string>

#include "devices/block_backend.h"
#include "devices/ide_drive.h"

namespace doppel::devices {

/// @source  ATA/ATAPI-7 Vol. 1, "Command descriptions"
class AtaDisk final : public IdeDrive {
 public:
  /// `backend` must outlive the disk. `serial` has at most 20 characters.
  AtaDisk(std::string name, BlockBackend& backend, std::string serial);

  void power_on() override;
  void serialize(Archive& archive) override;

 private:
  enum class Task : u8 {
    None,
    Succeed,  // Nothing to do but to say so after a delay.
    Fail,     // With failure_.
    Identify,
    ReadPio,
    WritePio,
    ReadDma,
    WriteDma,
    Verify,
    Trim,
  };
  enum class Addressing : u8 { Short, Extended };

  static constexpr u64 kSectorBytes = BlockBackend::kSectorBytes;
  static constexpr u32 kMostSectorsAPiece = kMostBuffered / kSectorBytes;
  static constexpr u32 kMostTrimPages = 8;
  static constexpr u64 kCommandNs = 20'000;

  // Commands (ata_disk.cpp).
  void execute(u8 code) override;
  void forget_command() override;
  bool is_packet_device() const override { return false; }
  void succeed_later();
  void fail_later(u8 error);
  void set_multiple();
  void set_geometry();
  void show_last_address(Addressing addressing);
  void set_features();
  bool flush();
  void smart();
  void identify();

  // Transfers (ata_disk_transfer.cpp).
  void proceed() override;
  void transfer_done() override;
  void begin(Task task, Addressing addressing, u32 block_sectors = 1);
  void begin_trim();
  bool find_address();
  void show_address(u64 lba);
  bool in_range(u64 lba, u64 count) const;
  u32 piece_sectors() const;
  u64 delay_ns(u64 sectors) const;
  bool read_piece();
  bool write_piece();
  void read_on();
  void write_on();
  void trim();
  void finish_transfer();
  void fail_at_address(u8 error);

  BlockBackend& backend_;
  std::string serial_;

  Task task_ = Task::None;
  Addressing addressing_ = Addressing::Short;
  u8 failure_ = 0;
  u64 lba_ = 0;        // Next sector.
  u32 remaining_ = 0;  // Sectors that have not gone from or to the backend.
  u32 block_ = 1;      // Sectors a DRQ block or DMA piece.

  u8 multiple_ = 0;
  u8 heads_ = 0;
  u8 sectors_per_track_ = 0;
  bool write_cache_ = true;
  bool look_ahead_ = true;
  bool smart_ = true;
  bool standby_ = false;
};

}  // namespace doppel::devices
