#include "frontend/background.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/file.h"

namespace doppel::frontend {

Result<std::optional<int>, Error> Background::split() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{std::string("-daemonize: ") + std::strerror(errno)};
  const pid_t child = ::fork();
  if (child < 0) return Error{std::string("-daemonize: ") + std::strerror(errno)};
  if (child == 0) {
    ::close(ends[0]);
    notice_ = ends[1];
    ::setsid();
    return std::optional<int>();
  }
  ::close(ends[1]);
  char notice = 0;
  ssize_t count = 0;
  do {
    count = ::read(ends[0], &notice, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) return std::optional<int>(0);
  // It ended without a notice, and has said why.
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return std::optional<int>(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void Background::ready() {
  if (notice_ < 0) return;
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, stream);
  if (nothing > STDERR_FILENO) ::close(nothing);
  const char notice = 1;
  while (::write(notice_, &notice, 1) < 0 && errno == EINTR) {
  }
  ::close(notice_);
  notice_ = -1;
}

Result<PidFile, Error> PidFile::create(const std::string& path) {
  const std::string text = std::to_string(::getpid()) + "\n";
  DOPPEL_TRY(write_file(path, text.data(), text.size()));
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return PidFile(error ? path : absolute.string());
}

PidFile::~PidFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace doppel::frontend
