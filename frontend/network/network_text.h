#pragma once

// How addresses and forwards are written.

#include <optional>
#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "devices/network.h"
#include "frontend/network/network_options.h"

namespace doppel::frontend {

/// "10.0.2.2"
std::optional<Ipv4> parse_ipv4(std::string_view text);
std::string format_ipv4(Ipv4 address);
/// "52:54:00:12:34:56", an address of one card.
std::optional<devices::MacAddress> parse_mac(std::string_view text);
std::string format_mac(const devices::MacAddress& mac);
/// "tcp:127.0.0.1:2222-10.0.2.15:22", "tcp::2222-:22", "udp:..."; without the guest's half where a
/// forward is to be taken away.
/// @errors one line
Result<PortForward, Error> parse_forward(std::string_view text, bool with_guest);
std::string format_forward(const PortForward& forward);

}  // namespace doppel::frontend
