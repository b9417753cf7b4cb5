#pragma once

// Character devices that are always there: nothing, a file, and the process's own standard streams.

#include <memory>

#include "cpu/base/result.h"
#include "frontend/byte_sinks.h"
#include "frontend/character/device.h"
#include "frontend/character/target.h"

namespace doppel::frontend {

/// What is written is gone.
class NullDevice final : public CharacterDevice {
 public:
  NullDevice(std::string label, std::string description)
      : CharacterDevice(std::move(label)), description_(std::move(description)) {}
  void write(u8) override {}
  std::string description() const override { return description_; }

 private:
  const std::string description_;
};

class FileDevice final : public CharacterDevice {
 public:
  /// @errors "NAME: reason"
  static Result<std::unique_ptr<CharacterDevice>, Error> create(std::string label,
                                                                const CharacterTarget& target);
  void write(u8 byte) override { sink_->write(byte); }
  void flush() override { sink_->flush(); }
  std::string description() const override { return description_; }

 private:
  FileDevice(std::string label, std::string description, std::unique_ptr<FileSink> sink)
      : CharacterDevice(std::move(label)),
        description_(std::move(description)),
        sink_(std::move(sink)) {}
  const std::string description_;
  std::unique_ptr<FileSink> sink_;
};

class StdioDevice final : public CharacterDevice {
 public:
  explicit StdioDevice(std::string label)
      : CharacterDevice(std::move(label)), sink_(FileSink::standard_output()) {}
  void set_user(CharacterUser& user) override;
  void write(u8 byte) override { sink_->write(byte); }
  void flush() override { sink_->flush(); }
  bool can_receive() const override { return has_user() && !ended_; }
  pollfd wait() const override;
  bool act(short events) override;
  std::string description() const override { return "stdio"; }

 private:
  std::unique_ptr<FileSink> sink_;
  bool ended_ = false;
};

}  // namespace doppel::frontend
