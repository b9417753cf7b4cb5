#include "frontend/byte_sinks.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "cpu/base/log.h"

namespace doppel::frontend {
namespace {

constexpr size_t kBufferBytes = 4096;

}  // namespace

Result<std::unique_ptr<FileSink>, Error> FileSink::create(const std::string& path, bool append) {
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC) | O_CLOEXEC, 0666);
  if (descriptor < 0) return Error{path + ": " + std::strerror(errno)};
  return std::unique_ptr<FileSink>(new FileSink(descriptor, true));
}

std::unique_ptr<FileSink> FileSink::standard_output() {
  return std::unique_ptr<FileSink>(new FileSink(STDOUT_FILENO, false));
}

FileSink::~FileSink() {
  flush();
  if (owned_) ::close(descriptor_);
}

void FileSink::write(u8 byte) {
  buffer_.push_back(byte);
  // Who reads standard output may want each line when it is said.
  const bool ends_line = byte == '\n' && !owned_;
  if (buffer_.size() >= kBufferBytes || ends_line) flush();
}

void FileSink::write_text(std::string_view text) {
  for (const char c : text) write(static_cast<u8>(c));
}

void FileSink::flush() {
  size_t done = 0;
  while (done < buffer_.size() && !failed_) {
    const ssize_t count = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno == EAGAIN) {
      // Standard output may share a non-blocking description with the shell.
      pollfd wait = {descriptor_, POLLOUT, 0};
      ::poll(&wait, 1, 1000);
    } else if (errno != EINTR) {
      failed_ = true;  // A closed pipe: the machine goes on without a listener.
      log::warn("output", "%s; what follows is lost", std::strerror(errno));
    }
  }
  buffer_.clear();
}

}  // namespace doppel::frontend
