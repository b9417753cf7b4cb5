#include "devices/e1000_filter.h"

#include "cpu/base/bits.h"
#include "devices/ethernet.h"

namespace doppel::devices {

using namespace e1000;

namespace {

// RAH.
constexpr u32 kAddressValid = 1u << 31;
constexpr u32 kAddressSelect = 3u << 16;  // 0: the destination; the others select wake-up only.

constexpr unsigned kMulticastOffset = 12;  // RCTL.MO

}  // namespace

bool E1000Filter::is_exact(const u8* address) const {
  const u32 low = address[0] | u32{address[1]} << 8 | u32{address[2]} << 16 | u32{address[3]} << 24;
  const u32 high = address[4] | u32{address[5]} << 8;
  for (u32 i = 0; i < kReceiveAddresses; ++i) {
    const u32 rah = addresses_[2 * i + 1];
    if ((rah & kAddressValid) == 0 || (rah & kAddressSelect) != 0) continue;
    if (addresses_[2 * i] == low && (rah & 0xffff) == high) return true;
  }
  return false;
}

/// RCTL.MO: bits 47..36, 46..35, 45..34 or 43..32 of the address, the byte sent last being highest.
bool E1000Filter::in_multicast_table(const u8* address, u32 rctl) const {
  constexpr unsigned kShifts[] = {4, 3, 2, 0};
  const unsigned shift = kShifts[rctl >> kMulticastOffset & 3];
  const u32 index = (address[4] | u32{address[5]} << 8) >> shift & 0xfff;
  return bit(multicast_[index >> 5], index & 31);
}

bool E1000Filter::passes_vlan(std::span<const u8> frame, u32 rctl, u16 vet) const {
  if ((rctl & rctl::VFE) == 0) return true;
  const u8* const type = frame.data() + ethernet::kTypeOffset;
  if (load_be16(type) != vet || frame.size() < ethernet::kHeaderBytes + 2) return true;
  const u16 tag = load_be16(type + 2);
  if ((rctl & rctl::CFIEN) != 0 && bit(tag, 12) != ((rctl & rctl::CFI) != 0)) return false;
  const unsigned vlan = tag & 0xfff;
  return bit(vlans_[vlan >> 5], vlan & 31);
}

E1000Filter::Verdict E1000Filter::check(std::span<const u8> frame, u32 rctl, u16 vet) const {
  const u8* const address = frame.data();
  if (!passes_vlan(frame, rctl, vet)) return Verdict::Reject;
  if (is_exact(address)) return Verdict::Exact;
  if (!ethernet::is_multicast(address)) {
    return (rctl & rctl::UPE) != 0 ? Verdict::Exact : Verdict::Reject;
  }
  if (ethernet::is_broadcast(address) && (rctl & rctl::BAM) != 0) return Verdict::Exact;
  if ((rctl & rctl::MPE) != 0) return Verdict::Exact;
  return in_multicast_table(address, rctl) ? Verdict::Imprecise : Verdict::Reject;
}

bool E1000Filter::owns(u32 offset) {
  return (offset >= kMta && offset < kMta + 4 * kMtaWords) ||
         (offset >= kRal && offset < kRal + 8 * kReceiveAddresses) ||
         (offset >= kVfta && offset < kVfta + 4 * kVftaWords);
}

u32 E1000Filter::read(u32 offset) const {
  if (offset >= kVfta) return vlans_[(offset - kVfta) / 4 % kVftaWords];
  if (offset >= kRal) return addresses_[(offset - kRal) / 4 % addresses_.size()];
  return multicast_[(offset - kMta) / 4 % kMtaWords];
}

void E1000Filter::write(u32 offset, u32 value) {
  if (offset >= kVfta) {
    vlans_[(offset - kVfta) / 4 % kVftaWords] = value;
  } else if (offset >= kRal) {
    const u32 index = (offset - kRal) / 4 % static_cast<u32>(addresses_.size());
    addresses_[index] = index % 2 == 0 ? value : value & (kAddressValid | kAddressSelect | 0xffff);
  } else {
    multicast_[(offset - kMta) / 4 % kMtaWords] = value;
  }
}

void E1000Filter::reset(const MacAddress& mac) {
  addresses_.fill(0);
  multicast_.fill(0);
  vlans_.fill(0);
  addresses_[0] = mac[0] | u32{mac[1]} << 8 | u32{mac[2]} << 16 | u32{mac[3]} << 24;
  addresses_[1] = mac[4] | u32{mac[5]} << 8 | kAddressValid;
}

}  // namespace doppel::devices
