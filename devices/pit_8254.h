#pragma once

// The interval timer: three counters at 1.193182 MHz, and the port that shows the third.
//
// Counters are not stepped. Each keeps its state as of some tick and is brought forward by n ticks
// in closed form when somebody looks or an edge of counter 0 is due. Ticks are derived from virtual
// time with 128-bit arithmetic, so they do not drift however long the machine runs.

#include <array>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// One counter of an 8254.
/// @source  Intel 8254 data sheet, "Mode Definitions", "Read/Write Operations"
class PitCounter {
 public:
  /// `tick`: now, in periods of CLK.
  void reset(u64 tick);
  void write_control(u8 value, u64 tick);
  void write_count(u8 value, u64 tick);
  u8 read_count(u64 tick);
  void latch_count(u64 tick);
  void latch_status(u64 tick);
  void set_gate(bool level, u64 tick);
  bool gate() const { return gate_; }

  /// Brings the counter to `tick`; true if OUT rose on the way.
  bool advance(u64 tick);
  /// As of the tick last advanced to.
  bool output() const { return output_; }
  /// The tick of the next rising edge of OUT if nothing is written; kNoTick: none.
  u64 next_rise() const;
  static constexpr u64 kNoTick = ~u64{0};
  /// OUT goes up and down by itself.
  bool is_oscillating() const { return is_periodic() && gate_ && (counting_ || load_pending_); }

  void serialize(Archive& archive);

 private:
  bool is_periodic() const { return mode_ == 2 || mode_ == 3; }
  bool is_triggered() const { return mode_ == 1 || mode_ == 5; }
  u32 modulus() const { return bcd_ ? 10000 : 0x10000; }
  u32 initial_count() const;
  u32 half_period(bool high) const;
  u16 visible_count() const;
  u64 ticks_to_zero() const { return count_ == 0 ? modulus() : count_; }
  void count_written();
  bool load();
  bool count_down(u64 ticks);
  bool count_rate_generator(u64 ticks);
  bool count_square_wave(u64 ticks);

  u64 tick_ = 0;
  u32 count_ = 0;         // CE; in mode 3 the ticks left of this half.
  u32 loaded_count_ = 0;  // Mode 3: what CE was last loaded with.
  u16 reload_ = 0;        // CR, as written.
  u8 first_byte_ = 0;
  u16 latched_count_ = 0;
  u8 latched_bytes_ = 0;  // Bytes of the latch still to be read.
  u8 latched_status_ = 0;
  u8 mode_ = 0;
  u8 access_ = 3;  // 1: low byte, 2: high byte, 3: low then high.
  bool bcd_ = false;
  bool status_latched_ = false;
  bool write_high_ = false;  // Access 3: the next byte is the high one.
  bool read_high_ = false;
  bool null_count_ = true;    // The count written is not in CE yet.
  bool count_valid_ = false;  // A whole count was written since the control word.
  bool load_pending_ = false;
  bool counting_ = false;
  bool armed_ = false;  // Modes 4 and 5: the strobe is still to come.
  bool gate_ = true;
  bool output_ = false;
};

/// What OUT of counter 2 leads to.
class SpeakerInput {
 public:
  virtual ~SpeakerInput() = default;
  /// From now on the counter is as given, and port 61h lets its output through or not.
  virtual void counter_changed(const PitCounter& counter, bool on) = 0;
  /// The same, of a machine that was loaded: nothing changed there.
  virtual void counter_restored(const PitCounter& counter, bool on) = 0;
};

class Pit8254 final : public Device {
 public:
  static constexpr u64 kRateHz = 1193182;
  /// How many periods of CLK fit into a time.
  static u64 tick_at(u64 time_ns);

  Pit8254(Scheduler& scheduler, IrqLine& irq0);

  /// Ports 40h-43h.
  mmu::IoHandler& ports() { return ports_; }
  /// Port 61h: gate and output of counter 2, speaker, refresh toggle, NMI enables.
  mmu::IoHandler& port61() { return port61_; }
  /// Must outlive the timer.
  void connect_speaker(SpeakerInput& speaker) { speaker_ = &speaker; }

  std::string_view name() const override { return "pit"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  u64 now_tick() const;
  void update_irq(bool rose);
  u8 read_port(unsigned offset);
  void write_port(unsigned offset, u8 value);
  u8 read_port61(unsigned offset);
  void write_port61(unsigned offset, u8 value);
  bool speaker_on() const;
  void tell_speaker();

  Scheduler& scheduler_;
  IrqLine& irq0_;
  Scheduler::EventId event_;
  std::array<PitCounter, 3> counters_;
  u8 control61_ = 0;  // Bits 3..0 as written.
  SpeakerInput* speaker_ = nullptr;
  BytePorts<Pit8254> ports_;
  BytePorts<Pit8254> port61_;
};

}  // namespace doppel::devices
