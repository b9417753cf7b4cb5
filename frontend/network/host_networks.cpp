#include "frontend/network/host_networks.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

namespace doppel::frontend {

void HostNetworks::Cable::transmit(std::span<const u8> frame) {
  network->transmit(frame);
  owner_.update_open();
}

HostNetworks::Cable& HostNetworks::attach(size_t card, std::string id,
                                          std::unique_ptr<HostNetwork> network) {
  cables_.push_back(std::make_unique<Cable>(*this, card, std::move(id), std::move(network)));
  update_open();
  return *cables_.back();
}

HostNetworks::Cable* HostNetworks::find(const std::string& id) const {
  if (id.empty() && cables_.size() == 1) return cables_.front().get();
  for (const auto& cable : cables_) {
    if (cable->id == id) return cable.get();
  }
  return nullptr;
}

void HostNetworks::frame_came() {
  ++frames_;
  if (wake_) wake_();
}

bool HostNetworks::wait(std::span<pollfd> others, i64 most_ns) {
  const u64 frames_before = frames_;
  waits_.assign(others.begin(), others.end());
  ends_.clear();
  i64 longest = most_ns < 0 ? std::numeric_limits<i64>::max() : most_ns;
  for (const auto& cable : cables_) {
    cable->network->add_waits(waits_, longest);
    ends_.push_back(waits_.size());
  }
  const bool endless = longest == std::numeric_limits<i64>::max();
  const timespec timeout = {static_cast<time_t>(longest / 1'000'000'000),
                            static_cast<long>(longest % 1'000'000'000)};
  const int ready = ::ppoll(waits_.data(), waits_.size(), endless ? nullptr : &timeout, nullptr);
  if (ready < 0) {
    for (pollfd& wait : waits_) wait.revents = 0;  // A signal: nothing was looked at.
  }
  std::copy_n(waits_.begin(), others.size(), others.begin());
  size_t begin = others.size();
  for (size_t i = 0; i < cables_.size(); ++i) {
    cables_[i]->network->serve(std::span(waits_).subspan(begin, ends_[i] - begin));
    begin = ends_[i];
  }
  update_open();
  return frames_ != frames_before;
}

void HostNetworks::update_open() {
  open_ = std::any_of(cables_.begin(), cables_.end(),
                      [](const auto& cable) { return cable->network->is_open(); });
}

}  // namespace doppel::frontend
