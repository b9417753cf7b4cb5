#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frontend/autopsy.h"
#include "frontend/machine.h"
#include "frontend/run_loop.h"

namespace doppel::frontend {

/// What a run was, for machines to read. Names in the JSON stay: others depend on them.
struct Report {
  std::string name;
  std::vector<std::string> command;
  u64 seed = 0;
  RunOutcome outcome;
  int status = 0;
  u64 host_ms = 0;
  u64 resets = 0;
  std::string state_hash;
  std::optional<Autopsy> autopsy;
};

std::string report_json(const Report& report, Machine& machine);

}  // namespace doppel::frontend
