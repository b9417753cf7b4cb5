// The door of the module: what `open_networks` looks for in doppel-slirp.so.

#include <utility>

#include "frontend/network/user_network.h"

extern "C" void doppel_open_user_network(const doppel::frontend::UserNetworkOptions& options,
                                         doppel::frontend::HostNetwork::Receiver receiver,
                                         doppel::frontend::OpenedNetwork& opened) {
  opened = doppel::frontend::open_user_network(options, std::move(receiver));
}
