#pragma once

// When an e1000 interrupts: causes, mask, and two ways to interrupt less often.
//
//     a frame --(RDTR, RADV or TIDV, TADV)--> cause in ICR --(& IMS)--(ITR)--> line
//
// The delay timers gather frames before there is a cause; the throttle keeps a pause between one
// interrupt and the next, whatever the causes are.

#include <functional>
#include <string>

#include "cpu/base/archive.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// A packet timer, which every frame starts anew, and an absolute one, which the first frame starts.
/// @source  Intel 8254x Software Developer's Manual, "Receive Interrupts" (3.2.7) and "Delayed
///          Transmit Interrupts" (3.4.4)
class E1000Delay {
 public:
  /// `expired` runs when the frames since the last time are to be told.
  E1000Delay(Scheduler& scheduler, std::string name, std::function<void()> expired);

  /// RDTR or TIDV, RADV or TADV: in units of 1.024 us, 16 bits.
  u32 packet() const { return packet_; }
  u32 absolute() const { return absolute_; }
  void set_packet(u32 value) { packet_ = static_cast<u16>(value); }
  void set_absolute(u32 value) { absolute_ = static_cast<u16>(value); }

  /// A frame that may wait.
  void start();
  /// A frame that may not, and takes those before it along.
  void flush();
  bool running() const { return scheduler_.is_scheduled(event_); }

  void reset();
  void serialize(Archive& archive) { archive(packet_, absolute_, limit_ns_); }

 private:
  Scheduler& scheduler_;
  std::function<void()> expired_;
  Scheduler::EventId event_;
  u16 packet_ = 0;
  u16 absolute_ = 0;
  u64 limit_ns_ = 0;  // While running: when the absolute timer ends.
};

/// @source  Intel 8254x Software Developer's Manual, "Interrupt Cause Read Register" (13.4.17) to
///          "Interrupt Mask Clear Register" (13.4.21)
class E1000Interrupts {
 public:
  E1000Interrupts(Scheduler& scheduler, const std::string& card, IrqLine& line);

  /// Sets causes (bits of ICR).
  void raise(u32 causes);
  /// What is set goes when it is read.
  u32 read_icr();
  void clear(u32 causes);
  u32 mask() const { return mask_; }
  void set_mask(u32 mask);
  u32 throttle() const { return throttle_; }
  void set_throttle(u32 value) { throttle_ = static_cast<u16>(value); }
  /// The command register lets the function interrupt.
  void set_enabled(bool enabled);

  void reset();
  void serialize(Archive& archive);

 private:
  void update();

  Scheduler& scheduler_;
  IrqLine& line_;
  Scheduler::EventId event_;
  u32 causes_ = 0;
  u32 mask_ = 0;
  u16 throttle_ = 0;  // ITR, in units of 256 ns.
  bool enabled_ = true;
  bool asserted_ = false;
  u64 next_ns_ = 0;  // Not before this moment.
};

}  // namespace doppel::devices
