#pragma once

// What a network card's cable leads to on the host.
//
// Frames of the card arrive by `transmit`, in the middle of an instruction, and are answered at once or
// later; answers go to whoever made the network, who puts them into the input queue. The run loop lends
// it the thread for everything else: it says what it waits for, and is served after the wait.

#include <functional>
#include <string>
#include <vector>

#include <poll.h>

#include "cpu/base/result.h"
#include "devices/network.h"
#include "frontend/network/network_options.h"

namespace doppel::frontend {

class HostNetwork : public devices::NetworkLink {
 public:
  /// Takes a frame for the card.
  using Receiver = std::function<void(std::span<const u8> frame)>;

  /// Adds what it waits for, and shortens the wait where something is to be done sooner.
  virtual void add_waits(std::vector<pollfd>& waits, i64& most_ns) = 0;
  /// After the wait: the entries that it added, with what happened.
  virtual void serve(std::span<const pollfd> waits) = 0;
  /// There are connections, or doors for them: frames may come that nobody asked for at this moment.
  virtual bool is_open() const = 0;

  /// For a person, in lines.
  virtual std::string description() const = 0;
  /// @errors one line
  virtual Result<void, Error> add_forward(const PortForward& forward) = 0;
  virtual Result<void, Error> remove_forward(const PortForward& forward) = 0;
};

}  // namespace doppel::frontend
