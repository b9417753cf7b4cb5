#include "frontend/network/user_network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <glib.h>
#include <libslirp.h>

#include "cpu/base/log.h"
#include "frontend/network/network_text.h"

namespace doppel::frontend {
namespace {

in_addr address_of(Ipv4 address) { return in_addr{htonl(address)}; }

i64 host_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

short host_events(int events) {
  int result = 0;
  if ((events & SLIRP_POLL_IN) != 0) result |= POLLIN;
  if ((events & SLIRP_POLL_OUT) != 0) result |= POLLOUT;
  if ((events & SLIRP_POLL_PRI) != 0) result |= POLLPRI;
  if ((events & SLIRP_POLL_ERR) != 0) result |= POLLERR;
  if ((events & SLIRP_POLL_HUP) != 0) result |= POLLHUP;
  return static_cast<short>(result);
}

int slirp_events(int events) {
  int result = 0;
  if ((events & POLLIN) != 0) result |= SLIRP_POLL_IN;
  if ((events & POLLOUT) != 0) result |= SLIRP_POLL_OUT;
  if ((events & POLLPRI) != 0) result |= SLIRP_POLL_PRI;
  if ((events & POLLERR) != 0) result |= SLIRP_POLL_ERR;
  if ((events & POLLHUP) != 0) result |= SLIRP_POLL_HUP;
  return result;
}

class UserNetwork final : public HostNetwork {
 public:
  UserNetwork(const UserNetworkOptions& options, Receiver receiver)
      : options_(options), receiver_(std::move(receiver)) {}
  ~UserNetwork() override {
    if (slirp_ != nullptr) ::slirp_cleanup(slirp_);
  }

  Result<void, Error> open();

  void transmit(std::span<const u8> frame) override {
    ::slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
  }
  void add_waits(std::vector<pollfd>& waits, i64& most_ns) override;
  void serve(std::span<const pollfd> waits) override;
  bool is_open() const override;
  std::string description() const override;
  Result<void, Error> add_forward(const PortForward& forward) override;
  Result<void, Error> remove_forward(const PortForward& forward) override;

 private:
  static const SlirpCb& callbacks();
  SlirpConfig config();

  const UserNetworkOptions options_;
  const Receiver receiver_;
  std::vector<const char*> dns_search_;
  Slirp* slirp_ = nullptr;
};

UserNetwork& self(void* opaque) { return *static_cast<UserNetwork*>(opaque); }

/// Timers are for router advertisements of IPv6 alone, which is off: what a guest that only waits sees
/// would depend on the host's clock.
const SlirpCb& UserNetwork::callbacks() {
  static const SlirpCb kCallbacks = {
      .send_packet = [](const void* bytes, size_t size, void* opaque) -> ssize_t {
        self(opaque).receiver_({static_cast<const u8*>(bytes), size});
        return static_cast<ssize_t>(size);
      },
      .guest_error = [](const char* text, void*) { log::warn("network", "%s", text); },
      .clock_get_ns = [](void*) -> int64_t { return host_ns(); },
      .timer_new = [](SlirpTimerCb, void*, void*) -> void* { return nullptr; },
      .timer_free = [](void*, void*) {},
      .timer_mod = [](void*, int64_t, void*) {},
      .register_poll_fd = [](int, void*) {},
      .unregister_poll_fd = [](int, void*) {},
      .notify = [](void*) {},
      .init_completed = nullptr,
      .timer_new_opaque = nullptr,
  };
  return kCallbacks;
}

SlirpConfig UserNetwork::config() {
  constexpr size_t kMtu = 1500;
  SlirpConfig config = {};
  const auto text = [](const std::string& value) {
    return value.empty() ? nullptr : value.c_str();
  };
  config.version = 1;
  config.restricted = options_.restricted ? 1 : 0;
  config.in_enabled = true;
  config.vnetwork = address_of(options_.network);
  config.vnetmask = address_of(options_.mask);
  config.vhost = address_of(options_.host);
  config.vdhcp_start = address_of(options_.dhcp_start);
  config.vnameserver = address_of(options_.dns);
  config.vhostname = text(options_.host_name);
  config.vdomainname = text(options_.domain_name);
  config.tftp_path = text(options_.tftp_directory);
  config.tftp_server_name = text(options_.tftp_server_name);
  config.bootfile = text(options_.boot_file);
  if (!options_.dns_search.empty()) {
    for (const std::string& domain : options_.dns_search) dns_search_.push_back(domain.c_str());
    dns_search_.push_back(nullptr);
    config.vdnssearch = dns_search_.data();
  }
  config.if_mtu = kMtu;
  config.if_mru = kMtu;
  return config;
}

Result<void, Error> UserNetwork::open() {
  const SlirpConfig wanted = config();
  slirp_ = ::slirp_new(&wanted, &callbacks(), this);
  if (slirp_ == nullptr) return Error{"the user network cannot be opened"};
  for (const PortForward& forward : options_.forwards) DOPPEL_TRY(add_forward(forward));
  return {};
}

void UserNetwork::add_waits(std::vector<pollfd>& waits, i64& most_ns) {
  constexpr i64 kMostMs = 1'000'000;
  constexpr i64 kNsPerMs = 1'000'000;
  struct Filling {
    std::vector<pollfd>& waits;
    size_t begin;
  } filling{waits, waits.size()};
  const u32 wanted = static_cast<u32>(std::min(most_ns / kNsPerMs, kMostMs) + 1);
  u32 timeout_ms = wanted;
  ::slirp_pollfds_fill(
      slirp_, &timeout_ms,
      [](int descriptor, int events, void* opaque) {
        auto& to = *static_cast<Filling*>(opaque);
        to.waits.push_back({descriptor, host_events(events), 0});
        return static_cast<int>(to.waits.size() - 1 - to.begin);
      },
      &filling);
  if (timeout_ms < wanted) most_ns = std::min(most_ns, i64{timeout_ms} * kNsPerMs);
}

void UserNetwork::serve(std::span<const pollfd> waits) {
  ::slirp_pollfds_poll(
      slirp_, 0,
      [](int index, void* opaque) {
        const auto& from = *static_cast<std::span<const pollfd>*>(opaque);
        const auto at = static_cast<size_t>(index);
        return at < from.size() ? slirp_events(from[at].revents) : 0;
      },
      &waits);
}

bool UserNetwork::is_open() const {
  bool any = false;
  u32 timeout_ms = 1000;
  ::slirp_pollfds_fill(
      slirp_, &timeout_ms,
      [](int, int, void* opaque) {
        *static_cast<bool*>(opaque) = true;
        return 0;
      },
      &any);
  return any;
}

std::string UserNetwork::description() const {
  char* const connections = ::slirp_connection_info(slirp_);
  std::string text = "  user network " + format_ipv4(options_.network) + ", mask " +
                     format_ipv4(options_.mask) + (options_.restricted ? ", restricted" : "") + "\n";
  if (connections != nullptr) text += connections;
  ::g_free(connections);
  return text;
}

Result<void, Error> UserNetwork::add_forward(const PortForward& forward) {
  if (::slirp_add_hostfwd(slirp_, forward.is_udp ? 1 : 0, address_of(forward.host_address),
                          forward.host_port, address_of(forward.guest_address),
                          forward.guest_port) == 0) {
    return {};
  }
  return Error{"hostfwd=" + format_forward(forward) + ": " + std::strerror(errno)};
}

Result<void, Error> UserNetwork::remove_forward(const PortForward& forward) {
  if (::slirp_remove_hostfwd(slirp_, forward.is_udp ? 1 : 0, address_of(forward.host_address),
                             forward.host_port) == 0) {
    return {};
  }
  return Error{"there is no forward of this port"};
}

}  // namespace

OpenedNetwork open_user_network(const UserNetworkOptions& options, HostNetwork::Receiver receiver) {
  auto network = std::make_unique<UserNetwork>(options, std::move(receiver));
  DOPPEL_TRY(network->open());
  return OpenedNetwork(std::move(network));
}

}  // namespace doppel::frontend
