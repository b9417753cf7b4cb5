#include "devices/ide_bus_master.h"

#include <algorithm>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr unsigned kBmic = 0;
constexpr unsigned kBmis = 2;
constexpr unsigned kBmidtp = 4;

constexpr u8 kBmicStart = 0x01;
constexpr u8 kBmicToMemory = 0x08;  // RWCON: the bus master writes memory.
constexpr u8 kBmicKept = kBmicStart | kBmicToMemory;
constexpr u8 kBmisActive = 0x01;
constexpr u8 kBmisError = 0x02;
constexpr u8 kBmisInterrupt = 0x04;
constexpr u8 kBmisCapable = 0x60;

constexpr u32 kDescriptorBytes = 8;
constexpr u32 kWholeRegion = 0x1'0000;

}  // namespace

u8 IdeBusMaster::read_byte(unsigned offset) const {
  switch (offset) {
    case kBmic:
      return command_;
    case kBmis:
      return static_cast<u8>(capable_ | (active_ ? kBmisActive : 0) | (error_ ? kBmisError : 0) |
                             (interrupt_ ? kBmisInterrupt : 0));
    case kBmidtp:
    case kBmidtp + 1:
    case kBmidtp + 2:
    case kBmidtp + 3:
      return static_cast<u8>(table_ >> (8 * (offset - kBmidtp)));
    default:
      return 0;  // Reserved registers of the block read as zeros.
  }
}

void IdeBusMaster::write_byte(unsigned offset, u8 value) {
  switch (offset) {
    case kBmic: {
      const bool was_started = (command_ & kBmicStart) != 0;
      const bool is_started = (value & kBmicStart) != 0;
      command_ = value & kBmicKept;
      if (!was_started && is_started) {
        active_ = true;
        next_ = table_;
        left_ = 0;
        is_last_ = false;
      } else if (!is_started) {
        // A stopped transfer cannot be resumed: the next start begins with the table again.
        active_ = false;
      }
      break;
    }
    case kBmis:
      capable_ = value & kBmisCapable;
      if ((value & kBmisError) != 0) error_ = false;
      if ((value & kBmisInterrupt) != 0) interrupt_ = false;
      break;
    case kBmidtp:
    case kBmidtp + 1:
    case kBmidtp + 2:
    case kBmidtp + 3: {
      const unsigned shift = 8 * (offset - kBmidtp);
      table_ = ((table_ & ~(u32{0xff} << shift)) | u32{value} << shift) & ~u32{3};
      break;
    }
    default:
      break;
  }
}

bool IdeBusMaster::serves(IdeDrive::DmaWish wish) const {
  if (!enabled_ || !active_ || wish == IdeDrive::DmaWish::None) return false;
  // Drive and bus master that disagree about the direction wait for each other.
  return (wish == IdeDrive::DmaWish::ToHost) == ((command_ & kBmicToMemory) != 0);
}

/// False: there is no memory where the descriptor should be, as after a master abort.
bool IdeBusMaster::fetch_descriptor() {
  const PhysAddr at(next_);
  if (!memory_.is_ram(at)) {
    error_ = true;
    active_ = false;
    return false;
  }
  const u32 address = memory_.read<u32>(at);
  const u32 control = memory_.read<u32>(PhysAddr(u64{next_} + 4));
  next_ += kDescriptorBytes;
  address_ = address & ~u32{1};
  left_ = control & 0xfffe;
  if (left_ == 0) left_ = kWholeRegion;
  is_last_ = bit(control, 31);
  return true;
}

/// Simplified: a region that crosses 64 KiB goes on behind the boundary; the chip's counter has 16
/// bits and would come back to its beginning. Regions without memory swallow data.
size_t IdeBusMaster::move(IdeDrive::DmaWish wish, std::span<u8> piece) {
  size_t moved = 0;
  while (moved < piece.size() && active_) {
    if (left_ == 0 && !fetch_descriptor()) break;
    const size_t size = std::min<size_t>(left_, piece.size() - moved);
    const auto part = piece.subspan(moved, size);
    if (wish == IdeDrive::DmaWish::ToHost) {
      memory_.write_bytes(PhysAddr(address_), part);
    } else {
      memory_.read_bytes(PhysAddr(address_), part);
    }
    moved += size;
    address_ += static_cast<u32>(size);
    left_ -= static_cast<u32>(size);
    if (left_ == 0 && is_last_) active_ = false;
  }
  return moved;
}

void IdeBusMaster::reset() {
  command_ = capable_ = 0;
  active_ = error_ = interrupt_ = is_last_ = false;
  table_ = next_ = address_ = left_ = 0;
}

void IdeBusMaster::serialize(Archive& archive) {
  archive(command_, capable_, active_, error_, interrupt_, table_, next_, address_, left_,
          is_last_);
  if (left_ > kWholeRegion) {
    archive.fail("an IDE bus master's region is larger than it can be");
    left_ = 0;
  }
}

}  // namespace doppel::devices
