#include "frontend/network/open_networks.h"

#include <utility>

#include "frontend/loaders/loader.h"
#include "frontend/module.h"
#include "frontend/network/lazy_network.h"
#include "frontend/network/silent_link.h"
#include "frontend/network/user_network.h"

namespace doppel::frontend {
namespace {

OpenedNetwork open_in_module(const UserNetworkOptions& options, HostNetwork::Receiver receiver) {
  DOPPEL_TRY(const std::function<OpenUserNetwork> open,
             find_in_module<OpenUserNetwork>("slirp", "doppel_open_user_network"));
  OpenedNetwork opened = std::unique_ptr<HostNetwork>();
  open(options, std::move(receiver), opened);
  return opened;
}

OpenedNetwork open_network(const UserNetworkOptions& options, HostNetwork::Receiver receiver) {
  if (!options.forwards.empty()) return open_in_module(options, std::move(receiver));
  return OpenedNetwork(std::make_unique<LazyNetwork>(
      [options, receiver] { return open_in_module(options, receiver); }));
}

/// Firmware would run it at every start, and try the network wherever a disk does not boot: only a machine
/// that is to boot so has one, or one for which it was named.
bool wants_rom(const Options& options, const NicOptions& nic) {
  const bool boots = (options.boot_order + options.boot_once).find('n') != std::string::npos;
  return boots || nic.rom_file.has_value();
}

}  // namespace

Result<void, Error> open_networks(const Options& options, InputQueue& queue,
                                  HostNetworks& networks, MachineConfig& config) {
  for (size_t card = 0; card < options.nics.size(); ++card) {
    const NicOptions& wanted = options.nics[card];
    devices::BoardConfig::Nic nic;
    nic.model = wanted.model;
    nic.mac = wanted.mac.value_or(devices::MacAddress{});
    if (!config.firmware.empty() && wants_rom(options, wanted)) {
      DOPPEL_TRY(nic.rom, loaders::read_nic_rom(options, wanted));
    }
    if (wanted.network && !options.replay_file.empty()) {
      nic.link = &silent_link();
    } else if (wanted.network) {
      auto opened = open_network(*wanted.network, [card, &queue, &networks](std::span<const u8> frame) {
        queue.push_frame(card, frame);
        networks.frame_came();
      });
      if (!opened.ok()) return Error{"-netdev: " + opened.error().message};
      nic.link = &networks.attach(card, wanted.network->id, opened.take());
    }
    config.board.nics.push_back(std::move(nic));
  }
  return {};
}

}  // namespace doppel::frontend
