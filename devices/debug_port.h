#pragma once

#include <string>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/endpoints.h"

namespace doppel::devices {

/// A port whose bytes go straight to the person: E9h (Bochs), 402h (SeaBIOS, OVMF).
/// A guest finds it by reading: `readback` instead of the empty bus's FFh.
class DebugConsole final : public Device, public ByteHandler {
 public:
  /// `sink` may be null: bytes are dropped.
  DebugConsole(std::string name, ByteSink* sink, u8 readback)
      : name_(std::move(name)), sink_(sink), readback_(readback) {}

  std::string_view name() const override { return name_; }
  void reset() override {}
  void serialize(Archive&) override {}

 private:
  u8 read_byte(unsigned) override { return readback_; }
  void write_byte(unsigned, u8 value) override {
    if (sink_ != nullptr) sink_->write(value);
  }

  std::string name_;
  ByteSink* sink_;
  u8 readback_;
};

}  // namespace doppel::devices
