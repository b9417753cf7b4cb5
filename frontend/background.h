#pragma once

// The process as its host sees it: -daemonize and -pidfile.

#include <optional>
#include <string>

#include "cpu/base/result.h"

namespace doppel::frontend {

/// The move to the background. The process that was started stays until the machine is built, so
/// that its exit status tells whether it was.
class Background {
 public:
  /// Splits the process. In the one that was started: its exit status, once the other one is ready
  /// or has given up. In the other one: nothing. @errors why there cannot be two
  Result<std::optional<int>, Error> split();
  /// The machine is built: the process that was started may end. From here on there is no terminal.
  void ready();

 private:
  int notice_ = -1;
};

/// A file that holds the process's number as long as the object lives.
class PidFile {
 public:
  /// @errors "NAME: reason"
  static Result<PidFile, Error> create(const std::string& path);
  ~PidFile();
  PidFile(PidFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  PidFile& operator=(PidFile&&) = delete;

 private:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  std::string path_;  // Absolute: a process in the background leaves its folder.
};

}  // namespace doppel::frontend
