#pragma once

// A pseudo-terminal: a new terminal of the host's, whose name is told, and which any terminal
// program can open, close and open again.

#include <memory>

#include "cpu/base/result.h"
#include "frontend/character/stream.h"

namespace doppel::frontend {

class PtyDevice final : public StreamDevice {
 public:
  /// @errors "pty: reason"
  static Result<std::unique_ptr<CharacterDevice>, Error> create(std::string label);
  ~PtyDevice() override;

  bool can_receive() const override { return has_user(); }
  bool needs_visits() const override { return !connected(); }
  bool act(short events) override;
  std::string description() const override { return "pty:" + name_; }

 private:
  PtyDevice(std::string label, int master, std::string name)
      : StreamDevice(std::move(label)), master_(master), name_(std::move(name)) {}

  const int master_;
  const std::string name_;
};

}  // namespace doppel::frontend
