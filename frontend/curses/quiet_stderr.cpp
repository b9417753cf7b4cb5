#include "frontend/curses/quiet_stderr.h"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace doppel::frontend::curses {
namespace {

constexpr off_t kMostShown = 64 << 10;

}  // namespace

QuietStderr::QuietStderr() {
  if (::isatty(STDERR_FILENO) != 1) return;
  kept_ = ::memfd_create("doppel-stderr", MFD_CLOEXEC);
  if (kept_ < 0) return;
  terminal_ = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (terminal_ >= 0) ::dup2(kept_, STDERR_FILENO);
}

QuietStderr::~QuietStderr() {
  if (terminal_ >= 0) {
    std::fflush(stderr);
    ::dup2(terminal_, STDERR_FILENO);
    ::close(terminal_);
    const off_t size = ::lseek(kept_, 0, SEEK_END);
    ::lseek(kept_, std::max<off_t>(size - kMostShown, 0), SEEK_SET);
    char text[4096];
    for (ssize_t count; (count = ::read(kept_, text, sizeof text)) > 0;)
      std::fwrite(text, 1, static_cast<size_t>(count), stderr);
  }
  if (kept_ >= 0) ::close(kept_);
}

}  // namespace doppel::frontend::curses
