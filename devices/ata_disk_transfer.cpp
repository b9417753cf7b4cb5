// How a disk's sectors move: the three ways to name them, and the loop of delays and pieces.

#include <algorithm>

#include "devices/ata_disk.h"
#include "devices/ata_identify.h"

namespace doppel::devices {

using namespace ata;

namespace {

constexpr u64 kNsFor4KiB = 5'000;

}  // namespace

// --- Addresses ---

/// False: no such cylinder, head or sector.
/// Simplified: 48-bit commands do not look at the LBA bit, without which they are not defined.
bool AtaDisk::find_address() {
  const u64 low = u64{reg(kLbaHigh)} << 16 | u64{reg(kLbaMid)} << 8 | reg(kLbaLow);
  const u8 nibble = device() & 0x0f;
  if (addressing_ == Addressing::Extended) {
    lba_ = low | u64{old_reg(kLbaLow)} << 24 | u64{old_reg(kLbaMid)} << 32 |
           u64{old_reg(kLbaHigh)} << 40;
    return true;
  }
  if ((device() & kDeviceLba) != 0) {
    lba_ = low | u64{nibble} << 24;
    return true;
  }
  const u64 sector = reg(kLbaLow);
  if (sector == 0 || sector > sectors_per_track_ || nibble >= heads_) return false;
  lba_ = ((low >> 8) * heads_ + nibble) * sectors_per_track_ + sector - 1;
  return true;
}

void AtaDisk::show_address(u64 lba) {
  u64 shown = lba;
  u8 nibble = static_cast<u8>(lba >> 24) & 0x0f;
  if (addressing_ == Addressing::Extended) {
    for (unsigned i = 0; i < 3; ++i) {
      set_old_reg(kLbaLow + i, static_cast<u8>(lba >> (24 + 8 * i)));
    }
    nibble = device() & 0x0f;
  } else if ((device() & kDeviceLba) == 0) {
    const u64 track = lba / sectors_per_track_;
    shown = lba % sectors_per_track_ + 1 + (track / heads_ << 8);
    nibble = static_cast<u8>(track % heads_);
  }
  for (unsigned i = 0; i < 3; ++i) set_reg(kLbaLow + i, static_cast<u8>(shown >> (8 * i)));
  set_device(static_cast<u8>((device() & 0xf0) | nibble));
}

bool AtaDisk::in_range(u64 lba, u64 count) const {
  const u64 sectors = backend_.sectors();
  return count <= sectors && lba <= sectors - count;
}

// --- Transfers ---

/// Simplified: a transfer that reaches beyond the end fails before its first sector.
void AtaDisk::begin(Task task, Addressing addressing, u32 block_sectors) {
  addressing_ = addressing;
  standby_ = false;
  const bool writes = task == Task::WritePio || task == Task::WriteDma;
  // READ and WRITE MULTIPLE before SET MULTIPLE have no block.
  if (block_sectors == 0 || (writes && backend_.is_read_only())) return fail_later(kAbrt);
  u32 count = reg(kCount);
  if (addressing == Addressing::Extended) {
    count |= u32{old_reg(kCount)} << 8;
    if (count == 0) count = 0x1'0000;
  } else if (count == 0) {
    count = 0x100;
  }
  if (!find_address() || !in_range(lba_, count)) return fail_later(kIdnf);
  task_ = task;
  remaining_ = count;
  block_ = block_sectors;
  fresh_buffer(0);
  be_busy(writes ? kCommandNs : kCommandNs + delay_ns(piece_sectors()));
}

u32 AtaDisk::piece_sectors() const { return std::min({remaining_, block_, kMostSectorsAPiece}); }

u64 AtaDisk::delay_ns(u64 sectors) const {
  return (sectors * kSectorBytes + 4095) / 4096 * kNsFor4KiB;
}

void AtaDisk::proceed() {
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
    case Task::ReadPio:
    case Task::ReadDma:
    case Task::Verify:
      return read_on();
    case Task::WritePio:
    case Task::WriteDma:
      return write_on();
    case Task::Trim:
      return trim();
  }
}

/// The host took the piece, or filled it.
void AtaDisk::transfer_done() {
  switch (task_) {
    case Task::ReadPio:
      if (remaining_ != 0) return be_busy(delay_ns(piece_sectors()));
      // The last block's interrupt came with the block.
      return finish_quietly();
    case Task::ReadDma:
      return remaining_ != 0 ? be_busy(delay_ns(piece_sectors())) : finish();
    case Task::WritePio:
    case Task::WriteDma:
    case Task::Trim:
      return be_busy(delay_ns(buffer().size() / kSectorBytes));
    default:
      return finish_quietly();
  }
}

void AtaDisk::read_on() {
  if (!in_range(lba_, remaining_)) return fail_at_address(kIdnf);
  if (!read_piece()) return fail_at_address(kUnc);
  const size_t size = buffer().size();
  if (task_ == Task::Verify) {
    if (remaining_ != 0) return be_busy(delay_ns(piece_sectors()));
    finish_transfer();
    return finish();
  }
  if (remaining_ == 0) finish_transfer();
  if (task_ == Task::ReadDma) return open_dma(DmaWish::ToHost, size);
  open_pio(DmaWish::ToHost, size);
  set_interrupt(true);
}

/// An empty buffer: the first piece is wanted. A full one: it is written, and the next is wanted.
void AtaDisk::write_on() {
  const bool is_first = buffer().empty();
  if (!is_first) {
    if (buffer().size() / kSectorBytes > remaining_ || !in_range(lba_, remaining_)) {
      return fail_at_address(kIdnf);
    }
    if (!write_piece()) return fail_at_address(kAbrt);
    // Without a write cache the end of the command says that all of it is on the medium.
    if (remaining_ == 0 && !write_cache_ && backend_.has_write_cache() && !backend_.flush()) {
      return fail_at_address(kAbrt);
    }
    if (remaining_ == 0) {
      finish_transfer();
      return finish();
    }
  }
  const size_t size = piece_sectors() * kSectorBytes;
  if (size == 0) return fail_at_address(kAbrt);  // Only from a damaged saved state.
  fresh_buffer(size);
  if (task_ == Task::WriteDma) return open_dma(DmaWish::FromHost, size);
  open_pio(DmaWish::FromHost, size);
  // The first block is asked for without an interrupt.
  if (!is_first) set_interrupt(true);
}

/// Reads the next sectors into the buffer. False: lba_ is the one that could not be read.
bool AtaDisk::read_piece() {
  const u32 count = piece_sectors();
  if (count == 0) return false;
  const std::span<u8> piece = fresh_buffer(count * kSectorBytes);
  if (!backend_.read(lba_, piece)) {
    // The host said only that there is a bad one among them.
    for (u32 i = 1; i < count && backend_.read(lba_, piece.first(kSectorBytes)); ++i) ++lba_;
    return false;
  }
  lba_ += count;
  remaining_ -= count;
  count_sectors(count);
  return true;
}

bool AtaDisk::write_piece() {
  const u32 count = static_cast<u32>(buffer().size() / kSectorBytes);
  if (count == 0 || backend_.is_read_only()) return false;
  if (!backend_.write(lba_, std::span(buffer()).first(count * kSectorBytes))) return false;
  lba_ += count;
  remaining_ -= count;
  count_sectors(count);
  return true;
}

/// The task file names the last sector, and that none is left.
void AtaDisk::finish_transfer() {
  show_address(lba_ - 1);
  set_reg(kCount, 0);
  if (addressing_ == Addressing::Extended) set_old_reg(kCount, 0);
}

void AtaDisk::fail_at_address(u8 error) {
  show_address(lba_);
  finish_with_error(error);
}

// --- TRIM ---

/// @source  ATA8-ACS, "DATA SET MANAGEMENT"
void AtaDisk::begin_trim() {
  const u32 pages = reg(kCount) | u32{old_reg(kCount)} << 8;
  const bool is_trim = (reg(kErrorFeatures) & 1) != 0;
  if (!is_trim || pages == 0 || pages > kMostTrimPages || backend_.is_read_only()) {
    return fail_later(kAbrt);
  }
  addressing_ = Addressing::Extended;
  standby_ = false;
  remaining_ = pages;
  block_ = pages;
  task_ = Task::Trim;
  fresh_buffer(0);
  be_busy(kCommandNs);
}

void AtaDisk::trim() {
  if (buffer().empty()) {
    const size_t size = std::min(remaining_, kMostTrimPages) * kSectorBytes;
    fresh_buffer(size);
    return open_dma(DmaWish::FromHost, size);
  }
  // Each entry: 48 bits of address, 16 of count; a count of zero is padding.
  for (size_t at = 0; at + 8 <= buffer().size(); at += 8) {
    u64 entry = 0;
    std::memcpy(&entry, buffer().data() + at, 8);
    const u64 lba = entry & 0xffff'ffff'ffff;
    const u64 count = entry >> 48;
    if (count == 0) continue;
    lba_ = lba;
    if (!in_range(lba, count)) return fail_at_address(kIdnf);
    if (!backend_.discard(lba, count)) return fail_at_address(kAbrt);
  }
  finish();
}

}  // namespace doppel::devices
