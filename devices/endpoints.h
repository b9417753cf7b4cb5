#pragma once

#include "cpu/base/types.h"

namespace doppel::devices {

/// Where a chip's bytes leave the machine: a terminal, a file, nothing.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(u8 byte) = 0;
};

/// Where bytes from outside enter a chip; only the input queue calls it, at a stamped instruction.
class ByteReceiver {
 public:
  virtual ~ByteReceiver() = default;
  /// How many bytes can be taken now without losing any.
  virtual unsigned room() const = 0;
  virtual void receive(u8 byte) = 0;
};

}  // namespace doppel::devices
