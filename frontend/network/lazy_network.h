#pragma once

// A network that is opened when somebody speaks to it.

#include <functional>
#include <memory>
#include <string>

#include "frontend/network/host_network.h"

namespace doppel::frontend {

class LazyNetwork final : public HostNetwork {
 public:
  using Open = std::function<Result<std::unique_ptr<HostNetwork>, Error>()>;
  /// `open` is called once at most.
  explicit LazyNetwork(Open open) : open_(std::move(open)) {}

  void transmit(std::span<const u8> frame) override;
  void add_waits(std::vector<pollfd>& waits, i64& most_ns) override;
  void serve(std::span<const pollfd> waits) override;
  bool is_open() const override;
  std::string description() const override;
  Result<void, Error> add_forward(const PortForward& forward) override;
  Result<void, Error> remove_forward(const PortForward& forward) override;

 private:
  /// @errors why it cannot be opened, each time it is asked for
  Result<HostNetwork*, Error> network();

  Open open_;
  std::unique_ptr<HostNetwork> network_;
  std::string failure_;
};

}  // namespace doppel::frontend
