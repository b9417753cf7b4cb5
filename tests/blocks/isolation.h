#pragma once

// Engines that emit code can take the whole process along: what may do so runs in a child.

#include <functional>
#include <string>

#include "cpu/base/types.h"

namespace doppel::blocks {

/// Written by the child, read by the parent when the child has died.
struct Progress {
  u64 next = 0;          ///< Case that runs now.
  volatile u64 ticks = 0;
  u64 cases = 0;
  u64 runs = 0;
  u64 instructions = 0;
  u64 differences = 0;
};

struct Ending {
  bool exited = false;
  int status = 0;  ///< Of the exit, or the signal; SIGKILL: it hung.
};

/// Memory that children share with their parent; null if there is none.
Progress* shared_progress();
/// Runs `work` in a child. A child whose `ticks` stand still for `quiet_seconds` of its processor
/// time is killed.
Ending run_in_child(const std::function<int()>& work, const Progress& progress, unsigned quiet_seconds);
std::string describe(const Ending& ending);

}  // namespace doppel::blocks
