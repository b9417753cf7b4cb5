// Networks: -netdev, -nic, -net, -device e1000 and its like.

#include <algorithm>
#include <utility>

#include "frontend/network/network_text.h"
#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

Error bad(std::string message) { return Error{std::move(message)}; }

constexpr std::string_view kModels[] = {"e1000", "virtio-net-pci"};
constexpr devices::MacAddress kFirstMac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

// Places in a network of its own, where QEMU has them too.
constexpr Ipv4 kHostPlace = 2;
constexpr Ipv4 kDnsPlace = 3;
constexpr Ipv4 kDhcpPlace = 15;

std::string model_list() {
  std::string text;
  for (const std::string_view model : kModels) text += (text.empty() ? "" : ", ") + std::string(model);
  return text;
}

OptionResult take_address(PropertyList& list, std::string_view key, Ipv4& out) {
  const auto text = list.take(key);
  if (!text) return {};
  const auto address = parse_ipv4(*text);
  if (!address) return bad(std::string(key) + "=" + *text + " is not an address as 10.0.2.2");
  out = *address;
  return {};
}

/// "10.0.2.0", "10.0.2.0/24" or "10.0.2.0/255.255.255.0"
OptionResult take_network(PropertyList& list, UserNetworkOptions& network) {
  const auto text = list.take("net");
  if (!text) return {};
  const Error refusal = bad("net=" + *text + " is not a network as 10.0.2.0/24");
  const size_t slash = text->find('/');
  const auto address = parse_ipv4(std::string_view(*text).substr(0, slash));
  if (!address) return refusal;
  if (slash != std::string::npos) {
    const std::string mask = text->substr(slash + 1);
    if (const auto dotted = parse_ipv4(mask)) {
      network.mask = *dotted;
    } else {
      const auto bits = parse_number(mask);
      if (!bits || *bits < 4 || *bits > 27) return refusal;
      network.mask = ~Ipv4{0} << (32 - *bits);
    }
  }
  // Ones, then zeros, with room for the addresses that are given out.
  const Ipv4 rest = ~network.mask;
  if ((rest & (rest + 1)) != 0 || rest < 31) return refusal;
  network.network = *address & network.mask;
  return {};
}

OptionResult take_off(PropertyList& list, std::string_view key, std::string_view why) {
  const auto text = list.take(key);
  if (!text || parse_switch(*text) == false) return {};
  return bad(std::string(key) + "=" + *text + ": " + std::string(why));
}

OptionResult check_places(const UserNetworkOptions& network) {
  const auto inside = [&](Ipv4 address) { return (address & network.mask) == network.network; };
  for (const auto& [name, address] :
       {std::pair("host", network.host), {"dns", network.dns}, {"dhcpstart", network.dhcp_start}}) {
    if (!inside(address)) {
      return bad(std::string(name) + "=" + format_ipv4(address) + " is not in the network " +
                 format_ipv4(network.network));
    }
  }
  if (network.host == network.dns) return bad("host and dns are both " + format_ipv4(network.dns));
  return {};
}

/// Takes what a user network knows; what is left belongs to somebody else.
Result<UserNetworkOptions, Error> take_user_network(PropertyList& list) {
  UserNetworkOptions network;
  network.id = list.take("id").value_or("");
  DOPPEL_TRY(take_network(list, network));
  network.host = network.network | kHostPlace;
  network.dns = network.network | kDnsPlace;
  network.dhcp_start = network.network | kDhcpPlace;
  DOPPEL_TRY(take_address(list, "host", network.host));
  DOPPEL_TRY(take_address(list, "dns", network.dns));
  DOPPEL_TRY(take_address(list, "dhcpstart", network.dhcp_start));
  DOPPEL_TRY(check_places(network));
  DOPPEL_TRY(take_flag(list, "restrict", network.restricted));
  if (const auto text = list.take("ipv4"); text && parse_switch(*text) != true)
    return bad("ipv4=" + *text + ": the user network is one of IPv4");
  DOPPEL_TRY(take_off(list, "ipv6", "the user network is one of IPv4"));
  network.host_name = list.take("hostname").value_or("");
  network.domain_name = list.take("domainname").value_or("");
  network.dns_search = list.take_all("dnssearch");
  network.tftp_directory = list.take("tftp").value_or("");
  network.tftp_server_name = list.take("tftp-server-name").value_or("");
  network.boot_file = list.take("bootfile").value_or("");
  for (const std::string& text : list.take_all("hostfwd")) {
    DOPPEL_TRY(const PortForward forward, parse_forward(text, true));
    network.forwards.push_back(forward);
  }
  return network;
}

OptionResult take_mac(PropertyList& list, std::string_view key, NicOptions& nic) {
  const auto text = list.take(key);
  if (!text) return {};
  nic.mac = parse_mac(*text);
  if (!nic.mac) return bad(std::string(key) + "=" + *text + " is not an address as 52:54:00:12:34:56");
  return {};
}

OptionResult take_model(PropertyList& list, NicOptions& nic) {
  nic.model = list.take("model").value_or(nic.model);
  if (!is_nic_model(nic.model)) return bad("model=" + nic.model + " is not one of " + model_list());
  return {};
}

/// Gives each card its -netdev; each of these leads to one card.
OptionResult connect(OptionBuilder& builder, OptionBuilder::Nic& nic) {
  if (nic.netdev.empty()) return {};
  const auto found = std::find_if(builder.netdevs.begin(), builder.netdevs.end(),
                                  [&](const auto& netdev) { return netdev.id == nic.netdev; });
  if (found == builder.netdevs.end())
    return bad("-device: there is no -netdev with id '" + nic.netdev + "', or another card has it");
  nic.options.network = std::move(*found);
  builder.netdevs.erase(found);
  return {};
}

}  // namespace

bool is_nic_model(std::string_view driver) {
  return std::find(std::begin(kModels), std::end(kModels), driver) != std::end(kModels);
}

OptionResult apply_netdev(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "type");
  const std::string type = list.take("type").value_or("");
  if (type != "user") return bad("'" + type + "' is not user");
  DOPPEL_TRY(UserNetworkOptions network, take_user_network(list));
  DOPPEL_TRY(refuse_leftover(list, type));
  if (network.id.empty()) return bad("needs id=NAME");
  for (const UserNetworkOptions& other : builder.netdevs) {
    if (other.id == network.id) return bad("id '" + network.id + "' is used twice");
  }
  builder.netdevs.push_back(std::move(network));
  return {};
}

OptionResult add_nic_device(OptionBuilder& builder, PropertyList& list, const std::string& model) {
  OptionBuilder::Nic nic;
  nic.options.model = model;
  nic.options.id = list.take("id").value_or("");
  nic.options.rom_file = list.take("romfile");
  nic.netdev = list.take("netdev").value_or("");
  DOPPEL_TRY(take_mac(list, "mac", nic.options));
  (void)list.take("bootindex");
  builder.nics.push_back(std::move(nic));
  return {};
}

OptionResult apply_nic(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "type");
  const std::string type = list.take("type").value_or("");
  if (type == "none") {
    builder.no_network = true;
    return refuse_leftover(list, type);
  }
  if (type != "user") return bad("'" + type + "' is not user or none");
  OptionBuilder::Nic nic;
  DOPPEL_TRY(take_model(list, nic.options));
  DOPPEL_TRY(take_mac(list, "mac", nic.options));
  nic.options.rom_file = list.take("romfile");
  DOPPEL_TRY(nic.options.network, take_user_network(list));
  DOPPEL_TRY(refuse_leftover(list, type));
  builder.nics.push_back(std::move(nic));
  return {};
}

OptionResult apply_net(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "type");
  const std::string type = list.take("type").value_or("");
  if (type == "none") {
    builder.no_network = true;
    return refuse_leftover(list, type);
  }
  if (type == "nic") {
    if (builder.net_nic) return bad("nic: one card is connected so; -nic has others");
    NicOptions nic;
    DOPPEL_TRY(take_model(list, nic));
    DOPPEL_TRY(take_mac(list, "macaddr", nic));
    nic.id = list.take("name").value_or("");
    builder.net_nic = std::move(nic);
    return refuse_leftover(list, type);
  }
  if (type != "user") return bad("'" + type + "' is not nic, user or none");
  if (builder.net_user) return bad("user: there is one such network; -nic has others");
  DOPPEL_TRY(builder.net_user, take_user_network(list));
  return refuse_leftover(list, type);
}

OptionResult finish_network(OptionBuilder& builder) {
  Options& options = builder.options;
  if (builder.net_nic) {
    builder.nics.push_back({*builder.net_nic, {}});
    builder.nics.back().options.network = builder.net_user;
  } else if (builder.net_user) {
    return bad("-net: user needs a -net nic");
  }
  // A machine that starts without firmware gets what was asked for.
  const bool by_itself = builder.nics.empty() && builder.netdevs.empty() && !builder.no_network &&
                         !builder.no_defaults && options.kernel.empty();
  if (by_itself) {
    PropertyList nothing("", "");
    DOPPEL_TRY(UserNetworkOptions network, take_user_network(nothing));
    builder.nics.emplace_back().options.network = std::move(network);
  }
  for (OptionBuilder::Nic& nic : builder.nics) {
    DOPPEL_TRY(connect(builder, nic));
    NicOptions& card = nic.options;
    const size_t place = options.nics.size();
    if (card.id.empty()) card.id = "nic" + std::to_string(place);
    if (card.network && card.network->id.empty()) card.network->id = "user" + std::to_string(place);
    if (!card.mac) {
      card.mac = kFirstMac;
      card.mac->back() = static_cast<u8>(kFirstMac.back() + place);
    }
    options.nics.push_back(std::move(card));
  }
  if (options.nics.size() > devices::BoardConfig::kMostNics) {
    return bad("-nic: there is room for " + std::to_string(devices::BoardConfig::kMostNics) +
               " network cards");
  }
  return {};
}

}  // namespace doppel::frontend
