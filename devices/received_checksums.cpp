#include "devices/received_checksums.h"

#include "devices/ethernet.h"
#include "devices/internet_checksum.h"

namespace doppel::devices {

namespace {

using State = ReceivedChecksums::State;

constexpr u8 kTcp = 6;
constexpr u8 kUdp = 17;
constexpr size_t kLeastIpHeader = 20;
constexpr size_t kLeastTcp = 20;
constexpr size_t kLeastUdp = 8;
constexpr u16 kOffsetAndMore = 0x3fff;  // Of a fragment: its place, and that others follow.

/// A sum that takes the checksum in gives all ones where nothing was damaged.
State state_of(u64 sum) { return fold_sum(sum) == 0xffff ? State::Right : State::Wrong; }

/// @source  RFC 793 "Header Format", RFC 768 "Fields": both sum a pseudo header as well
State check_transport(std::span<const u8> ip, std::span<const u8> segment) {
  const u8 protocol = ip[9];
  if (protocol != kTcp && protocol != kUdp) return State::Absent;
  if (segment.size() < (protocol == kTcp ? kLeastTcp : kLeastUdp)) return State::Absent;
  if (protocol == kUdp && load_be16(segment.data() + 6) == 0) return State::Absent;
  const u64 pseudo = add_to_sum(u64{protocol} + segment.size(), ip.subspan(12, 8));
  return state_of(add_to_sum(pseudo, segment));
}

}  // namespace

ReceivedChecksums check_received(std::span<const u8> frame) {
  ReceivedChecksums found;
  size_t type_at = ethernet::kTypeOffset;
  if (frame.size() < ethernet::kHeaderBytes + ethernet::kTagBytes) return found;
  if (load_be16(frame.data() + type_at) == ethernet::kTypeVlan) type_at += ethernet::kTagBytes;
  if (load_be16(frame.data() + type_at) != ethernet::kTypeIpv4) return found;
  std::span<const u8> ip = frame.subspan(type_at + 2);
  if (ip.size() < kLeastIpHeader || ip[0] >> 4 != 4) return found;
  const size_t header_bytes = size_t{ip[0]} % 16 * 4;
  const size_t total_bytes = load_be16(ip.data() + 2);
  if (header_bytes < kLeastIpHeader || total_bytes < header_bytes || total_bytes > ip.size()) {
    return found;
  }
  ip = ip.first(total_bytes);
  found.ip = state_of(add_to_sum(0, ip.first(header_bytes)));
  if ((load_be16(ip.data() + 6) & kOffsetAndMore) == 0) {
    found.transport = check_transport(ip, ip.subspan(header_bytes));
  }
  return found;
}

}  // namespace doppel::devices
