#pragma once

// Standard input: what the person types, split between the guest and the monitor.
//
// With a multiplexer (-nographic, mon:stdio) Ctrl-A is the escape: x ends doppel, c switches
// between guest and monitor, h helps, Ctrl-A Ctrl-A is a Ctrl-A. Without one every byte is the
// guest's.

#include <functional>
#include <string>

#include "cpu/base/types.h"
#include "frontend/byte_sinks.h"
#include "frontend/input_queue.h"

namespace doppel::frontend {

class Console {
 public:
  struct Config {
    bool reads_input = false;  ///< Standard input is somebody's.
    bool multiplexed = false;  ///< Ctrl-A is special.
    InputQueue::Target target = InputQueue::Target::Serial0;
  };
  /// References must outlive the console.
  Console(const Config& config, InputQueue& queue, FileSink& output)
      : config_(config), queue_(queue), output_(output) {}

  /// What the monitor does with a line; the answer is printed.
  void set_monitor(std::function<std::string(const std::string&)> execute) {
    monitor_ = std::move(execute);
  }

  /// Takes what was typed, waiting at most this long for the first byte (negative: until a signal).
  /// True if anything arrived.
  bool poll(i64 timeout_ns);
  /// More input may come.
  bool open() const { return config_.reads_input && !ended_; }
  bool quit_requested() const { return quit_; }
  void flush() { output_.flush(); }

 private:
  void take(u8 byte);
  void escape(u8 byte);
  void monitor_key(u8 byte);
  void show(std::string_view text);

  Config config_;
  InputQueue& queue_;
  FileSink& output_;
  std::function<std::string(const std::string&)> monitor_;
  std::string line_;
  bool escaped_ = false;
  bool in_monitor_ = false;
  bool ended_ = false;
  bool quit_ = false;
};

}  // namespace doppel::frontend
