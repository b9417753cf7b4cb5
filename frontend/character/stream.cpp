#include "frontend/character/stream.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "cpu/base/log.h"

namespace doppel::frontend {

StreamDevice::~StreamDevice() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void StreamDevice::set_user(CharacterUser& user) {
  CharacterDevice::set_user(user);
  if (connected()) user.opened();
}

void StreamDevice::take_peer(int descriptor) {
  descriptor_ = descriptor;
  waiting_.clear();
  sent_ = 0;
  overflowed_ = false;
  if (user_ != nullptr) user_->opened();
}

void StreamDevice::lose_peer() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  descriptor_ = -1;
  waiting_.clear();
  sent_ = 0;
  if (user_ != nullptr) user_->closed();
}

void StreamDevice::write(u8 byte) {
  if (descriptor_ < 0) return;
  if (waiting_.size() - sent_ >= kMostWaiting) {
    // The user is in the middle of something: the peer goes in the next `act`.
    if (!overflowed_)
      log::warn("output", "%s: nobody reads what comes out; bytes are lost", label().c_str());
    overflowed_ = true;
    ++dropped_;
    return;
  }
  put(byte);
}

void StreamDevice::flush() {
  while (descriptor_ >= 0 && sent_ < waiting_.size()) {
    const ssize_t count = send(waiting_.data() + sent_, waiting_.size() - sent_);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (count <= 0) {
      lose_peer();
      return;
    }
    sent_ += static_cast<size_t>(count);
  }
  waiting_.erase(0, sent_);
  sent_ = 0;
}

pollfd StreamDevice::wait() const {
  if (descriptor_ < 0) return {-1, 0, 0};
  // Without a user, input is read so that an end of the connection is seen.
  const bool wanted = user_ == nullptr || user_->room() > 0;
  return {descriptor_, static_cast<short>((wanted ? POLLIN : 0) | (drained() ? 0 : POLLOUT)), 0};
}

bool StreamDevice::act(short events) {
  if (descriptor_ < 0) return false;
  if (overflowed_ && user_ != nullptr && user_->needs_all()) {
    lose_peer();
    return false;
  }
  bool any = false;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
    u8 bytes[4096];
    const ssize_t count = ::read(descriptor_, bytes, sizeof bytes);
    if (count > 0) {
      any = user_ != nullptr;
      arrived(std::span(bytes, static_cast<size_t>(count)));
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
      lose_peer();
      return false;
    }
  }
  flush();
  return any;
}

void StreamDevice::arrived(std::span<u8> bytes) {
  if (user_ != nullptr) user_->received(bytes);
}

ssize_t StreamDevice::send(const char* bytes, size_t count) {
  return ::write(descriptor_, bytes, count);
}

}  // namespace doppel::frontend
