#pragma once

// The receiving half of an e1000: frames from the wire into the driver's buffers.
//
// A frame that passes the filter is cut into buffers of one size, each with a descriptor; the last
// one says what became of it. What the checksums of IP, TCP and UDP are worth is told beside it.

#include <span>
#include <string>

#include "cpu/base/archive.h"
#include "devices/e1000_filter.h"
#include "devices/e1000_interrupts.h"
#include "devices/e1000_ring.h"
#include "devices/e1000_statistics.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "Packet Reception" (3.2)
class E1000Receiver {
 public:
  /// References must outlive the receiver.
  E1000Receiver(mmu::PhysicalMemory& memory, Scheduler& scheduler, const std::string& card,
                E1000Interrupts& interrupts, E1000Statistics& statistics);

  /// Registers of reception, without those of the filter.
  static bool owns(u32 offset);
  u32 read(u32 offset) const;
  void write(u32 offset, u32 value);
  E1000Filter& filter() { return filter_; }

  /// There are descriptors for the longest frame.
  bool has_room() const;
  /// CTRL.VME and VET: tags are taken out of frames.
  struct Vlan {
    bool strip = false;
    u16 type = 0;
  };
  void receive(std::span<const u8> frame, const Vlan& vlan);

  void reset(const MacAddress& mac);
  void serialize(Archive& archive);

 private:
  u32 buffer_bytes() const;
  void store(std::span<const u8> bytes, u8 status, u8 errors, u16 tag);
  void count_descriptors();

  mmu::PhysicalMemory& memory_;
  E1000Interrupts& interrupts_;
  E1000Statistics& statistics_;
  E1000Filter filter_;
  E1000Ring ring_;
  E1000Delay delay_;
  u32 rctl_ = 0;
  u32 rxdctl_ = 0;
  u32 rsrpd_ = 0;
  u32 rxcsum_ = 0;
};

}  // namespace doppel::devices
