#include "devices/ide_drive.h"

#include <algorithm>

namespace doppel::devices {

using namespace ata;

namespace {

/// Real drives take milliseconds; nothing but waiting happens in them.
constexpr u64 kResetNs = 100'000;

}  // namespace

void IdeDrive::plug(IdeCable& cable, unsigned unit) {
  cable_ = &cable;
  unit_ = unit;
}

// --- Registers ---

u8 IdeDrive::read_register(unsigned index, bool hob) const {
  switch (index) {
    case kErrorFeatures:
      return error_;
    case kCount:
    case kLbaLow:
    case kLbaMid:
    case kLbaHigh:
      return hob ? previous_[index] : current_[index];
    case kDevice:
      // Whoever reads has selected this drive.
      return static_cast<u8>((device_ & ~kDeviceSelect) | (unit_ != 0 ? kDeviceSelect : 0));
    default:
      return 0xff;
  }
}

/// The standard leaves open what a write to a busy drive does: here nothing.
void IdeDrive::write_register(unsigned index, u8 value) {
  if (phase_ != Phase::Idle) return;
  if (index == kDevice) {
    device_ = static_cast<u8>(value | kDeviceObsolete);
  } else if (index >= kErrorFeatures && index <= kLbaHigh) {
    previous_[index] = current_[index];
    current_[index] = value;
  }
}

void IdeDrive::command(u8 code) {
  if (phase_ != Phase::Idle && !(is_packet_device() && code == kDeviceReset)) return;
  set_interrupt(false);
  error_ = 0;
  execute(code);
}

void IdeDrive::set_interrupt(bool level) {
  if (interrupt_ == level) return;
  interrupt_ = level;
  cable_->interrupt_changed();
}

// --- Phases ---

void IdeDrive::be_busy(u64 delay_ns) {
  phase_ = Phase::Busy;
  status_ = kBsy;
  cable_->call_back(unit_, delay_ns);
}

void IdeDrive::finish_quietly() {
  phase_ = Phase::Idle;
  status_ = kDrdy | kDsc;
}

void IdeDrive::finish() {
  finish_quietly();
  set_interrupt(true);
}

void IdeDrive::finish_with_error(u8 error) {
  phase_ = Phase::Idle;
  status_ = kDrdy | kDsc | kErr;
  error_ = error;
  set_interrupt(true);
}

std::span<u8> IdeDrive::fresh_buffer(size_t size_bytes) {
  buffer_.resize(std::min(size_bytes, kMostBuffered));
  position_ = end_ = 0;
  return buffer_;
}

void IdeDrive::open_pio(DmaWish direction, size_t size_bytes) {
  phase_ = direction == DmaWish::ToHost ? Phase::PioIn : Phase::PioOut;
  status_ = kDrdy | kDsc | kDrq;
  end_ = std::min(position_ + size_bytes, buffer_.size());
}

void IdeDrive::open_dma(DmaWish direction, size_t size_bytes) {
  phase_ = direction == DmaWish::ToHost ? Phase::DmaIn : Phase::DmaOut;
  // Either BSY or DRQ; BSY keeps a host from touching the data port.
  status_ = kBsy;
  end_ = std::min(position_ + size_bytes, buffer_.size());
  cable_->dma_requested();
}

IdeDrive::DmaWish IdeDrive::dma_wish() const {
  if (phase_ == Phase::DmaIn) return DmaWish::ToHost;
  if (phase_ == Phase::DmaOut) return DmaWish::FromHost;
  return DmaWish::None;
}

void IdeDrive::dma_moved(size_t size_bytes) {
  position_ = std::min(position_ + size_bytes, end_);
  if (position_ == end_) transfer_done();
}

/// No data, or the last bytes of a block that is not a multiple of the access.
u64 IdeDrive::read_last_data(Width width) {
  if (phase_ != Phase::PioIn) return all_ones(width);
  u64 value = 0;
  for (unsigned i = 0; position_ < end_; ++i) value |= u64{buffer_[position_++]} << (8 * i);
  transfer_done();
  return value;
}

void IdeDrive::write_last_data(Width, u64 value) {
  if (phase_ != Phase::PioOut) return;
  for (unsigned i = 0; position_ < end_; ++i)
    buffer_[position_++] = static_cast<u8>(value >> (8 * i));
  transfer_done();
}

void IdeDrive::delay_over() {
  if (phase_ != Phase::Busy) return;
  if (!resetting_) {
    proceed();
    return;
  }
  resetting_ = false;
  show_signature();
  set_interrupt(interrupt_after_reset_);
}

// --- Resets ---

/// @source  ATA/ATAPI-7 Vol. 2, "Signature and persistence"
void IdeDrive::show_signature() {
  phase_ = Phase::Idle;
  // A packet device shows DRDY only after a command was given to it.
  status_ = is_packet_device() ? 0 : kDrdy | kDsc;
  error_ = kDiagnosticsPassed;
  device_ = kDeviceObsolete;
  current_ = previous_ = {};
  current_[kCount] = current_[kLbaLow] = 1;
  current_[kLbaMid] = is_packet_device() ? 0x14 : 0x00;
  current_[kLbaHigh] = is_packet_device() ? 0xeb : 0x00;
}

void IdeDrive::begin_reset() {
  cable_->cancel_call(unit_);
  set_interrupt(false);
  forget_command();
  fresh_buffer(0);
  phase_ = Phase::Busy;
  status_ = kBsy;
  resetting_ = true;
  interrupt_after_reset_ = false;
}

void IdeDrive::end_reset(AfterReset after) {
  interrupt_after_reset_ = after == AfterReset::Interrupt;
  be_busy(kResetNs);
}

void IdeDrive::power_on() {
  begin_reset();
  resetting_ = false;
  dma_mode_ = 0;
  show_signature();
}

/// @source  ATA/ATAPI-7 Vol. 1, "SET FEATURES", "Set transfer mode"
bool IdeDrive::set_transfer_mode(u8 mode) {
  const bool is_pio = mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c);
  const bool is_dma = (mode >= 0x20 && mode <= 0x22) || (mode >= 0x40 && mode <= 0x45);
  if (is_dma) dma_mode_ = mode;
  return is_pio || is_dma;
}

// --- Saved state ---

void IdeDrive::serialize_buffer(Archive& archive) {
  u64 size = buffer_.size();
  u64 position = position_;
  u64 end = end_;
  archive(size, position, end);
  if (archive.is_loading()) {
    if (size > kMostBuffered || position > end || end > size) {
      archive.fail("an IDE drive's buffer is not as it can be");
      size = position = end = 0;
      phase_ = Phase::Idle;
    }
    buffer_.resize(size);
    position_ = position;
    end_ = end;
  }
  if (!buffer_.empty()) archive.raw(buffer_.data(), buffer_.size());
}

void IdeDrive::serialize(Archive& archive) {
  archive(phase_, status_, error_, device_, current_, previous_, interrupt_, resetting_,
          interrupt_after_reset_, dma_mode_);
  if (phase_ > Phase::DmaOut) {
    archive.fail("an IDE drive is in a phase that does not exist");
    phase_ = Phase::Idle;
  }
  serialize_buffer(archive);
}

}  // namespace doppel::devices
