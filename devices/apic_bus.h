#pragma once

// How interrupt messages travel: from the I/O APIC and from processors to local APICs, and ends of
// interrupt back to the I/O APIC.
//
// Every local APIC is asked whether a message is for it, so physical, logical and broadcast
// destinations need no table, and the number of processors is just the number attached.

#include <vector>

#include "cpu/base/types.h"

namespace doppel::devices {

class LocalApic;

/// @source  Intel SDM Vol. 3A, "Interrupt Command Register (ICR)", Delivery Mode
enum class DeliveryMode : u8 {
  Fixed = 0,
  LowestPriority = 1,
  Smi = 2,
  Nmi = 4,
  Init = 5,
  Startup = 6,
  ExtInt = 7,
};

struct ApicMessage {
  static constexpr u32 kBroadcast = 0xffff'ffff;

  DeliveryMode mode = DeliveryMode::Fixed;
  u8 vector = 0;
  bool level_triggered = false;
  bool logical = false;
  /// APIC id, or logical destination; kBroadcast reaches all of them.
  u32 destination = 0;
};

/// Who keeps a remote IRR that an end of interrupt clears.
class EndOfInterruptListener {
 public:
  virtual ~EndOfInterruptListener() = default;
  virtual void end_of_interrupt(u8 vector) = 0;
};

class ApicBus {
 public:
  /// Attached parts must outlive the bus's use.
  void attach(LocalApic& apic) { apics_.push_back(&apic); }
  void attach(EndOfInterruptListener& listener) { listeners_.push_back(&listener); }

  /// Delivers to everyone addressed (to one of them for lowest priority). True if anybody took it.
  bool send(const ApicMessage& message);
  /// To all, except `sender` if one is named.
  void send_to_all(const ApicMessage& message, const LocalApic* except);
  /// A level-triggered interrupt was completed by some processor.
  void broadcast_end_of_interrupt(u8 vector);

 private:
  std::vector<LocalApic*> apics_;
  std::vector<EndOfInterruptListener*> listeners_;
};

}  // namespace doppel::devices
