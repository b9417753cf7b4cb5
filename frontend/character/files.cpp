#include "frontend/character/files.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace doppel::frontend {

Result<std::unique_ptr<CharacterDevice>, Error> FileDevice::create(std::string label,
                                                                   const CharacterTarget& target) {
  DOPPEL_TRY(std::unique_ptr<FileSink> sink, FileSink::create(target.path, target.append));
  return std::unique_ptr<CharacterDevice>(
      new FileDevice(std::move(label), describe(target), std::move(sink)));
}

void StdioDevice::set_user(CharacterUser& user) {
  CharacterDevice::set_user(user);
  user.opened();
}

pollfd StdioDevice::wait() const {
  const bool wanted = can_receive() && user_->room() > 0;
  return {wanted ? STDIN_FILENO : -1, POLLIN, 0};
}

bool StdioDevice::act(short events) {
  if (events == 0 || !can_receive()) return false;
  u8 bytes[4096];
  const ssize_t count = ::read(STDIN_FILENO, bytes, std::min(sizeof bytes, user_->room()));
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  if (count <= 0) {
    ended_ = true;
    user_->closed();
    return false;
  }
  user_->received(std::span(bytes, static_cast<size_t>(count)));
  flush();
  return true;
}

}  // namespace doppel::frontend
