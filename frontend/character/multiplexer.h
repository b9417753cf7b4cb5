#pragma once

// Several users of one device, of whom one is in front: a serial port and the monitor on a terminal.
//
// Ctrl-A is the escape: x ends doppel, c puts the next one in front, h helps, Ctrl-A Ctrl-A is a
// Ctrl-A. All of them may write at any time, as on a real terminal.

#include <functional>
#include <vector>

#include "frontend/character/device.h"

namespace doppel::frontend {

class Multiplexer final : public CharacterUser {
 public:
  /// The device must outlive the multiplexer.
  Multiplexer(CharacterDevice& device, std::function<void()> quit)
      : device_(device), quit_(std::move(quit)) {}
  /// The first one is in front.
  void add(CharacterUser& user);

  void opened() override;
  void received(std::span<const u8> bytes) override;
  void closed() override;
  size_t room() const override { return front().room(); }

 private:
  void escape(u8 byte);
  CharacterUser& front() const { return *users_[front_]; }

  CharacterDevice& device_;
  std::function<void()> quit_;
  std::vector<CharacterUser*> users_;
  size_t front_ = 0;
  bool escaped_ = false;
};

}  // namespace doppel::frontend
