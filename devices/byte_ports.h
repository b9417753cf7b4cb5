#pragma once

#include "mmu/io_handler.h"

namespace doppel::devices {

/// An 8-bit chip on the ISA bus: a wider access reaches it as single bytes, lowest port first.
class ByteHandler : public mmu::IoHandler {
 public:
  u64 read(u64 offset, Width width) final {
    u64 value = 0;
    for (unsigned i = 0; i < bytes(width); ++i) {
      value |= u64{read_byte(static_cast<unsigned>(offset) + i)} << (8 * i);
    }
    return value;
  }
  void write(u64 offset, Width width, u64 value) final {
    for (unsigned i = 0; i < bytes(width); ++i) {
      write_byte(static_cast<unsigned>(offset) + i, static_cast<u8>(value >> (8 * i)));
    }
  }

 protected:
  virtual u8 read_byte(unsigned offset) = 0;
  virtual void write_byte(unsigned offset, u8 value) = 0;
};

/// One of several port ranges of a chip, answered by two of the chip's member functions.
template <class Chip>
class BytePorts final : public ByteHandler {
 public:
  using Read = u8 (Chip::*)(unsigned offset);
  using Write = void (Chip::*)(unsigned offset, u8 value);

  BytePorts(Chip& chip, Read reader, Write writer) : chip_(chip), read_(reader), write_(writer) {}
  BytePorts(const BytePorts&) = delete;
  BytePorts& operator=(const BytePorts&) = delete;

 private:
  u8 read_byte(unsigned offset) override { return (chip_.*read_)(offset); }
  void write_byte(unsigned offset, u8 value) override { (chip_.*write_)(offset, value); }

  Chip& chip_;
  Read read_;
  Write write_;
};

}  // namespace doppel::devices
