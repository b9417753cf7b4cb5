#pragma once

// The monitor's prompt: QEMU's words for looking at a machine and steering it.

#include <optional>
#include <string>

#include "frontend/machine.h"
#include "frontend/run_loop.h"

namespace doppel::frontend {

class Hmp {
 public:
  /// References must outlive the monitor.
  Hmp(Machine& machine, RunLoop& loop, InputQueue& queue)
      : machine_(machine), loop_(loop), queue_(queue) {}

  /// Runs a command; the answer ends in a new line, or is empty.
  std::string execute(const std::string& line);

 private:
  std::string info(const std::string& topic);
  std::optional<u64> parse_address(const std::string& text) const;
  std::string dump_blocks(const std::string& address);
  std::string examine_memory(const std::string& format, const std::string& address, bool physical);

  Machine& machine_;
  RunLoop& loop_;
  InputQueue& queue_;
};

}  // namespace doppel::frontend
