#pragma once

#include "devices/network.h"

namespace doppel::frontend {

/// A cable that leads nowhere: the link is up, and what is sent is lost. For a machine whose outside
/// is a recording, or another machine's.
class SilentLink final : public devices::NetworkLink {
 public:
  void transmit(std::span<const u8>) override {}
};

/// It has no state: one is enough for everybody.
inline devices::NetworkLink& silent_link() {
  static SilentLink link;
  return link;
}

}  // namespace doppel::frontend
