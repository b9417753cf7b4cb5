#pragma once

#include "cpu/base/types.h"

namespace doppel::mmu {

/// What answers in a range of ports or of physical addresses. A handler sees offsets into its
/// range.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  virtual u64 read(u64 offset, Width width) = 0;
  virtual void write(u64 offset, Width width, u64 value) = 0;
};

}  // namespace doppel::mmu
