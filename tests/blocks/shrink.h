#pragma once

#include <functional>

#include "tests/blocks/case.h"

namespace doppel::blocks {

/// Makes a block that shows a difference smaller, as long as it shows one: fewer instructions, fewer
/// runs, plainer start states. `differs` is asked about every attempt.
BlockCase shrink(BlockCase block, const std::function<bool(const BlockCase&)>& differs);

}  // namespace doppel::blocks
