#pragma once

// The PHY of an e1000: what is at the other end of the cable, by way of MDIC.

#include <array>
#include <functional>
#include <string>

#include "cpu/base/archive.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// A Marvell Alaska, built into the 82540EM, with a partner that speaks 1000BASE-T full duplex.
/// @source  Intel 8254x Software Developer's Manual, "PHY Registers" (13.4.7.1); IEEE 802.3, clause
///          22 "Management functions"
class E1000Phy {
 public:
  /// `has_cable`: there is a partner at all. `link_changed` runs when the link came or went.
  E1000Phy(Scheduler& scheduler, const std::string& card, bool has_cable,
           std::function<void()> link_changed);

  u32 read_mdic() const { return mdic_; }
  /// True if the access asked for an interrupt when it is done, which is at once.
  bool write_mdic(u32 value);

  bool link_up() const { return link_up_; }

  /// As PHY_RST or the machine's reset: the link comes back after it was negotiated.
  void reset();
  void serialize(Archive& archive);

 private:
  u16 read(unsigned index) const;
  void write(unsigned index, u16 value);
  void negotiate();
  void finish_negotiation();

  Scheduler& scheduler_;
  std::function<void()> link_changed_;
  Scheduler::EventId event_;
  const bool has_cable_;
  bool link_up_ = false;
  u32 mdic_ = 0;
  std::array<u16, 32> registers_{};
};

}  // namespace doppel::devices
