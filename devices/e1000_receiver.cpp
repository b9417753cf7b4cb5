#include "devices/e1000_receiver.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <zlib.h>

#include "devices/ethernet.h"
#include "devices/internet_checksum.h"
#include "devices/received_checksums.h"

namespace doppel::devices {

using namespace e1000;

namespace {

// The descriptor: address 0, length 8, checksum 10, status 12, errors 13, special 14.
constexpr u32 kLengthOffset = 8;
constexpr u8 kStatusDone = 1u << 0;
constexpr u8 kStatusEndOfPacket = 1u << 1;
constexpr u8 kStatusIgnoreChecksum = 1u << 2;
constexpr u8 kStatusVlan = 1u << 3;
constexpr u8 kStatusTcpChecked = 1u << 5;
constexpr u8 kStatusIpChecked = 1u << 6;
constexpr u8 kStatusImprecise = 1u << 7;
constexpr u8 kErrorTcp = 1u << 5;
constexpr u8 kErrorIp = 1u << 6;

constexpr u32 kDelayFlush = 1u << 31;  // RDTR.FPD
constexpr unsigned kBufferSizeShift = 16;
constexpr unsigned kThresholdShift = 8;  // RCTL.RDMTS: a half, a quarter, an eighth.

/// The longest frame that is taken without RCTL.LPE, frame check sequence included.
constexpr size_t kLongest = kMaxFrameBytes + ethernet::kFcsBytes;

}  // namespace

E1000Receiver::E1000Receiver(mmu::PhysicalMemory& memory, Scheduler& scheduler,
                             const std::string& card, E1000Interrupts& interrupts,
                             E1000Statistics& statistics)
    : memory_(memory),
      interrupts_(interrupts),
      statistics_(statistics),
      ring_(memory),
      delay_(scheduler, card + ".receive_delay", [this] { interrupts_.raise(icr::RXT0); }) {}

bool E1000Receiver::owns(u32 offset) {
  return offset == kRctl || (offset >= kRdbal && offset <= kRadv) || offset == kRsrpd ||
         offset == kRxcsum;
}

u32 E1000Receiver::read(u32 offset) const {
  switch (offset) {
    case kRctl:
      return rctl_;
    case kRdtr:
      return delay_.packet();
    case kRadv:
      return delay_.absolute();
    case kRxdctl:
      return rxdctl_;
    case kRsrpd:
      return rsrpd_;
    case kRxcsum:
      return rxcsum_;
    default:
      return ring_.read(offset - kRdbal);
  }
}

void E1000Receiver::write(u32 offset, u32 value) {
  switch (offset) {
    case kRctl:
      rctl_ = value;
      break;
    case kRdtr:
      delay_.set_packet(value);
      if ((value & kDelayFlush) != 0 && delay_.running()) delay_.flush();
      break;
    case kRadv:
      delay_.set_absolute(value);
      break;
    case kRxdctl:
      rxdctl_ = value;
      break;
    case kRsrpd:
      rsrpd_ = value & 0xfff;
      break;
    case kRxcsum:
      rxcsum_ = value;
      break;
    default:
      ring_.write(offset - kRdbal, value);
      break;
  }
}

u32 E1000Receiver::buffer_bytes() const {
  const u32 size = 2048u >> (rctl_ >> kBufferSizeShift & 3);
  const bool extended = (rctl_ & rctl::BSEX) != 0;
  return extended && size != 2048 ? size * 16 : size;
}

bool E1000Receiver::has_room() const {
  const u32 needed = (kLongest + buffer_bytes() - 1) / buffer_bytes();
  return (rctl_ & rctl::EN) != 0 && ring_.available() >= needed;
}

void E1000Receiver::receive(std::span<const u8> frame, const Vlan& vlan) {
  if ((rctl_ & rctl::EN) == 0 || frame.size() < ethernet::kHeaderBytes ||
      frame.size() > kMaxFrameBytes) {
    return;
  }
  const E1000Filter::Verdict verdict = filter_.check(frame, rctl_, vlan.type);
  if (verdict == E1000Filter::Verdict::Reject) return;

  // As it stands in memory: filled up, perhaps without its tag, with its check sequence.
  std::array<u8, kLongest> bytes{};
  std::copy(frame.begin(), frame.end(), bytes.begin());
  size_t size = std::max(frame.size(), ethernet::kLeastBytes);
  const u32 fcs = static_cast<u32>(::crc32(0, bytes.data(), static_cast<uInt>(size)));
  u8 status = 0;
  u16 tag = 0;
  if (vlan.strip && load_be16(bytes.data() + ethernet::kTypeOffset) == vlan.type) {
    u8* const at = bytes.data() + ethernet::kTypeOffset;
    tag = load_be16(at + 2);
    size -= ethernet::kTagBytes;
    std::memmove(at, at + ethernet::kTagBytes, size - ethernet::kTypeOffset);
    status |= kStatusVlan;
  }
  u8 errors = 0;
  const ReceivedChecksums found = check_received({bytes.data(), size});
  if ((rxcsum_ & (rxcsum::IPOFL | rxcsum::TUOFL)) == 0) status |= kStatusIgnoreChecksum;
  if ((rxcsum_ & rxcsum::IPOFL) != 0 && found.ip != ReceivedChecksums::State::Absent) {
    status |= kStatusIpChecked;
    if (found.ip == ReceivedChecksums::State::Wrong) errors |= kErrorIp;
  }
  if ((rxcsum_ & rxcsum::TUOFL) != 0 && found.transport != ReceivedChecksums::State::Absent) {
    status |= kStatusTcpChecked;
    if (found.transport == ReceivedChecksums::State::Wrong) errors |= kErrorTcp;
  }
  if (verdict == E1000Filter::Verdict::Imprecise) status |= kStatusImprecise;
  if ((rctl_ & rctl::SECRC) == 0) {
    std::memcpy(bytes.data() + size, &fcs, sizeof fcs);
    size += ethernet::kFcsBytes;
  }

  const u32 needed = static_cast<u32>((size + buffer_bytes() - 1) / buffer_bytes());
  if (ring_.available() < needed) {
    statistics_.missed();
    interrupts_.raise(icr::RXO);
    return;
  }
  using Kind = E1000Statistics::Kind;
  const Kind kind = ethernet::is_broadcast(frame.data())   ? Kind::Broadcast
                    : ethernet::is_multicast(frame.data()) ? Kind::Multicast
                                                           : Kind::Unicast;
  statistics_.received(std::max(frame.size(), ethernet::kLeastBytes), kind);
  store({bytes.data(), size}, status, errors, tag);
  count_descriptors();
  if (size <= rsrpd_) {
    interrupts_.raise(icr::SRPD);
    delay_.flush();
  } else {
    delay_.start();
  }
}

/// Cuts the frame into buffers. There are descriptors enough.
void E1000Receiver::store(std::span<const u8> bytes, u8 status, u8 errors, u16 tag) {
  const u32 start = std::min<u32>(rxcsum_ & 0xff, static_cast<u32>(bytes.size()));
  const u16 checksum = fold_sum(add_to_sum(0, bytes.subspan(start)));
  const u32 most = buffer_bytes();
  while (!bytes.empty() && ring_.available() != 0) {
    const E1000Ring::Descriptor descriptor = ring_.fetch();
    const u64 address = descriptor[0] | u64{descriptor[1]} << 32;
    const auto part = bytes.first(std::min<size_t>(most, bytes.size()));
    bytes = bytes.subspan(part.size());
    memory_.write_bytes(PhysAddr(address), part);
    const bool is_last = bytes.empty();
    const u8 back[] = {static_cast<u8>(part.size()),
                       static_cast<u8>(part.size() >> 8),
                       static_cast<u8>(checksum >> 8),
                       static_cast<u8>(checksum),
                       static_cast<u8>(kStatusDone | (is_last ? kStatusEndOfPacket | status : 0)),
                       is_last ? errors : u8{0},
                       static_cast<u8>(tag),
                       static_cast<u8>(tag >> 8)};
    ring_.write_back(kLengthOffset, back);
    ring_.advance();
  }
}

/// Few descriptors left: the driver is told, so that it brings more in time.
void E1000Receiver::count_descriptors() {
  const u32 fraction = (rctl_ >> kThresholdShift & 3) + 1;
  if (ring_.available() <= ring_.size() >> fraction) interrupts_.raise(icr::RXDMT0);
}

void E1000Receiver::reset(const MacAddress& mac) {
  filter_.reset(mac);
  ring_.reset();
  delay_.reset();
  rctl_ = rxdctl_ = rsrpd_ = rxcsum_ = 0;
}

void E1000Receiver::serialize(Archive& archive) {
  archive(filter_, ring_, delay_, rctl_, rxdctl_, rsrpd_, rxcsum_);
}

}  // namespace doppel::devices
