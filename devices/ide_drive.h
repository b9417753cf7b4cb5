#pragma once

// What every drive on an IDE cable has: the task file, a data buffer, and a phase.
//
//                 command           delay over             host took or filled it
//     Idle ----------------> Busy ------------> PioIn, PioOut,  ------> Busy or Idle
//       ^                      |                DmaIn, DmaOut
//       +----------------------+  (no more data: status and interrupt)
//
// The kind of drive decides what a command means (execute), what happens once a delay is over
// (proceed), and what follows a piece of data (transfer_done). Everything asynchronous is a delay;
// so between two accesses of the guest a drive is at rest, and its whole state is a handful of
// numbers and the buffer.
//
// 48-bit addresses come through 8-bit registers that are two bytes deep: a write pushes the old
// byte back, and HOB in the device control register shows it.

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"
#include "devices/ide_registers.h"

namespace doppel::devices {

/// The cable, as a drive sees it.
class IdeCable {
 public:
  virtual ~IdeCable() = default;
  /// Calls the drive's delay_over() in `delay_ns`, in place of an earlier call that is outstanding.
  virtual void call_back(unsigned unit, u64 delay_ns) = 0;
  virtual void cancel_call(unsigned unit) = 0;
  /// The drive's INTRQ may have another level.
  virtual void interrupt_changed() = 0;
  /// DMARQ: the drive has data, or room for data.
  virtual void dma_requested() = 0;
};

/// @source  ATA/ATAPI-7 Vol. 2, "Register delivered data transfer command sequence"
class IdeDrive {
 public:
  /// No more than this waits in a drive, whatever a command asks for.
  static constexpr size_t kMostBuffered = size_t{256} << 10;

  explicit IdeDrive(std::string name) : name_(std::move(name)) {}
  virtual ~IdeDrive() = default;
  IdeDrive(const IdeDrive&) = delete;
  IdeDrive& operator=(const IdeDrive&) = delete;

  const std::string& name() const { return name_; }
  /// Once, before anything else: `cable` must outlive the drive.
  void plug(IdeCable& cable, unsigned unit);

  // --- What the channel passes on ---

  /// Registers 1 to 6. `hob`: the byte before the last.
  u8 read_register(unsigned index, bool hob) const;
  void write_register(unsigned index, u8 value);
  u8 status() const { return status_; }
  void command(u8 code);
  u64 read_data(Width width);
  void write_data(Width width, u64 value);

  bool interrupt() const { return interrupt_; }
  void acknowledge_interrupt() { set_interrupt(false); }

  // --- DMA ---

  enum class DmaWish : u8 { None, ToHost, FromHost };
  DmaWish dma_wish() const;
  /// What is left of the present piece: to be read or to be filled.
  std::span<u8> dma_piece() { return std::span(buffer_).subspan(position_, end_ - position_); }
  /// The first `size_bytes` of the piece went over the cable.
  void dma_moved(size_t size_bytes);

  // --- Resets ---

  /// As with power switched on: ready at once.
  virtual void power_on();
  /// SRST or the diagnostic command: whatever ran is forgotten, the drive is busy.
  void begin_reset();
  /// The drive comes back with its signature a little later.
  enum class AfterReset : u8 { Quiet, Interrupt };
  void end_reset(AfterReset after);

  /// Called by the cable when a delay is over.
  void delay_over();

  /// Sectors of 512 bytes that went from or to the medium since the drive was made.
  u64 sectors_moved() const { return sectors_moved_; }

  virtual void serialize(Archive& archive);

 protected:
  virtual void execute(u8 code) = 0;
  virtual void proceed() = 0;
  virtual void transfer_done() = 0;
  virtual void forget_command() = 0;
  virtual bool is_packet_device() const = 0;

  void be_busy(u64 delay_ns);
  /// Idle with DRDY and DSC. `finish` interrupts.
  void finish();
  void finish_quietly();
  /// As finish, with ERR and these bits in the error register.
  void finish_with_error(u8 error);
  /// The host may read or has to fill `size_bytes` from the present position of the buffer.
  void open_pio(DmaWish direction, size_t size_bytes);
  void open_dma(DmaWish direction, size_t size_bytes);
  void set_interrupt(bool level);
  /// Registers and status as a reset leaves them.
  void show_signature();
  /// SET FEATURES, set transfer mode; false if there is no such mode.
  bool set_transfer_mode(u8 mode);
  u8 dma_mode() const { return dma_mode_; }
  void count_sectors(u64 sectors) { sectors_moved_ += sectors; }

  unsigned unit() const { return unit_; }
  /// The buffer with room for `size_bytes`, and the position at its start.
  std::span<u8> fresh_buffer(size_t size_bytes);
  /// What lies beyond is not wanted.
  void shrink_buffer(size_t size_bytes) {
    if (size_bytes < buffer_.size()) buffer_.resize(size_bytes);
  }
  const std::vector<u8>& buffer() const { return buffer_; }
  size_t position() const { return position_; }

  u8 reg(unsigned index) const { return current_[index]; }
  u8 old_reg(unsigned index) const { return previous_[index]; }
  void set_reg(unsigned index, u8 value) { current_[index] = value; }
  void set_old_reg(unsigned index, u8 value) { previous_[index] = value; }
  u8 device() const { return device_; }
  void set_device(u8 value) { device_ = value; }

 private:
  enum class Phase : u8 { Idle, Busy, PioIn, PioOut, DmaIn, DmaOut };

  u64 read_last_data(Width width);
  void write_last_data(Width width, u64 value);
  void serialize_buffer(Archive& archive);

  std::string name_;
  IdeCable* cable_ = nullptr;
  unsigned unit_ = 0;
  u64 sectors_moved_ = 0;  // For a disk light: not the guest's.

  Phase phase_ = Phase::Idle;
  u8 status_ = 0;
  u8 error_ = 0;
  u8 device_ = ata::kDeviceObsolete;
  std::array<u8, 6> current_{};  // By register; the first two are features (1) and nothing (0).
  std::array<u8, 6> previous_{};
  bool interrupt_ = false;
  bool resetting_ = false;
  bool interrupt_after_reset_ = false;
  u8 dma_mode_ = 0;  // As SET FEATURES has it: 20h-22h multiword, 40h-45h ultra, 0 none.

  std::vector<u8> buffer_;
  size_t position_ = 0;  // Next byte over the cable.
  size_t end_ = 0;       // End of the present block or piece.
};

inline u64 IdeDrive::read_data(Width width) {
  const unsigned size = bytes(width);
  if (phase_ != Phase::PioIn || end_ - position_ < size) [[unlikely]]
    return read_last_data(width);
  const u8* from = buffer_.data() + position_;
  u64 value = 0;
  if (width == Width::Word) {
    std::memcpy(&value, from, 2);
  } else {
    std::memcpy(&value, from, size);
  }
  position_ += size;
  if (position_ == end_) transfer_done();
  return value;
}

inline void IdeDrive::write_data(Width width, u64 value) {
  const unsigned size = bytes(width);
  if (phase_ != Phase::PioOut || end_ - position_ < size) [[unlikely]] {
    write_last_data(width, value);
    return;
  }
  std::memcpy(buffer_.data() + position_, &value, size);
  position_ += size;
  if (position_ == end_) transfer_done();
}

}  // namespace doppel::devices
