#include "frontend/network/lazy_network.h"

#include "cpu/base/log.h"

namespace doppel::frontend {

Result<HostNetwork*, Error> LazyNetwork::network() {
  if (network_ == nullptr && failure_.empty()) {
    auto opened = open_();
    if (opened.ok()) {
      network_ = opened.take();
    } else {
      failure_ = opened.error().message;
      log::warn("doppel", "no network: %s", failure_.c_str());
    }
  }
  if (network_ == nullptr) return Error{failure_};
  return network_.get();
}

void LazyNetwork::transmit(std::span<const u8> frame) {
  if (const auto found = network(); found.ok()) found.value()->transmit(frame);
}

void LazyNetwork::add_waits(std::vector<pollfd>& waits, i64& most_ns) {
  if (network_) network_->add_waits(waits, most_ns);
}

void LazyNetwork::serve(std::span<const pollfd> waits) {
  if (network_) network_->serve(waits);
}

bool LazyNetwork::is_open() const { return network_ && network_->is_open(); }

std::string LazyNetwork::description() const {
  if (network_) return network_->description();
  return failure_.empty() ? "  nothing was sent yet\n" : "  " + failure_ + "\n";
}

Result<void, Error> LazyNetwork::add_forward(const PortForward& forward) {
  DOPPEL_TRY(HostNetwork* const found, network());
  return found->add_forward(forward);
}

Result<void, Error> LazyNetwork::remove_forward(const PortForward& forward) {
  DOPPEL_TRY(HostNetwork* const found, network());
  return found->remove_forward(forward);
}

}  // namespace doppel::frontend
