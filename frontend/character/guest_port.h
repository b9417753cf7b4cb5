#pragma once

// What is typed at a serial port's device enters the machine through the input queue.

#include "frontend/character/device.h"
#include "frontend/input_queue.h"

namespace doppel::frontend {

class GuestPort final : public CharacterUser {
 public:
  /// The queue must outlive the port.
  GuestPort(InputQueue& queue, InputQueue::Target target) : queue_(queue), target_(target) {}
  void received(std::span<const u8> bytes) override { queue_.push(target_, bytes); }
  size_t room() const override { return queue_.room(target_); }

 private:
  InputQueue& queue_;
  const InputQueue::Target target_;
};

}  // namespace doppel::frontend
