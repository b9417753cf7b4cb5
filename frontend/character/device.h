#pragma once

// A character device: bytes to and from something on the host.
//
//     port, monitor  --write-->  device  -->  terminal, file, socket
//     port, monitor  <-received-- device  <--
//
// Bytes are written into a buffer; the run loop lends the thread now and then to carry them on
// (`act`, `flush`). Nobody waits for a peer: what does not fit into the buffer is lost and counted.
// Only standard output and files are waited for, as any program does.

#include <span>
#include <string>
#include <string_view>

#include <poll.h>

#include "cpu/base/types.h"
#include "devices/endpoints.h"

namespace doppel::frontend {

/// Who is at the machine's end of a device.
class CharacterUser {
 public:
  virtual ~CharacterUser() = default;
  /// Somebody is at the other end now.
  virtual void opened() {}
  virtual void received(std::span<const u8> bytes) = 0;
  /// How much it wants at most now; what it does not want waits outside.
  virtual size_t room() const { return 4096; }
  /// Nobody is there any more.
  virtual void closed() {}
  /// Half of what it says is worse than nothing: a peer that does not listen is sent away.
  virtual bool needs_all() const { return false; }
};

class CharacterDevice : public devices::ByteSink {
 public:
  explicit CharacterDevice(std::string label) : label_(std::move(label)) {}
  CharacterDevice(const CharacterDevice&) = delete;
  CharacterDevice& operator=(const CharacterDevice&) = delete;

  void write_text(std::string_view text) {
    for (const char letter : text) write(static_cast<u8>(letter));
  }
  /// Carries on what was written, as far as that goes.
  virtual void flush() {}
  /// Nothing written waits any more.
  virtual bool drained() const { return true; }

  /// Takes the input; it must outlive the device's last `act`.
  virtual void set_user(CharacterUser& user) { user_ = &user; }
  bool has_user() const { return user_ != nullptr; }
  /// Somebody is at the other end.
  virtual bool connected() const { return true; }
  /// Input may still come.
  virtual bool can_receive() const { return false; }

  /// What to wait for; descriptor -1: nothing.
  virtual pollfd wait() const { return {-1, 0, 0}; }
  /// A change that no wait would notice may come: look every tenth of a second.
  virtual bool needs_visits() const { return false; }
  /// Does what is to be done after a wait. True if anything was received.
  virtual bool act(short events) {
    (void)events;
    return false;
  }

  /// The name in lists: "serial0", or what -chardev called it.
  const std::string& label() const { return label_; }
  /// Where it leads, as lists show it.
  virtual std::string description() const = 0;
  /// Bytes that nobody took in time.
  u64 dropped() const { return dropped_; }

 protected:
  CharacterUser* user_ = nullptr;
  u64 dropped_ = 0;

 private:
  const std::string label_;
};

}  // namespace doppel::frontend
