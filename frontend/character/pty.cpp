#include "frontend/character/pty.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "frontend/message.h"

namespace doppel::frontend {
namespace {

constexpr size_t kLongestName = 128;

/// Bytes pass as they are.
void make_raw(const char* name) {
  const int terminal = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return;
  termios mode = {};
  if (::tcgetattr(terminal, &mode) == 0) {
    ::cfmakeraw(&mode);
    ::tcsetattr(terminal, TCSANOW, &mode);
  }
  ::close(terminal);
}

}  // namespace

Result<std::unique_ptr<CharacterDevice>, Error> PtyDevice::create(std::string label) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  char name[kLongestName] = {};
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
      ::ptsname_r(master, name, sizeof name) != 0) {
    const Error error{std::string("pty: ") + std::strerror(errno)};
    if (master >= 0) ::close(master);
    return error;
  }
  make_raw(name);
  // In QEMU's words: programs look for the name in this line.
  say("char device redirected to " + std::string(name) + " (label " + label + ")");
  return std::unique_ptr<CharacterDevice>(new PtyDevice(std::move(label), master, name));
}

PtyDevice::~PtyDevice() { ::close(master_); }

bool PtyDevice::act(short events) {
  // While nobody has the terminal open the master is always hung up: waiting for it would not wait.
  pollfd now = {master_, 0, 0};
  const bool attached = ::poll(&now, 1, 0) >= 0 && (now.revents & POLLHUP) == 0;
  if (attached && !connected()) {
    take_peer(::fcntl(master_, F_DUPFD_CLOEXEC, 0));
    flush();
    return false;
  }
  const bool any = StreamDevice::act(events);
  if (!attached && connected() && (events & POLLIN) == 0) lose_peer();
  return any;
}

}  // namespace doppel::frontend
