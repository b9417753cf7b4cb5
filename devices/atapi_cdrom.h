#pragma once

// A CD-ROM drive: SCSI commands in packets of 12 bytes, over an IDE cable.
//
//     PACKET -> DRQ, 12 bytes out -> BSY -> data in chunks of at most the byte count limit,
//     each with DRQ and an interrupt (or all of it by DMA) -> status and a last interrupt
//
// What goes wrong is told twice: ERR with the sense key at once, and the whole story to REQUEST
// SENSE. A changed disc is an error of its own (unit attention) for the first command that cares.

#include <array>
#include <functional>
#include <string>

#include "devices/atapi_packets.h"
#include "devices/block_backend.h"
#include "devices/ide_drive.h"

namespace doppel::devices {

/// @source  ATA/ATAPI-7 Vol. 1, "PACKET"; SFF-8020i; MMC-3
class AtapiCdrom final : public IdeDrive {
 public:
  static constexpr size_t kBlockBytes = 2048;

  explicit AtapiCdrom(std::string name) : IdeDrive(std::move(name)) {}

  /// Puts a disc in (it must outlive its stay) and closes the tray; null takes it out and leaves
  /// the tray closed. A lock is the caller's to respect.
  void insert(BlockBackend* medium);
  /// The button at the front of a drive that the guest has locked: it is told, and may do what was
  /// wanted.
  void press_eject_button() { event_ = atapi::kEventEjectRequest; }
  /// What lies in the tray, open or closed; may be null.
  BlockBackend* medium() const { return medium_; }
  bool is_tray_open() const { return tray_open_; }
  /// The guest has said PREVENT MEDIUM REMOVAL.
  bool is_locked() const { return locked_; }
  /// Called when the guest opened the tray. The disc stays in it, and is back if the guest closes
  /// it, unless insert() changes that.
  void set_on_eject(std::function<void()> callback) { on_eject_ = std::move(callback); }

  void power_on() override;
  void serialize(Archive& archive) override;

 private:
  enum class Task : u8 {
    None,
    Succeed,
    Fail,  // With failure_: refused as an ATA command.
    Identify,
    AwaitPacket,  // First a delay, then twelve bytes.
    RunPacket,
    Reply,      // The buffer holds all of the answer.
    Read,       // The buffer holds the next blocks.
    Discard,    // Parameters that the host wants to send.
    EndPacket,  // All data went: status is left.
  };
  static constexpr unsigned kPacketBytes = 12;

  // The ATA side (atapi_cdrom.cpp).
  void execute(u8 code) override;
  void proceed() override;
  void transfer_done() override;
  void forget_command() override;
  bool is_packet_device() const override { return true; }
  void answer_later(Task task, u8 failure = 0);
  void identify();
  void offer_more();
  void read_more();
  void ask_for_parameters();
  size_t byte_limit() const;
  void show_byte_count(size_t size_bytes);
  void end_packet();
  void fail_packet(atapi::Sense sense);

  // The packets (atapi_packets.cpp).
  void run_packet();
  void reply(size_t size_bytes, size_t allocated);
  std::span<u8> blank_reply();
  void start_read(u32 block, u32 count);
  void request_sense();
  void inquiry();
  void mode_sense(bool is_long);
  void read_capacity();
  void read_toc();
  void read_subchannel();
  void read_cd();
  void get_configuration();
  void get_event_status();
  void read_disc_information();
  void read_track_information();
  void start_stop();
  void mechanism_status();

  u8 packet_byte(unsigned index) const { return packet_[index]; }
  u32 packet_word(unsigned index) const { return u32{packet_[index]} << 8 | packet_[index + 1]; }
  u32 packet_dword(unsigned index) const {
    return packet_word(index) << 16 | packet_word(index + 2);
  }
  bool has_disc() const { return medium_ != nullptr && !tray_open_; }
  u32 blocks() const;
  bool in_range(u32 block, u32 count) const;

  BlockBackend* medium_ = nullptr;
  std::function<void()> on_eject_;

  Task task_ = Task::None;
  u8 failure_ = 0;
  bool dma_ = false;
  u16 limit_ = 0;  // Byte count limit of the present command.
  std::array<u8, kPacketBytes> packet_{};
  u32 block_ = 0;      // Next one to read.
  u32 remaining_ = 0;  // Blocks to read, or bytes of parameters to come.

  atapi::Sense sense_;
  bool attention_ = false;  // The disc was changed, and no command has been told.
  u8 event_ = 0;            // For GET EVENT STATUS NOTIFICATION: what happened last to the disc.
  bool tray_open_ = false;
  bool locked_ = false;
};

}  // namespace doppel::devices
