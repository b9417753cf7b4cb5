#pragma once

// A network card and the wire it hangs on.
//
// Frames are whole Ethernet frames from the destination address to the end of the data, without
// preamble and frame check sequence. What comes from outside reaches a card only by way of the
// input queue, at a stamped instruction; what goes out may go at once.

#include <array>
#include <span>

#include "cpu/base/types.h"

namespace doppel::devices {

using MacAddress = std::array<u8, 6>;

/// The longest frame with a VLAN tag.
inline constexpr size_t kMaxFrameBytes = 1518;

/// The wire, as a card sees it.
class NetworkLink {
 public:
  virtual ~NetworkLink() = default;
  /// At most kMaxFrameBytes, unless the card announced offloads.
  virtual void transmit(std::span<const u8> frame) = 0;
};

/// A card, as the wire sees it.
class NetworkCard {
 public:
  virtual ~NetworkCard() = default;
  virtual MacAddress mac() const = 0;
  /// The driver has given it room for a frame of any size.
  virtual bool can_receive() const = 0;
  /// At most kMaxFrameBytes. A card that has no room, or whose filter says no, loses it.
  virtual void receive(std::span<const u8> frame) = 0;
};

}  // namespace doppel::devices
