#pragma once

// MSI-X: a table of messages in a card's memory, one for each thing the card has to say.
//
//     entry (16 bytes)   +0 address, 64 bits   +8 data   +12 bit 0: masked
//     pending bits       one for each entry, behind the table
//
// What is raised while its entry or the whole function is masked is pending, and goes out once
// nothing holds it any more.

#include <array>

#include "cpu/base/archive.h"
#include "devices/message_interrupt.h"
#include "mmu/io_handler.h"

namespace doppel::devices {

/// Table and pending bits, in one window. The capability itself is the function's.
/// @source  PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures"
class Msix final : public mmu::IoHandler {
 public:
  static constexpr unsigned kMostVectors = 64;
  static constexpr u64 kWindowSize = 0x1000;
  static constexpr u32 kTable = 0;
  static constexpr u32 kPending = 0x800;

  /// `vectors` is at most kMostVectors; `messages` must outlive this.
  Msix(MessageInterrupts& messages, unsigned vectors);

  unsigned vectors() const { return vectors_; }
  /// The capability's two bits, and whether the function may be a bus master.
  void set_control(bool enabled, bool masked, bool master);
  bool enabled() const { return enabled_; }
  /// One message, now or when it may go; nothing where there is no such vector.
  void raise(unsigned vector);

  u64 read(u64 offset, Width width) override;
  /// Simplified: what is not a doubleword or two at its place changes nothing.
  void write(u64 offset, Width width, u64 value) override;

  void reset();
  /// Enable and mask are the function's to set again.
  void serialize(Archive& archive);

 private:
  static constexpr u32 kMasked = 1;
  struct Entry {
    u64 address = 0;
    u32 data = 0;
    u32 control = kMasked;
    void serialize(Archive& archive) { archive(address, data, control); }
  };

  u32 dword(u64 offset) const;
  void set_dword(u64 offset, u32 value);
  void send_pending();

  MessageInterrupts& messages_;
  const unsigned vectors_;
  std::array<Entry, kMostVectors> entries_{};
  u64 pending_ = 0;
  bool enabled_ = false;
  bool open_ = false;  // Enabled, not masked, and the bus is the function's to use.
};

}  // namespace doppel::devices
