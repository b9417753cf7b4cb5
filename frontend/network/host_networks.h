#pragma once

// All networks of a run, each with the card at the other end of its cable, and the wait for them.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "frontend/network/host_network.h"

namespace doppel::frontend {

class HostNetworks {
 public:
  /// A network and its cable.
  class Cable final : public devices::NetworkLink {
   public:
    Cable(HostNetworks& owner, size_t card_index, std::string name,
          std::unique_ptr<HostNetwork> far_end)
        : card(card_index), id(std::move(name)), network(std::move(far_end)), owner_(owner) {}
    void transmit(std::span<const u8> frame) override;

    const size_t card;
    const std::string id;
    const std::unique_ptr<HostNetwork> network;

   private:
    HostNetworks& owner_;
  };

  HostNetworks() = default;
  HostNetworks(const HostNetworks&) = delete;
  HostNetworks& operator=(const HostNetworks&) = delete;

  /// What the machine's card of this number hangs on from now on.
  Cable& attach(size_t card, std::string id, std::unique_ptr<HostNetwork> network);
  const std::vector<std::unique_ptr<Cable>>& cables() const { return cables_; }
  /// By its id, or the only one for an empty id; null: there is none.
  Cable* find(const std::string& id) const;

  /// A frame for a card has come, perhaps in the middle of an instruction.
  void frame_came();
  /// Called then, so that the machine does not run on for long.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  /// Waits for what others wait for, or for a network, so long at most (negative: without end). Serves
  /// the networks; what the others got is in `others`. True if frames came.
  bool wait(std::span<pollfd> others, i64 most_ns);
  /// @see HostNetwork::is_open
  bool is_open() const { return open_; }

 private:
  void update_open();

  std::vector<std::unique_ptr<Cable>> cables_;
  std::function<void()> wake_;
  std::vector<pollfd> waits_;  // Kept, so that a wait does not allocate;
  std::vector<size_t> ends_;   // where each network's end.
  u64 frames_ = 0;
  bool open_ = false;
};

}  // namespace doppel::frontend
