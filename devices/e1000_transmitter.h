#pragma once

// The transmitting half of an e1000: descriptors from the ring, packets onto the wire.
//
// A descriptor is of the old kind (a buffer, perhaps a checksum), a context (what the next packets'
// headers look like) or data for a packet with a context. What a write of the tail sets off is done at
// once, but only so much of it: a longer queue goes on when the wire would be free again, so a
// driver cannot keep the host busy by filling a ring.

#include <string>

#include "cpu/base/archive.h"
#include "devices/e1000_interrupts.h"
#include "devices/e1000_packet.h"
#include "devices/e1000_ring.h"
#include "devices/e1000_statistics.h"
#include "devices/network.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "Packet Transmission" (3.3) and "Transmit
///          Descriptor Ring Structure" (3.4)
class E1000Transmitter {
 public:
  /// References, and the link, which may be null, must outlive the transmitter.
  E1000Transmitter(mmu::PhysicalMemory& memory, Scheduler& scheduler, const std::string& card,
                   E1000Interrupts& interrupts, E1000Statistics& statistics, NetworkLink* link);

  static bool owns(u32 offset);
  u32 read(u32 offset) const;
  void write(u32 offset, u32 value);

  /// What the rest of the card says: it may be a bus master, the link is up, and tags are put in
  /// (CTRL.VME) with this type (VET).
  struct Surroundings {
    bool bus_master = false;
    bool link_up = false;
    bool insert_vlan = false;
    u16 vlan_type = 0;
  };
  /// Goes on with what waits, if that can go now.
  void set_surroundings(const Surroundings& surroundings);
  /// The same for a card that was loaded, where nothing may happen.
  void restore_surroundings(const Surroundings& surroundings) { surroundings_ = surroundings; }

  void reset();
  void serialize(Archive& archive);

 private:
  struct Data;

  bool can_run() const;
  void run();
  u32 take_descriptor();
  void take_context(const E1000Ring::Descriptor& descriptor);
  u32 take_data(const Data& data);
  void write_back(const E1000Ring::Descriptor& descriptor, u8 command);
  void send(std::span<const u8> frame);

  mmu::PhysicalMemory& memory_;
  Scheduler& scheduler_;
  E1000Interrupts& interrupts_;
  E1000Statistics& statistics_;
  NetworkLink* link_;
  Surroundings surroundings_;
  Scheduler::EventId event_;
  E1000Ring ring_;
  E1000Delay delay_;
  E1000Packet packet_;
  E1000Packet::Context plain_context_;
  E1000Packet::Context segment_context_;
  u32 tctl_ = 0;
  u32 txdctl_ = 0;
  u32 tspmt_ = 0;
};

}  // namespace doppel::devices
