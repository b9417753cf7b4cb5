#pragma once

#include <string>
#include <vector>

#include "frontend/options.h"

namespace doppel::frontend {

/// Builds the machine that the options describe, runs it to its end and writes down what was asked
/// for. The process's exit status; does not return if a signal ended the run.
int launch(const Options& options, const std::vector<std::string>& command);

}  // namespace doppel::frontend
