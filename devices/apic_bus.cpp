#include "devices/apic_bus.h"

#include "devices/lapic.h"

namespace doppel::devices {

bool ApicBus::send(const ApicMessage& message) {
  if (message.mode == DeliveryMode::LowestPriority) {
    // Among equals the lowest id, so that a run repeats exactly.
    LocalApic* best = nullptr;
    for (LocalApic* apic : apics_) {
      if (!apic->is_addressed(message) || !apic->software_enabled()) continue;
      if (best == nullptr || apic->arbitration_priority() < best->arbitration_priority()) {
        best = apic;
      }
    }
    return best != nullptr && best->accept(message);
  }
  bool taken = false;
  for (LocalApic* apic : apics_) {
    if (apic->is_addressed(message) && apic->accept(message)) taken = true;
  }
  return taken;
}

void ApicBus::send_to_all(const ApicMessage& message, const LocalApic* except) {
  for (LocalApic* apic : apics_) {
    if (apic != except && apic->hardware_enabled()) apic->accept(message);
  }
}

void ApicBus::broadcast_end_of_interrupt(u8 vector) {
  for (EndOfInterruptListener* listener : listeners_) listener->end_of_interrupt(vector);
}

}  // namespace doppel::devices
