#pragma once

// How the monitor shows numbers: `/4xw` of x, xp, print and i.

#include <optional>
#include <string>
#include <string_view>

#include "cpu/base/types.h"

namespace doppel::frontend {

/// What `x/4xw` asks for.
struct ValueFormat {
  u64 count = 1;
  char kind = 'x';  ///< d, u, o, x, c; i: instructions, s: texts.
  unsigned size = 4;
};

/// "4xw", with or without the bar before it; empty: as it stands above.
std::optional<ValueFormat> parse_value_format(std::string_view text);
std::string format_value(const ValueFormat& format, u64 value);

}  // namespace doppel::frontend
