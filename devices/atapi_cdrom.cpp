#include "devices/atapi_cdrom.h"

#include <algorithm>
#include <utility>

#include "devices/ata_identify.h"

namespace doppel::devices {

using namespace ata;

namespace {

// The interrupt reason, where disks have the sector count.
constexpr u8 kReasonCommand = 0x01;
constexpr u8 kReasonToHost = 0x02;
constexpr u8 kReasonDone = kReasonCommand | kReasonToHost;
constexpr u8 kFeatureDma = 0x01;

constexpr u64 kPacketNs = 100'000;
constexpr u64 kShortNs = 5'000;
constexpr u64 kNsForBlock = 2'500;

constexpr u32 kBlocksForPio = 16;
constexpr u32 kBlocksForDma = 64;
constexpr u32 kSectorsPerBlock = AtapiCdrom::kBlockBytes / BlockBackend::kSectorBytes;
/// A 32-bit READ CAPACITY ends here.
constexpr u64 kMostBlocks = 0xffff'ffff;

}  // namespace

void AtapiCdrom::power_on() {
  IdeDrive::power_on();
  // Simplified: a disc that is in when power comes on needs no attention, since some boot loaders
  // give up at the first error.
  sense_ = {};
  attention_ = false;
  event_ = 0;
  locked_ = false;
}

void AtapiCdrom::forget_command() {
  task_ = Task::None;
  remaining_ = 0;
}

void AtapiCdrom::insert(BlockBackend* medium) {
  if (medium == nullptr && medium_ == nullptr) return;
  medium_ = medium;
  tray_open_ = false;
  attention_ = medium != nullptr;
  event_ = medium != nullptr ? atapi::kEventNewMedia : atapi::kEventMediaRemoval;
}

u32 AtapiCdrom::blocks() const {
  if (!has_disc()) return 0;
  return static_cast<u32>(std::min(medium_->sectors() / kSectorsPerBlock, kMostBlocks));
}

bool AtapiCdrom::in_range(u32 block, u32 count) const { return u64{block} + count <= blocks(); }

// --- ATA commands ---

void AtapiCdrom::execute(u8 code) {
  switch (code) {
    case kPacket:
      dma_ = (reg(kErrorFeatures) & kFeatureDma) != 0;
      limit_ = static_cast<u16>(reg(kLbaMid) | reg(kLbaHigh) << 8);
      fresh_buffer(0);
      task_ = Task::AwaitPacket;
      return be_busy(kShortNs);
    case kDeviceReset:
      begin_reset();
      return end_reset(AfterReset::Quiet);
    case kIdentifyPacketDevice:
      return answer_later(Task::Identify);
    case kSetFeatures: {
      const bool valid =
          reg(kErrorFeatures) == kFeatureTransferMode && set_transfer_mode(reg(kCount));
      return valid ? answer_later(Task::Succeed) : answer_later(Task::Fail, kAbrt);
    }
    case kCheckPowerMode:
      set_reg(kCount, 0xff);
      return answer_later(Task::Succeed);
    case kStandbyImmediate:
    case kIdleImmediate:
    case kSleep:
      return answer_later(Task::Succeed);
    case kReadSectors:
    case kIdentifyDevice:
      // Who asks takes this for a disk: the signature tells what it is.
      set_reg(kCount, 1);
      set_reg(kLbaLow, 1);
      set_reg(kLbaMid, 0x14);
      set_reg(kLbaHigh, 0xeb);
      return answer_later(Task::Fail, kAbrt);
    default:
      return answer_later(Task::Fail, kAbrt);
  }
}

void AtapiCdrom::answer_later(Task task, u8 failure) {
  task_ = task;
  failure_ = failure;
  be_busy(kShortNs);
}

void AtapiCdrom::identify() {
  AtaIdentify page;
  page.set(0, 0x85c0);  // A CD-ROM that takes out discs and packets of 12 bytes, DRQ within 50 us.
  page.set_names(name(), "doppel CD-ROM");
  page.set(49, 0x0f00);  // DMA, LBA, IORDY.
  page.set_transfer_modes(dma_mode());
  page.set_interface(unit());
  page.set(82, 0x4210);  // NOP, DEVICE RESET, PACKET.
  page.set(83, 0x4000);
  page.set(84, 0x4000);
  page.set(85, 0x4210);
  page.set(87, 0x4000);
  page.write(fresh_buffer(AtaIdentify::kBytes));
}

// --- The course of a packet ---

void AtapiCdrom::proceed() {
  switch (task_) {
    case Task::None:
    case Task::Succeed:
      return finish();
    case Task::Fail:
      return finish_with_error(failure_);
    case Task::Identify:
      identify();
      open_pio(DmaWish::ToHost, AtaIdentify::kBytes);
      return set_interrupt(true);
    case Task::AwaitPacket:
      fresh_buffer(kPacketBytes);
      set_reg(kCount, kReasonCommand);
      // No interrupt: word 0 of IDENTIFY promises DRQ soon enough to wait for.
      return open_pio(DmaWish::FromHost, kPacketBytes);
    case Task::RunPacket:
      return run_packet();
    case Task::Reply:
      return offer_more();
    case Task::Read:
      return position() < buffer().size() ? offer_more() : read_more();
    case Task::Discard:
      return ask_for_parameters();
    case Task::EndPacket:
      return end_packet();
  }
}

void AtapiCdrom::transfer_done() {
  const bool is_empty = position() >= buffer().size();
  switch (task_) {
    case Task::AwaitPacket:
      std::copy_n(buffer().begin(), std::min<size_t>(buffer().size(), kPacketBytes),
                  packet_.begin());
      fresh_buffer(0);
      task_ = Task::RunPacket;
      return be_busy(kPacketNs);
    case Task::Reply:
      if (is_empty) task_ = Task::EndPacket;
      return be_busy(kShortNs);
    case Task::Read:
      if (is_empty && remaining_ == 0) task_ = Task::EndPacket;
      return be_busy(is_empty ? std::min(remaining_, kBlocksForDma) * kNsForBlock + kShortNs
                              : kShortNs);
    case Task::Discard:
      if (remaining_ == 0) task_ = Task::EndPacket;
      return be_busy(kShortNs);
    default:
      return finish_quietly();
  }
}

/// 0: PIO data cannot be moved at all. A chunk that is not the last has an even size.
size_t AtapiCdrom::byte_limit() const { return limit_ & 0xfffe; }

void AtapiCdrom::show_byte_count(size_t size_bytes) {
  set_reg(kLbaMid, static_cast<u8>(size_bytes));
  set_reg(kLbaHigh, static_cast<u8>(size_bytes >> 8));
}

void AtapiCdrom::offer_more() {
  const size_t size = buffer().size() - position();
  if (dma_) {
    set_reg(kCount, kReasonToHost);
    return open_dma(DmaWish::ToHost, size);
  }
  if (byte_limit() == 0) return fail_packet(atapi::kInvalidField);
  const size_t chunk = std::min(size, byte_limit());
  show_byte_count(chunk);
  set_reg(kCount, kReasonToHost);
  open_pio(DmaWish::ToHost, chunk);
  set_interrupt(true);
}

void AtapiCdrom::read_more() {
  const u32 count = std::min(remaining_, dma_ ? kBlocksForDma : kBlocksForPio);
  if (count == 0) return end_packet();
  // The disc may have been taken out since the last piece.
  if (!has_disc()) return fail_packet(atapi::kNoDisc);
  if (!in_range(block_, count)) return fail_packet(atapi::kOutOfRange);
  const std::span<u8> piece = fresh_buffer(count * kBlockBytes);
  if (!medium_->read(u64{block_} * kSectorsPerBlock, piece)) {
    return fail_packet(atapi::kReadError);
  }
  block_ += count;
  remaining_ -= count;
  count_sectors(u64{count} * kSectorsPerBlock);
  offer_more();
}

/// MODE SELECT: the parameters come in and change nothing.
void AtapiCdrom::ask_for_parameters() {
  if (!dma_ && byte_limit() == 0) return fail_packet(atapi::kInvalidField);
  const size_t chunk = std::min<size_t>(remaining_, dma_ ? 0xfffe : byte_limit());
  if (chunk == 0) return end_packet();
  remaining_ -= static_cast<u32>(chunk);
  fresh_buffer(chunk);
  set_reg(kCount, 0);
  if (dma_) return open_dma(DmaWish::FromHost, chunk);
  show_byte_count(chunk);
  open_pio(DmaWish::FromHost, chunk);
  set_interrupt(true);
}

void AtapiCdrom::end_packet() {
  set_reg(kCount, kReasonDone);
  finish();
}

void AtapiCdrom::fail_packet(atapi::Sense sense) {
  sense_ = sense;
  set_reg(kCount, kReasonDone);
  finish_with_error(static_cast<u8>(sense.key << 4 | (sense.key == 5 ? kAbrt : 0)));
}

// --- Saved state ---

void AtapiCdrom::serialize(Archive& archive) {
  IdeDrive::serialize(archive);
  archive(task_, failure_, dma_, limit_, packet_, block_, remaining_, sense_, attention_, event_,
          tray_open_, locked_);
  if (task_ > Task::EndPacket) {
    archive.fail("a CD-ROM drive does what does not exist");
    forget_command();
  }
}

}  // namespace doppel::devices
