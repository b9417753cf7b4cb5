#include "frontend/character/socket.h"

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/message.h"
#include "frontend/terminal.h"

namespace doppel::frontend {
namespace {

using Kind = CharacterTarget::Kind;

struct AddressDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, AddressDeleter>;

Addresses look_up(const CharacterTarget& target, const char*& reason) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = target.server ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(target.host.empty() ? nullptr : target.host.c_str(),
                                   target.port.c_str(), &hints, &list);
  if (status != 0) {
    reason = status == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(status);
    return {};
  }
  return Addresses(list);
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

/// A door that an earlier run left behind; anything else with that name stays.
void remove_old_socket(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
}

}  // namespace

Result<std::unique_ptr<CharacterDevice>, Error> SocketDevice::create(
    std::string label, const CharacterTarget& target) {
  std::unique_ptr<SocketDevice> device(new SocketDevice(std::move(label), target));
  if (target.server) {
    DOPPEL_TRY(device->listen());
    if (target.wait) DOPPEL_TRY(device->wait_for_peer());
  } else {
    DOPPEL_TRY(device->connect());
  }
  return std::unique_ptr<CharacterDevice>(std::move(device));
}

SocketDevice::~SocketDevice() {
  if (listener_ < 0) return;
  ::close(listener_);
  if (target_.kind == Kind::Unix) remove_old_socket(target_.path);
}

Error SocketDevice::failure(const char* reason) const {
  return Error{describe(target_) + ": " + reason};
}

Result<void, Error> SocketDevice::listen() {
  constexpr int kBacklog = 4;
  if (target_.kind == Kind::Unix) {
    remove_old_socket(target_.path);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const sockaddr_un address = unix_address(target_.path);
    if (listener_ >= 0 &&
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(listener_, kBacklog) == 0) {
      return {};
    }
  } else {
    const char* reason = nullptr;
    const Addresses list = look_up(target_, reason);
    if (list == nullptr) return failure(reason);
    for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
      listener_ = ::socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      const int on = 1;
      if (listener_ < 0) continue;
      ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (::bind(listener_, at->ai_addr, at->ai_addrlen) == 0 &&
          ::listen(listener_, kBacklog) == 0) {
        find_port();
        return {};
      }
      if (at->ai_next == nullptr) break;
      ::close(listener_);
      listener_ = -1;
    }
  }
  const Error error = failure(std::strerror(errno));
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
  return error;
}

/// Port 0 is any that is free: which one it became is told in lists.
void SocketDevice::find_port() {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  char port[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, nullptr, 0, port, sizeof port,
                    NI_NUMERICSERV) == 0) {
    target_.port = port;
  }
}

Result<void, Error> SocketDevice::connect() {
  int peer = -1;
  if (target_.kind == Kind::Unix) {
    const sockaddr_un address = unix_address(target_.path);
    peer = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer >= 0 &&
        ::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      welcome(peer);
      return {};
    }
  } else {
    const char* reason = nullptr;
    const Addresses list = look_up(target_, reason);
    if (list == nullptr) return failure(reason);
    for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
      peer = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
      if (peer < 0) continue;
      if (::connect(peer, at->ai_addr, at->ai_addrlen) == 0) {
        welcome(peer);
        return {};
      }
      if (at->ai_next == nullptr) break;
      ::close(peer);
      peer = -1;
    }
  }
  const Error error = failure(std::strerror(errno));
  if (peer >= 0) ::close(peer);
  return error;
}

Result<void, Error> SocketDevice::wait_for_peer() {
  say("waiting for somebody to connect to " + describe(target_));
  while (!connected()) {
    if (stop_signal() != 0) return failure("a signal came before a peer");
    pollfd door = {listener_, POLLIN, 0};
    if (::poll(&door, 1, 1000) > 0) let_in();
  }
  return {};
}

void SocketDevice::let_in() {
  const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (peer >= 0) welcome(peer);
}

void SocketDevice::welcome(int peer) {
  const int on = 1;
  if (target_.kind == Kind::Tcp) {
    // Keys and prompts are small and wanted at once.
    ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (target_.telnet) telnet_.emplace();
  take_peer(peer);
  if (target_.telnet) put_raw(Telnet::greeting());
}

pollfd SocketDevice::wait() const {
  if (connected() || listener_ < 0) return StreamDevice::wait();
  return {listener_, POLLIN, 0};
}

bool SocketDevice::act(short events) {
  if (connected()) return StreamDevice::act(events);
  if (events != 0 && listener_ >= 0) {
    let_in();
    flush();
  }
  return false;
}

std::string SocketDevice::description() const {
  return (connected() ? "" : "disconnected:") + describe(target_);
}

ssize_t SocketDevice::send(const char* bytes, size_t count) {
  return ::send(descriptor(), bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void SocketDevice::arrived(std::span<u8> bytes) {
  if (!telnet_) return StreamDevice::arrived(bytes);
  std::vector<u8> text = telnet_->text_of(bytes);
  if (!text.empty()) StreamDevice::arrived(text);
}

void SocketDevice::put(u8 byte) {
  StreamDevice::put(byte);
  if (telnet_ && byte == Telnet::kCommand) StreamDevice::put(byte);
}

}  // namespace doppel::frontend
