#pragma once

// A device whose other end may come, go and be slow: what a socket and a pseudo-terminal share.

#include <string>

#include "frontend/character/device.h"

namespace doppel::frontend {

class StreamDevice : public CharacterDevice {
 public:
  using CharacterDevice::CharacterDevice;
  ~StreamDevice() override;

  void write(u8 byte) override;
  void flush() override;
  bool drained() const override { return descriptor_ < 0 || sent_ == waiting_.size(); }
  void set_user(CharacterUser& user) override;
  bool connected() const override { return descriptor_ >= 0; }
  pollfd wait() const override;
  bool act(short events) override;

  /// What waits for a peer at most.
  static constexpr size_t kMostWaiting = size_t{1} << 20;

 protected:
  /// A peer is there, behind this non-blocking descriptor.
  void take_peer(int descriptor);
  /// The peer is gone.
  virtual void lose_peer();
  /// Writes to the descriptor without a signal if nobody reads.
  virtual ssize_t send(const char* bytes, size_t count);
  /// What was read, before the user gets it.
  virtual void arrived(std::span<u8> bytes);
  /// A byte in the form that the peer wants.
  virtual void put(u8 byte) { waiting_ += static_cast<char>(byte); }
  /// Past the form, as it is.
  void put_raw(std::string_view bytes) { waiting_ += bytes; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
  std::string waiting_;
  size_t sent_ = 0;  // Of what waits.
  bool overflowed_ = false;
};

}  // namespace doppel::frontend
