#pragma once

#include "cpu/base/types.h"

namespace doppel::devices {

/// Where a card's message-signalled interrupts go: a store of four bytes that the bus carries to
/// whoever is at the address, which is a local APIC for FEExxxxxh.
class MessageInterrupts {
 public:
  virtual ~MessageInterrupts() = default;
  virtual void message(u64 address, u32 data) = 0;
};

}  // namespace doppel::devices
