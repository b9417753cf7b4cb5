#pragma once

// A network without rights on the host: the guest's connections become the host's sockets.
//
//     guest 10.0.2.15 -- gateway and host 10.0.2.2, names 10.0.2.3 -- sockets of this process
//
// libslirp is the other computers on the cable: it answers ARP and DHCP, serves TFTP, ends the guest's TCP
// connections and opens real ones in their place. Nothing of it is seen from outside but sockets, and
// nothing outside reaches the guest but answers and the ports that were forwarded.

#include <memory>

#include "frontend/network/host_network.h"

namespace doppel::frontend {

using OpenedNetwork = Result<std::unique_ptr<HostNetwork>, Error>;

/// `receiver` takes frames for the card.
/// @errors one line
OpenedNetwork open_user_network(const UserNetworkOptions& options, HostNetwork::Receiver receiver);

/// The same through the module (frontend/module.h): "slirp", "doppel_open_user_network".
using OpenUserNetwork = void(const UserNetworkOptions& options, HostNetwork::Receiver receiver,
                             OpenedNetwork& opened);

}  // namespace doppel::frontend
