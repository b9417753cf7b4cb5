#pragma once

// In what two machines of one configuration differ.

#include <optional>
#include <string>
#include <vector>

#include "frontend/machine.h"

namespace doppel::frontend {

class MachineDifference {
 public:
  /// Compares registers, flags, hidden parts, the count of instructions, and what chips ask of the
  /// machine. A few microseconds. Empty: no difference.
  std::optional<std::string> in_processor(const Machine& left, const Machine& right);
  /// Compares everything a guest could tell apart: all chips, time and memory too.
  std::optional<std::string> in_anything(Machine& left, Machine& right);

 private:
  std::optional<std::string> in_chips(Machine& left, Machine& right);

  std::vector<u8> left_;  // Kept for their room.
  std::vector<u8> right_;
};

/// The lines of two register dumps that are not the same, one above the other.
std::string differing_lines(const std::string& left_name, const std::string& left,
                            const std::string& right_name, const std::string& right);

}  // namespace doppel::frontend
