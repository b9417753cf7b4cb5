#pragma once

// What a network card can say of the checksums in a frame that came in.

#include <span>

#include "cpu/base/types.h"

namespace doppel::devices {

struct ReceivedChecksums {
  enum class State : u8 { Absent, Right, Wrong };
  State ip = State::Absent;         ///< The header of IPv4.
  State transport = State::Absent;  ///< TCP or UDP in a whole packet of IPv4.
};

/// `frame` without its frame check sequence; filling at its end does no harm.
ReceivedChecksums check_received(std::span<const u8> frame);

}  // namespace doppel::devices
