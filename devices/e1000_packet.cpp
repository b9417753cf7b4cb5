#include "devices/e1000_packet.h"

#include <algorithm>

#include "devices/ethernet.h"
#include "devices/internet_checksum.h"
#include "devices/network.h"

namespace doppel::devices {

namespace {

/// Simplified: a driver that asks for smaller segments gets none. Real ones are twenty times as long,
/// and a packet that falls into single bytes would keep the host busy.
constexpr u16 kLeastSegment = 64;
/// What one packet may have of data: more than TCP can number in one window without scaling.
constexpr u32 kMostSegments = (64 << 10) / kLeastSegment;

constexpr size_t kIpLength = 2;
constexpr size_t kIpIdentification = 4;
constexpr size_t kIpv6Length = 4;
constexpr size_t kIpv6Header = 40;
constexpr size_t kTcpSequence = 4;
constexpr size_t kTcpFlags = 13;
constexpr size_t kUdpLength = 4;
constexpr u8 kTcpFin = 0x01;
constexpr u8 kTcpPsh = 0x08;

/// A field of a header, if the frame reaches that far.
u8* field(std::span<u8> frame, size_t at, size_t bytes) {
  return at + bytes <= frame.size() ? frame.data() + at : nullptr;
}

}  // namespace

void E1000Packet::begin(const Wishes& wishes) {
  clear();
  begun_ = true;
  wishes_ = wishes;
  const Context& context = wishes_.context;
  lost_ = wishes_.segment &&
          (context.segment_bytes < kLeastSegment ||
           size_t{context.header_bytes} + context.segment_bytes > kMaxFrameBytes);
}

void E1000Packet::set_vlan(u16 type, u16 tag) {
  tagged_ = true;
  tag_type_ = type;
  tag_ = tag;
}

/// How long `bytes_` may become before something must be done.
size_t E1000Packet::most_bytes() const {
  const Context& context = wishes_.context;
  if (!wishes_.segment) return kMaxFrameBytes;
  return size_t{context.header_bytes} + (has_headers() ? context.segment_bytes : 0);
}

void E1000Packet::make_room() {
  if (!wishes_.segment) {
    lost_ = true;
  } else if (!has_headers()) {
    headers_ = bytes_;
  } else {
    send_segment(false);
  }
}

void E1000Packet::add(std::span<const u8> bytes) {
  while (!bytes.empty() && !lost_) {
    if (bytes_.size() >= most_bytes()) {
      make_room();
      continue;
    }
    const auto part = bytes.first(std::min(bytes.size(), most_bytes() - bytes_.size()));
    bytes_.insert(bytes_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
  }
}

bool E1000Packet::finish() {
  const bool segment = wishes_.segment;
  if (!lost_ && segment) {
    send_segment(true);
  } else if (!lost_ && !bytes_.empty()) {
    if (wishes_.ip_checksum) put_checksum(wishes_.context.ip);
    if (wishes_.transport_checksum) put_checksum(wishes_.context.transport);
    send();
  }
  clear();
  return segment;
}

void E1000Packet::send_segment(bool is_last) {
  if (segments_ == kMostSegments) {
    lost_ = true;
    return;
  }
  adjust_headers(is_last);
  if (wishes_.transport_checksum) {
    add_length_to_pseudo_header();
    put_checksum(wishes_.context.transport);
  }
  if (wishes_.ip_checksum) put_checksum(wishes_.context.ip);
  send();
  ++segments_;
  bytes_ = headers_;
}

/// @source  "TCP Segmentation Data Fetch Control" and "IP and TCP/UDP Headers" (3.5.6 and 3.5.7)
void E1000Packet::adjust_headers(bool is_last) {
  const Context& context = wishes_.context;
  const std::span<u8> frame(bytes_);
  const size_t ip = context.ip.start;
  const size_t transport = context.transport.start;
  const auto length_from = [&](size_t start) {
    return static_cast<u16>(frame.size() - std::min(frame.size(), start));
  };
  if (context.is_ipv4) {
    if (u8* const at = field(frame, ip + kIpLength, 2)) store_be16(at, length_from(ip));
    if (u8* const at = field(frame, ip + kIpIdentification, 2)) {
      store_be16(at, static_cast<u16>(load_be16(at) + segments_));
    }
  } else if (u8* const at = field(frame, ip + kIpv6Length, 2)) {
    store_be16(at, length_from(ip + kIpv6Header));
  }
  if (!context.is_tcp) {
    if (u8* const at = field(frame, transport + kUdpLength, 2)) {
      store_be16(at, length_from(transport));
    }
    return;
  }
  if (u8* const at = field(frame, transport + kTcpSequence, 4)) {
    store_be32(at, load_be32(at) + segments_ * context.segment_bytes);
  }
  if (u8* const at = field(frame, transport + kTcpFlags, 1); at != nullptr && !is_last) {
    *at &= static_cast<u8>(~(kTcpFin | kTcpPsh));
  }
}

/// Where the checksum goes the driver has left the sum of the pseudo header, but for the length.
void E1000Packet::add_length_to_pseudo_header() {
  const Checksum& checksum = wishes_.context.transport;
  u8* const at = field(bytes_, checksum.offset, 2);
  if (at == nullptr) return;
  const size_t length = bytes_.size() - std::min<size_t>(bytes_.size(), checksum.start);
  store_be16(at, fold_sum(u64{load_be16(at)} + length));
}

void E1000Packet::put_checksum(const Checksum& checksum) {
  const std::span<u8> frame(bytes_);
  size_t end = checksum.end == 0 ? frame.size() : size_t{checksum.end} + 1;
  end = std::min(end, frame.size());
  u8* const at = field(frame, checksum.offset, 2);
  if (at == nullptr || checksum.start >= end) return;
  const u64 sum = add_to_sum(0, frame.subspan(checksum.start, end - checksum.start));
  store_be16(at, static_cast<u16>(~fold_sum(sum)));
}

void E1000Packet::send() {
  if (!tagged_ || bytes_.size() < ethernet::kTypeOffset) return send_(bytes_);
  if (bytes_.size() + ethernet::kTagBytes > kMaxFrameBytes) return;
  std::vector<u8> frame = bytes_;
  u8 tag[ethernet::kTagBytes];
  store_be16(tag, tag_type_);
  store_be16(tag + 2, tag_);
  frame.insert(frame.begin() + ethernet::kTypeOffset, std::begin(tag), std::end(tag));
  send_(frame);
}

void E1000Packet::clear() {
  begun_ = lost_ = tagged_ = false;
  wishes_ = {};
  bytes_.clear();
  headers_.clear();
  segments_ = 0;
  tag_type_ = tag_ = 0;
}

void E1000Packet::serialize(Archive& archive) {
  archive(begun_, lost_, wishes_, bytes_, headers_, segments_, tagged_, tag_type_, tag_);
  const bool fits = bytes_.size() <= kMaxFrameBytes &&
                    (headers_.empty() || headers_.size() == wishes_.context.header_bytes) &&
                    segments_ <= kMostSegments;
  if (fits) return;
  archive.fail("a network card's packet is longer than it can be");
  clear();
}

}  // namespace doppel::devices
