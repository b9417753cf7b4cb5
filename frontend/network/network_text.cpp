#include "frontend/network/network_text.h"

#include <cstdio>

#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

/// What stands before the next `separator`, and takes it away with it; all of it if there is none.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::optional<u64> parse_plain(std::string_view text, u64 most) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  u64 value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<u64>(digit - '0');
  }
  return value <= most ? std::optional(value) : std::nullopt;
}

/// "[address]:port"
bool parse_end(std::string_view text, Ipv4& address, u16& port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  if (colon != 0) {
    const auto parsed = parse_ipv4(text.substr(0, colon));
    if (!parsed) return false;
    address = *parsed;
  }
  const auto number = parse_plain(text.substr(colon + 1), 0xffff);
  if (!number || *number == 0) return false;
  port = static_cast<u16>(*number);
  return true;
}

}  // namespace

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const bool more = text.find('.') != std::string_view::npos;
    if (more != (i < 3)) return std::nullopt;
    const auto byte = parse_plain(take_until(text, '.'), 255);
    if (!byte) return std::nullopt;
    address = address << 8 | static_cast<Ipv4>(*byte);
  }
  return address;
}

std::string format_ipv4(Ipv4 address) {
  char text[16];
  std::snprintf(text, sizeof text, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff,
                address >> 8 & 0xff, address & 0xff);
  return text;
}

std::optional<devices::MacAddress> parse_mac(std::string_view text) {
  devices::MacAddress mac{};
  const char separator = text.find('-') != std::string_view::npos ? '-' : ':';
  for (size_t i = 0; i < mac.size(); ++i) {
    const bool more = text.find(separator) != std::string_view::npos;
    if (more != (i + 1 < mac.size())) return std::nullopt;
    const std::string_view part = take_until(text, separator);
    if (part.empty() || part.size() > 2) return std::nullopt;
    const auto byte = parse_number("0x" + std::string(part));
    if (!byte) return std::nullopt;
    mac[i] = static_cast<u8>(*byte);
  }
  const bool is_group = (mac[0] & 1) != 0;
  return is_group ? std::nullopt : std::optional(mac);
}

std::string format_mac(const devices::MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text;
}

Result<PortForward, Error> parse_forward(std::string_view text, bool with_guest) {
  const std::string all(text);
  const char* const shape = with_guest ? " is not tcp|udp:[address]:port-[address]:port"
                                       : " is not tcp|udp:[address]:port";
  PortForward forward;
  const std::string_view protocol = take_until(text, ':');
  if (protocol != "tcp" && protocol != "udp" && !protocol.empty()) return Error{"'" + all + "'" + shape};
  forward.is_udp = protocol == "udp";
  const std::string_view host = take_until(text, '-');
  const bool good = parse_end(host, forward.host_address, forward.host_port) &&
                    (!with_guest || parse_end(text, forward.guest_address, forward.guest_port));
  if (!good) return Error{"'" + all + "'" + shape};
  return forward;
}

std::string format_forward(const PortForward& forward) {
  const auto end = [](Ipv4 address, u16 port) {
    return (address == 0 ? std::string() : format_ipv4(address)) + ":" + std::to_string(port);
  };
  return (forward.is_udp ? "udp:" : "tcp:") + end(forward.host_address, forward.host_port) + "-" +
         end(forward.guest_address, forward.guest_port);
}

}  // namespace doppel::frontend
