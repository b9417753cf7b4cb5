#pragma once

// From a card's message to the local APICs.
//
// The chipset takes stores of cards to FEE00000h-FEEFFFFFh off the bus and makes interrupt messages
// of them; who is meant is in the address, which interrupt in the data:
//
//     address   31-20 FEEh | 19-12 destination | 3 redirection hint | 2 logical
//     data      15 level triggered | 14 asserted | 10-8 delivery mode | 7-0 vector
//
// All other addresses are what any store of a card is: memory.

#include "devices/apic_bus.h"
#include "devices/message_interrupt.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// @source  Intel SDM Vol. 3A, "Message Signalled Interrupts", "Message Address Register Format",
///          "Message Data Register Format"
class ApicMessages final : public MessageInterrupts {
 public:
  /// Both must outlive this.
  ApicMessages(ApicBus& bus, mmu::PhysicalMemory& memory) : bus_(bus), memory_(memory) {}

  void message(u64 address, u32 data) override;

 private:
  ApicBus& bus_;
  mmu::PhysicalMemory& memory_;
};

}  // namespace doppel::devices
