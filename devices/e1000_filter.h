#pragma once

// Which frames are meant for an e1000.
//
// A destination address is compared with sixteen exact ones; of a multicast address twelve bits also
// pick a bit of the multicast table, which many addresses share. VLAN tags have a table without sharing.

#include <array>
#include <span>

#include "cpu/base/archive.h"
#include "devices/e1000_registers.h"
#include "devices/network.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "Packet Address Filtering" (3.2.1) and "802.1q
///          VLAN Packet Filtering" (9.3)
class E1000Filter {
 public:
  enum class Verdict : u8 { Reject, Exact, Imprecise };
  /// `rctl` has the filters' switches; `vet` is the type that a VLAN tag begins with. The frame is
  /// at least an Ethernet header.
  Verdict check(std::span<const u8> frame, u32 rctl, u16 vet) const;

  /// MTA, RAL/RAH and VFTA.
  static bool owns(u32 offset);
  u32 read(u32 offset) const;
  void write(u32 offset, u32 value);

  /// The first exact address comes out of the EEPROM.
  void reset(const MacAddress& mac);
  void serialize(Archive& archive) { archive(addresses_, multicast_, vlans_); }

 private:
  bool passes_vlan(std::span<const u8> frame, u32 rctl, u16 vet) const;
  bool is_exact(const u8* address) const;
  bool in_multicast_table(const u8* address, u32 rctl) const;

  std::array<u32, 2 * e1000::kReceiveAddresses> addresses_{};
  std::array<u32, e1000::kMtaWords> multicast_{};
  std::array<u32, e1000::kVftaWords> vlans_{};
};

}  // namespace doppel::devices
