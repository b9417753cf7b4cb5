#pragma once

// One of the three bus masters of an AC'97 controller: PCM in, PCM out, microphone.
//
//     BDBAR -> | address | samples, IOC, BUP |  0      CIV is the descriptor at work, PICB the
//              | address | samples, IOC, BUP |  1      samples it has left, LVI the last one that
//              |   ...                       | 31      software has filled. Behind 31 comes 0.
//
// Samples leave at the codec's rate whether anybody looks or not. The channel is brought up to
// date when a register is read, when something is written, and at the end of every buffer.

#include <array>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/audio.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// @source  Intel 82801AA (ICH) data sheet, "AC '97 Audio Controller Registers"; Intel, "AC '97
/// Programmer's Reference Manual", "DMA Engine"
class Ac97Channel {
 public:
  static constexpr unsigned kRegisterBytes = 0x10;
  enum class Direction : u8 { FromMemory, ToMemory };

  Ac97Channel(mmu::PhysicalMemory& memory, Direction direction)
      : memory_(memory), direction_(direction) {}

  u8 read_byte(unsigned offset) const;
  /// Only after advance().
  void write_byte(unsigned offset, u8 value, u64 now_ns);

  /// Moves what is due at `now_ns`. Frames of an output are appended to `frames`; `is_master`: the
  /// function may use the bus, otherwise there is silence.
  void advance(u64 now_ns, bool is_master, std::vector<AudioFrame>* frames);
  /// The moment at which the next frame is moved.
  u64 position_ns() const;
  /// When the present buffer ends; ~0: nothing runs.
  u64 end_ns() const;
  bool is_running() const { return (control_ & kRun) != 0 && !halted_; }
  /// Takes effect with the next frame.
  void set_rate(unsigned rate_hz, u64 now_ns);
  unsigned rate_hz() const { return rate_hz_; }
  /// Something that software wants to be interrupted for.
  bool interrupts() const;

  /// As the RESET pin does. (RR, by software, leaves the interrupt enables as they are.)
  void reset();
  /// `now_ns`: what is saved cannot lie behind it.
  void serialize(Archive& archive, u64 now_ns);

 private:
  static constexpr u8 kRun = 0x01;
  static constexpr unsigned kDescriptors = 32;

  void reset_registers();
  void fetch_descriptor();
  void next_descriptor();
  void finish_buffer();
  void begin_at(u64 now_ns);
  void move(u64 count, bool is_master, std::vector<AudioFrame>* frames);

  mmu::PhysicalMemory& memory_;
  Direction direction_;
  u32 table_ = 0;
  u8 current_ = 0;     // CIV
  u8 last_valid_ = 0;  // LVI
  u8 prefetched_ = 0;  // PIV
  u16 samples_left_ = 0;
  u8 control_ = 0;
  u8 status_ = 0;  // The three that are cleared by writing ones.
  bool halted_ = true;
  bool at_last_ = false;  // CELV
  bool loaded_ = false;   // `current_` was fetched.
  u32 address_ = 0;
  bool interrupts_at_end_ = false;
  // Time: since `begun_ns_`, `moved_` frames have gone.
  u32 rate_hz_ = 48000;
  u64 begun_ns_ = 0;
  u64 moved_ = 0;
};

}  // namespace doppel::devices
