#pragma once

// All character devices of a machine, and the one place where doppel waits for the host.

#include <memory>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/character/device.h"
#include "frontend/character/multiplexer.h"
#include "frontend/character/target.h"

namespace doppel::frontend {

class CharacterDevices {
 public:
  /// What `target` names; the same device where it is open already. @errors "NAME: reason"
  Result<CharacterDevice*, Error> open(const CharacterTarget& target, const std::string& label);
  /// Connects a user. A device that is shared with the monitor takes any number, the first of them
  /// in front; another one only one. False if it has one.
  bool connect(CharacterDevice& device, const CharacterTarget& target, CharacterUser& user);
  /// Where users of shared devices ask for the end of the run.
  void set_quit(std::function<void()> quit) { quit_ = std::move(quit); }

  /// Takes what has come, waiting at most this long for the first of it (negative: until a signal).
  /// True if anything has.
  bool poll(i64 timeout_ns);
  /// The same in parts, for who waits for other things too: what to wait for, and how long at most
  /// (negative: without end) ...
  void add_waits(std::vector<pollfd>& waits, i64& timeout_ns) const;
  /// ... and the answer to these.
  bool act(std::span<const pollfd> waits);
  /// Input may still come from somewhere.
  bool can_receive() const;
  void flush();
  /// Gives peers a moment to take the last words.
  void finish();

  const std::vector<std::unique_ptr<CharacterDevice>>& all() const { return devices_; }

 private:
  struct Opened {
    std::string key;
    CharacterDevice* device;
  };
  std::vector<std::unique_ptr<CharacterDevice>> devices_;
  std::vector<Opened> opened_;  // What may be meant again.
  struct Shared {
    CharacterDevice* device;
    std::unique_ptr<Multiplexer> multiplexer;
  };
  std::vector<Shared> shared_;
  std::function<void()> quit_;
};

}  // namespace doppel::frontend
