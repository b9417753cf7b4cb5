#include "frontend/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <sys/stat.h>
#include <unistd.h>

namespace doppel::frontend {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePointer = std::unique_ptr<std::FILE, Closer>;

Error system_error(const std::string& path) { return Error{path + ": " + std::strerror(errno)}; }

}  // namespace

Result<std::vector<u8>, Error> read_file(const std::string& path, u64 limit_bytes) {
  const FilePointer file(std::fopen(path.c_str(), "rbe"));
  if (!file) return system_error(path);
  struct stat status = {};
  if (::fstat(::fileno(file.get()), &status) != 0) return system_error(path);
  if (S_ISDIR(status.st_mode)) return Error{path + ": is a directory"};
  std::vector<u8> bytes;
  if (S_ISREG(status.st_mode)) {
    if (static_cast<u64>(status.st_size) > limit_bytes) return Error{path + ": is too large"};
    bytes.reserve(static_cast<size_t>(status.st_size));
  }
  u8 buffer[65536];
  for (;;) {
    const size_t count = std::fread(buffer, 1, sizeof buffer, file.get());
    if (count == 0) break;
    bytes.insert(bytes.end(), buffer, buffer + count);
    if (bytes.size() > limit_bytes) return Error{path + ": is too large"};
  }
  if (std::ferror(file.get()) != 0) return system_error(path);
  return bytes;
}

Result<std::vector<u8>, Error> read_beginning(const std::string& path, size_t limit_bytes) {
  const FilePointer file(std::fopen(path.c_str(), "rbe"));
  if (!file) return system_error(path);
  std::vector<u8> bytes(limit_bytes);
  bytes.resize(std::fread(bytes.data(), 1, limit_bytes, file.get()));
  if (std::ferror(file.get()) != 0) return system_error(path);
  return bytes;
}

Result<void, Error> write_file(const std::string& path, const void* bytes, size_t size) {
  struct stat status = {};
  // What is no file by itself is written as it is: renaming would put a file in the place of a pipe,
  // or of a link, and /dev/stdout is one even where it leads to a file.
  const bool special = ::lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  const std::string target = special ? path : path + ".part";
  {
    FilePointer file(std::fopen(target.c_str(), "wbe"));
    if (!file) return system_error(path);
    const bool written = std::fwrite(bytes, 1, size, file.get()) == size;
    if (std::fclose(file.release()) != 0 || !written) {
      const Error error = system_error(path);
      if (!special) ::unlink(target.c_str());
      return error;
    }
  }
  if (!special && std::rename(target.c_str(), path.c_str()) != 0) return system_error(path);
  return {};
}

bool is_directory(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

}  // namespace doppel::frontend
