#pragma once

// What the command line says of networks.

#include <optional>
#include <string>
#include <vector>

#include "cpu/base/types.h"
#include "devices/network.h"

namespace doppel::frontend {

/// An address of IPv4, its first byte highest.
using Ipv4 = u32;

/// A port of the host that leads to a port of the guest.
struct PortForward {
  bool is_udp = false;
  Ipv4 host_address = 0;  ///< 0: every address of the host.
  u16 host_port = 0;
  Ipv4 guest_address = 0;  ///< 0: the first that DHCP gives.
  u16 guest_port = 0;      ///< Does not matter where a forward is taken away.
  bool operator==(const PortForward&) const = default;
};

/// -netdev user: a network of its own behind the host's sockets.
struct UserNetworkOptions {
  std::string id;
  Ipv4 network = 0x0a00'0200;  ///< 10.0.2.0
  Ipv4 mask = 0xffff'ff00;
  Ipv4 host = 0;        ///< 0: network + 2
  Ipv4 dhcp_start = 0;  ///< 0: network + 15
  Ipv4 dns = 0;         ///< 0: network + 3
  bool restricted = false;
  std::string host_name;
  std::string domain_name;
  std::vector<std::string> dns_search;
  std::string tftp_directory;
  std::string tftp_server_name;
  std::string boot_file;
  std::vector<PortForward> forwards;
};

/// A card, and what its cable leads to.
struct NicOptions {
  std::string model = "e1000";
  std::string id;
  std::optional<devices::MacAddress> mac;      ///< Has a value once all options are read.
  std::optional<UserNetworkOptions> network;   ///< None: no cable.
  std::optional<std::string> rom_file;         ///< Empty text: no expansion ROM. None: the model's own.
};

}  // namespace doppel::frontend
