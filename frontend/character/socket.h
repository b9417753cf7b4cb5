#pragma once

// A TCP or Unix socket as a character device.
//
// A server keeps its door open for the whole run and lets one peer in at a time: the next one waits
// in front until the first has gone. A client connects once, at the start.

#include <memory>
#include <optional>

#include "cpu/base/result.h"
#include "frontend/character/stream.h"
#include "frontend/character/target.h"
#include "frontend/character/telnet.h"

namespace doppel::frontend {

class SocketDevice final : public StreamDevice {
 public:
  /// Listens or connects. @errors "tcp:HOST:PORT: reason"
  static Result<std::unique_ptr<CharacterDevice>, Error> create(std::string label,
                                                                const CharacterTarget& target);
  ~SocketDevice() override;

  bool can_receive() const override { return has_user() && (connected() || listener_ >= 0); }
  pollfd wait() const override;
  bool act(short events) override;
  std::string description() const override;

 private:
  SocketDevice(std::string label, const CharacterTarget& target)
      : StreamDevice(std::move(label)), target_(target) {}
  Result<void, Error> listen();
  Result<void, Error> connect();
  Result<void, Error> wait_for_peer();
  Error failure(const char* reason) const;
  void let_in();
  void welcome(int descriptor);
  void find_port();

  ssize_t send(const char* bytes, size_t count) override;
  void arrived(std::span<u8> bytes) override;
  void put(u8 byte) override;

  CharacterTarget target_;
  int listener_ = -1;
  std::optional<Telnet> telnet_;
};

}  // namespace doppel::frontend
