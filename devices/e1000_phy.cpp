#include "devices/e1000_phy.h"

#include <utility>

namespace doppel::devices {

namespace {

// MDIC.
constexpr u32 kOpWrite = 1;
constexpr u32 kOpRead = 2;
constexpr u32 kReady = 1u << 28;
constexpr u32 kInterrupt = 1u << 29;
constexpr u32 kError = 1u << 30;
constexpr unsigned kPhyAddress = 1;

// Registers.
constexpr unsigned kPctrl = 0;
constexpr unsigned kPstatus = 1;
constexpr unsigned kPhyId1 = 2;
constexpr unsigned kPhyId2 = 3;
constexpr unsigned kAna = 4;
constexpr unsigned kLpa = 5;
constexpr unsigned kAne = 6;
constexpr unsigned kGcon = 9;
constexpr unsigned kGstatus = 10;
constexpr unsigned kEstatus = 15;
constexpr unsigned kPscon = 16;
constexpr unsigned kPsstat = 17;
constexpr unsigned kPinte = 18;
constexpr unsigned kPints = 19;
constexpr unsigned kEpscon1 = 20;

constexpr u16 kPctrlReset = 1u << 15;
constexpr u16 kPctrlAutonegotiate = 1u << 12;
constexpr u16 kPctrlPowerDown = 1u << 11;
constexpr u16 kPctrlRestart = 1u << 9;
constexpr u16 kPstatusAbilities = 0x7949;  // 10 and 100 Mb/s, extended status, negotiation.
constexpr u16 kPstatusComplete = 1u << 5;
constexpr u16 kPstatusLink = 1u << 2;
constexpr u16 kPsstatGigabit = 0xa800;  // 1000 Mb/s, full duplex, resolved.
constexpr u16 kPsstatLink = 1u << 10;
constexpr u16 kPintsLinkChanged = 1u << 10;

/// Simplified: the partner answers much sooner than the second or two that 802.3 needs.
constexpr u64 kNegotiationNs = 2'000'000;

}  // namespace

E1000Phy::E1000Phy(Scheduler& scheduler, const std::string& card, bool has_cable,
                   std::function<void()> link_changed)
    : scheduler_(scheduler),
      link_changed_(std::move(link_changed)),
      event_(scheduler.add(card + ".negotiation", [this] { finish_negotiation(); })),
      has_cable_(has_cable) {}

bool E1000Phy::write_mdic(u32 value) {
  const unsigned index = value >> 16 & 0x1f;
  const unsigned phy = value >> 21 & 0x1f;
  const unsigned op = value >> 26 & 3;
  mdic_ = value & ~(kReady | kError);
  if (phy != kPhyAddress || (op != kOpRead && op != kOpWrite)) {
    mdic_ |= kReady | kError;
  } else {
    if (op == kOpWrite) write(index, static_cast<u16>(value));
    if (op == kOpRead) mdic_ = (mdic_ & ~u32{0xffff}) | read(index);
    mdic_ |= kReady;
  }
  return (value & kInterrupt) != 0;
}

u16 E1000Phy::read(unsigned index) const {
  switch (index) {
    case kPstatus:
      return static_cast<u16>(kPstatusAbilities |
                              (link_up_ ? kPstatusLink | kPstatusComplete : 0));
    case kPhyId1:
      return 0x0141;
    case kPhyId2:
      return 0x0c20;
    case kLpa:
      return link_up_ ? 0xcde1 : 0;  // All of 10 and 100 Mb/s, pause, acknowledged.
    case kAne:
      return link_up_ ? 0x0001 : 0;  // The partner negotiates.
    case kGstatus:
      return link_up_ ? 0x3c00 : 0;  // Both receivers are well, and the partner does 1000BASE-T.
    case kEstatus:
      return 0x3000;
    case kPsstat:
      return link_up_ ? kPsstatGigabit | kPsstatLink : 0;
    default:
      return registers_[index];
  }
}

void E1000Phy::write(unsigned index, u16 value) {
  switch (index) {
    case kPctrl:
      if ((value & kPctrlReset) != 0) return reset();
      registers_[kPctrl] = value & ~kPctrlRestart;
      if ((value & kPctrlPowerDown) != 0 || (value & kPctrlRestart) != 0) negotiate();
      else if (!link_up_ && !scheduler_.is_scheduled(event_)) negotiate();
      break;
    case kAna:
    case kGcon:
    case kPscon:
    case kPinte:
    case kEpscon1:
      registers_[index] = value;
      break;
    default:
      // Pages of the analogue part are kept as they are written; the rest is read only.
      if (index > kEpscon1) registers_[index] = value;
      break;
  }
}

void E1000Phy::negotiate() {
  const bool was_up = std::exchange(link_up_, false);
  scheduler_.cancel(event_);
  if (has_cable_ && (registers_[kPctrl] & kPctrlPowerDown) == 0) {
    scheduler_.schedule(event_, scheduler_.now_ns() + kNegotiationNs);
  }
  if (was_up) link_changed_();
}

void E1000Phy::finish_negotiation() {
  link_up_ = true;
  registers_[kPints] |= kPintsLinkChanged;
  link_changed_();
}

void E1000Phy::reset() {
  registers_.fill(0);
  registers_[kPctrl] = kPctrlAutonegotiate | 0x0140;  // 1000 Mb/s, full duplex.
  registers_[kAna] = 0x0de1;
  registers_[kGcon] = 0x0e00;
  registers_[kPscon] = 0x0068;
  registers_[kEpscon1] = 0x0d60;
  mdic_ = kReady;
  negotiate();
}

void E1000Phy::serialize(Archive& archive) { archive(link_up_, mdic_, registers_); }

}  // namespace doppel::devices
