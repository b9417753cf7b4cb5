// What the floppy controller does with sectors: its execution phase.
//
// A sector arrives under the head with each run of the transfer event. By DMA it is moved and done
// with there and then. Without DMA it waits in the buffer until the processor has fetched (or
// brought) the last of its bytes at the FIFO; then the next one is waited for.
//
//     start -> (event) find the sector -> move it by DMA ------------> passed -> next, or result
//                                      -> processor at the FIFO ... -> passed
//
// TC from the DMA controller ends a command well. Reaching the last sector (EOT) without TC is what
// the data sheet calls an error, and without DMA there is no TC on a PC: drivers know.

#include <algorithm>

#include "devices/floppy_82077.h"
#include "devices/floppy_status.h"

namespace doppel::devices {

using namespace floppy;

namespace {

constexpr u64 kStartNs = 100'000;
constexpr u64 kSectorNs = 20'000;
/// One turn of a disk at 300 rpm: which sector READ ID meets depends on when it looks.
constexpr u64 kTurnNs = 200'000'000;

/// N of a sector of 512 bytes; an image has no others.
constexpr u8 kSizeCode512 = 2;
constexpr unsigned kIdBytes = 4;

// CONFIGURE and SPECIFY bits that a transfer depends on.
constexpr u8 kImpliedSeek = 0x40;
constexpr u8 kSpecifyNonDma = 0x01;
/// VERIFY's second byte: SC sectors are verified, up to EOT otherwise.
constexpr u8 kEnableCount = 0x80;

}  // namespace

bool Floppy82077::is_write() const {
  const FloppyCommand running = command();
  return running == FloppyCommand::WriteData || running == FloppyCommand::WriteDeletedData ||
         running == FloppyCommand::FormatTrack;
}

bool Floppy82077::is_multi_track() const {
  return (command_[0] & kMultiTrack) != 0 && command() != FloppyCommand::ReadTrack;
}

bool Floppy82077::uses_dma() const { return (specify_[1] & kSpecifyNonDma) == 0; }

/// A sector's data, or what FORMAT TRACK is given for each sector: C, H, R, N.
unsigned Floppy82077::buffer_bytes() const {
  return command() == FloppyCommand::FormatTrack ? kIdBytes : kSectorBytes;
}

void Floppy82077::start_transfer() {
  transfer_ = {};
  transfer_.head = command_[1] >> 2 & 1;
  const FloppyCommand running = command();
  if (running == FloppyCommand::FormatTrack) {
    transfer_.n = command_[2];
    last_eot_ = command_[3];
  } else if (running != FloppyCommand::ReadId) {
    transfer_.c = command_[2];
    transfer_.h = command_[3];
    transfer_.r = command_[4];
    transfer_.n = command_[5];
    last_eot_ = command_[6];
    if ((configuration_ & kImpliedSeek) != 0 && running != FloppyCommand::ReadTrack) {
      if (FloppyDrive* selected = drive(unit())) selected->step(int{transfer_.c} - pcn_[unit()]);
      pcn_[unit()] = transfer_.c;
    }
  }
  phase_ = Phase::Execution;
  scheduler_.schedule(transfer_event_, scheduler_.now_ns() + kStartNs);
}

void Floppy82077::continue_transfer() {
  // A saved state may have an event without a command.
  if (phase_ != Phase::Execution || transfer_.host_moves) return;
  if (!find_track()) return finish(kSt0Abnormal);
  switch (command()) {
    case FloppyCommand::ReadId:
      return read_id();
    case FloppyCommand::FormatTrack:
      return format_sector();
    default:
      return next_sector();
  }
}

// --- Finding ----------------------------------------------------------------------------------

/// Is there anything below this head, and may it be written if it is to be? All formats are MFM.
///
/// Simplified: without a disk there are no index pulses either, and the chip waits for ever. Here
/// it finds no address mark, as if the disk were blank.
bool Floppy82077::find_track() {
  const FloppyDrive* selected = drive(unit());
  if (selected == nullptr || (command_[0] & kMfm) == 0 ||
      !selected->finds_ids(transfer_.head, rate_)) {
    transfer_.st1 |= kSt1MissingAddressMark;
    return false;
  }
  if (is_write() && selected->is_write_protected()) {
    transfer_.st1 |= kSt1NotWritable;
    return false;
  }
  return true;
}

/// Compares the ID that is looked for with those that pass.
bool Floppy82077::find_sector() {
  const FloppyDrive* selected = drive(unit());
  if (transfer_.c != selected->cylinder()) transfer_.st2 |= kSt2WrongCylinder;
  if (transfer_.c == selected->cylinder() && transfer_.h == transfer_.head &&
      transfer_.n == kSizeCode512 && transfer_.r != 0 &&
      transfer_.r <= selected->geometry()->sectors_per_track) {
    return true;
  }
  transfer_.st1 |= kSt1NoData;
  return false;
}

void Floppy82077::read_id() {
  const FloppyDrive* selected = drive(unit());
  const unsigned sectors = selected->geometry()->sectors_per_track;
  transfer_.c = static_cast<u8>(selected->cylinder());
  transfer_.h = transfer_.head;
  transfer_.r = static_cast<u8>(1 + scheduler_.now_ns() % kTurnNs * sectors / kTurnNs);
  transfer_.n = kSizeCode512;
  finish(kSt0Normal);
}

// --- Sectors ----------------------------------------------------------------------------------

void Floppy82077::next_sector() {
  // READ TRACK takes sectors as they come after the index hole and only notes that IDs differ.
  if (!find_sector() && command() != FloppyCommand::ReadTrack) return finish(kSt0Abnormal);
  if (!is_write()) return read_sector();
  if (uses_dma()) {
    write_sector(move_by_dma());
  } else {
    wait_for_host();
  }
}

void Floppy82077::read_sector() {
  FloppyDrive& selected = *drive(unit());
  const FloppyCommand running = command();
  // Simplified: an image has no deleted sectors, so all are the wrong kind for this command. With
  // SK they are passed over, without it the first one is read and is the last.
  if (running == FloppyCommand::ReadDeletedData) {
    transfer_.st2 |= kSt2ControlMark;
    if ((command_[0] & kSkip) != 0) return sector_passed(false);
  }
  const unsigned sector = running == FloppyCommand::ReadTrack
                              ? 1u + transfer_.done % selected.geometry()->sectors_per_track
                              : transfer_.r;
  if (!selected.read(transfer_.head, sector, buffer())) {
    transfer_.st1 |= kSt1DataError;
    transfer_.st2 |= kSt2DataErrorInDataField;
    return finish(kSt0Abnormal);
  }
  if (running == FloppyCommand::Verify) return sector_passed(false);
  if (!uses_dma()) return wait_for_host();
  const DmaMoved moved = move_by_dma();
  if (moved.bytes < buffer_bytes() && !moved.terminal_count) {
    transfer_.st1 |= kSt1Overrun;  // Nobody took the bytes.
    return finish(kSt0Abnormal);
  }
  sector_passed(moved.terminal_count);
}

/// Stores what the buffer holds: a sector, the rest of it zeros if TC came early, or a sector's ID.
void Floppy82077::write_sector(DmaMoved moved) {
  FloppyDrive& selected = *drive(unit());
  if (moved.bytes < buffer_bytes()) {
    if (!moved.terminal_count) {
      transfer_.st1 |= kSt1Overrun;
      return finish(kSt0Abnormal);
    }
    std::ranges::fill(buffer().subspan(moved.bytes), u8{0});
  }
  bool stored = true;
  if (command() != FloppyCommand::FormatTrack) {
    // Simplified: WRITE DELETED DATA leaves ordinary sectors, since an image has no address marks.
    stored = selected.write(transfer_.head, transfer_.r, buffer());
  } else {
    transfer_.c = transfer_.buffer[0];
    transfer_.h = transfer_.buffer[1];
    transfer_.r = transfer_.buffer[2];
    // Simplified: a sector with an ID that the image's format has no place for is lost.
    const bool fits = transfer_.n == kSizeCode512 && transfer_.n == transfer_.buffer[3] &&
                      transfer_.c == selected.cylinder() && transfer_.h == transfer_.head &&
                      transfer_.r != 0 && transfer_.r <= selected.geometry()->sectors_per_track;
    std::array<u8, kSectorBytes> filled;
    filled.fill(command_[5]);
    stored = !fits || selected.write(transfer_.head, transfer_.r, filled);
  }
  if (!stored) {
    // The host could not. Drives report nothing while they write; a bad checksum tells it best.
    transfer_.st1 |= kSt1DataError;
    transfer_.st2 |= kSt2DataErrorInDataField;
    return finish(kSt0Abnormal);
  }
  sector_passed(moved.terminal_count);
}

/// FORMAT TRACK: asks for the next ID until SC sectors are laid out or the index hole returns.
void Floppy82077::format_sector() {
  const unsigned count =
      std::min<unsigned>(command_[3], drive(unit())->geometry()->sectors_per_track);
  if (transfer_.done >= count) return finish(kSt0Normal);
  if (uses_dma()) {
    write_sector(move_by_dma());
  } else {
    wait_for_host();
  }
}

/// One sector is done with: goes to the next or ends the command.
void Floppy82077::sector_passed(bool terminal_count) {
  ++transfer_.done;
  const u8 eot = command_[6];
  bool ends = terminal_count;
  switch (command()) {
    case FloppyCommand::FormatTrack:
      if (ends) return finish(kSt0Normal);
      return await_sector();
    case FloppyCommand::ReadTrack:
      ++transfer_.r;
      if (ends || transfer_.done >= (eot == 0 ? 256u : eot)) return finish(kSt0Normal);
      return await_sector();
    case FloppyCommand::Verify:
      // Counts by itself, or takes EOT for the end that is wanted.
      ends = (command_[1] & kEnableCount) != 0
                 ? transfer_.done >= (command_[8] == 0 ? 256u : command_[8])
                 : is_end_of_cylinder();
      break;
    case FloppyCommand::ReadDeletedData:
      ends = ends || (command_[0] & kSkip) == 0;
      break;
    default:
      break;
  }
  const bool is_too_long = is_end_of_cylinder() && !ends;
  if (is_too_long) transfer_.st1 |= kSt1EndOfCylinder;
  const u8 head = transfer_.head;
  advance_id();
  if (!ends && !is_too_long) return await_sector();
  transfer_.head = head;  // ST0 tells the side that was read last.
  finish(is_too_long ? kSt0Abnormal : kSt0Normal);
}

void Floppy82077::await_sector() {
  scheduler_.schedule(transfer_event_, scheduler_.now_ns() + kSectorNs);
}

bool Floppy82077::is_end_of_cylinder() const {
  return transfer_.r == command_[6] && (!is_multi_track() || transfer_.head == 1);
}

/// The ID after this one; with MT the other side of the cylinder belongs to it.
/// @source  Intel 82077AA data sheet, "Result Phase Table" (table 5-6)
void Floppy82077::advance_id() {
  if (transfer_.r != command_[6]) {
    ++transfer_.r;
    return;
  }
  transfer_.r = 1;
  if (!is_multi_track() || transfer_.head == 1) ++transfer_.c;
  if (!is_multi_track()) return;
  transfer_.h ^= 1;
  transfer_.head ^= 1;
}

/// Fills or empties the buffer. With DOR's gate closed nobody hears DRQ.
DmaMoved Floppy82077::move_by_dma() {
  if (!is_on_bus()) return {};
  return is_write() ? dma_.read_memory(buffer()) : dma_.write_memory(buffer());
}

// --- The processor at the FIFO ----------------------------------------------------------------

void Floppy82077::wait_for_host() {
  transfer_.position = 0;
  transfer_.host_moves = true;
  raise_interrupt();
}

/// A byte was moved. Simplified: each has its interrupt, where with the FIFO on (CONFIGURE) there
/// would be one for several; and a processor that is late loses nothing.
void Floppy82077::host_moved_byte() {
  lower_interrupt();
  if (transfer_.position < buffer_bytes()) return raise_interrupt();
  transfer_.position = 0;
  transfer_.host_moves = false;
  if (!is_write()) return sector_passed(false);
  // The disk may have been taken out, or changed, while the bytes were brought.
  if (!find_track()) return finish(kSt0Abnormal);
  write_sector({.bytes = buffer_bytes(), .terminal_count = false});
}

void Floppy82077::finish(u8 interrupt_code) {
  const u8 st0 = static_cast<u8>(interrupt_code | transfer_.head << kSt0HeadShift | unit());
  start_result(std::array<u8, 7>{st0, transfer_.st1, transfer_.st2, transfer_.c, transfer_.h,
                                 transfer_.r, transfer_.n});
  raise_interrupt();
}

}  // namespace doppel::devices
