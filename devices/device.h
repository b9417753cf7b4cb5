#pragma once

#include <string_view>

#include "cpu/base/archive.h"

namespace doppel::devices {

/// Anything with state that a reset restores and a snapshot keeps.
class Device {
 public:
  virtual ~Device() = default;
  /// The section's name in saved state; unique on the board ("uart0").
  virtual std::string_view name() const = 0;
  /// As the RESET pin does; also called once before the machine starts.
  virtual void reset() = 0;
  /// Saves or loads everything the guest could tell apart.
  virtual void serialize(Archive& archive) = 0;
};

}  // namespace doppel::devices
