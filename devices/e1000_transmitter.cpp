#include "devices/e1000_transmitter.h"

#include <algorithm>

#include "cpu/base/bits.h"
#include "devices/e1000_registers.h"
#include "devices/ethernet.h"

namespace doppel::devices {

using namespace e1000;

namespace {

// The command byte of every descriptor, bits 31..24 of its third word.
constexpr u8 kEop = 1u << 0;
constexpr u8 kIc = 1u << 2;   // Old kind: a checksum.
constexpr u8 kTse = 1u << 2;  // Data and context: segmentation.
constexpr u8 kRs = 1u << 3;
constexpr u8 kRps = 1u << 4;
constexpr u8 kDext = 1u << 5;  // Not of the old kind.
constexpr u8 kVle = 1u << 6;
constexpr u8 kIde = 1u << 7;
constexpr u8 kContextTcp = 1u << 0;
constexpr u8 kContextIpv4 = 1u << 1;

constexpr unsigned kTypeContext = 0;
constexpr unsigned kTypeData = 1;

constexpr u8 kPoptsIp = 1u << 0;
constexpr u8 kPoptsTransport = 1u << 1;

constexpr u32 kStatusOffset = 12;
constexpr u8 kStatusDone = 1u << 0;

// One burst, and how long the wire is busy with what comes in one.
constexpr unsigned kMostDescriptors = 256;
constexpr u32 kMostBytes = 256 << 10;
constexpr u64 kNsPerByte = 8;
constexpr u64 kLeastPauseNs = 10'000;
/// A descriptor that only takes time counts as one with a short frame.
constexpr u32 kDescriptorCost = 64;

}  // namespace

/// A piece of a packet, whichever kind of descriptor it comes from.
struct E1000Transmitter::Data {
  u64 address = 0;
  u32 bytes = 0;
  u8 command = 0;
  u16 tag = 0;
  E1000Packet::Wishes wishes;
};

E1000Transmitter::E1000Transmitter(mmu::PhysicalMemory& memory, Scheduler& scheduler,
                                   const std::string& card, E1000Interrupts& interrupts,
                                   E1000Statistics& statistics, NetworkLink* link)
    : memory_(memory),
      scheduler_(scheduler),
      interrupts_(interrupts),
      statistics_(statistics),
      link_(link),
      event_(scheduler.add(card + ".transmit", [this] { run(); })),
      ring_(memory),
      delay_(scheduler, card + ".transmit_delay", [this] { interrupts_.raise(icr::TXDW); }),
      packet_([this](std::span<const u8> frame) { send(frame); }) {}

bool E1000Transmitter::owns(u32 offset) {
  return offset == kTctl || (offset >= kTdbal && offset <= kTspmt);
}

u32 E1000Transmitter::read(u32 offset) const {
  switch (offset) {
    case kTctl:
      return tctl_;
    case kTidv:
      return delay_.packet();
    case kTadv:
      return delay_.absolute();
    case kTxdctl:
      return txdctl_;
    case kTspmt:
      return tspmt_;
    default:
      return ring_.read(offset - kTdbal);
  }
}

void E1000Transmitter::write(u32 offset, u32 value) {
  switch (offset) {
    case kTctl:
      tctl_ = value;
      break;
    case kTidv:
      delay_.set_packet(value);
      return;
    case kTadv:
      delay_.set_absolute(value);
      return;
    case kTxdctl:
      txdctl_ = value;
      return;
    case kTspmt:
      tspmt_ = value;
      return;
    default:
      ring_.write(offset - kTdbal, value);
      if (offset != kTdt) return;
      break;
  }
  if (!scheduler_.is_scheduled(event_)) run();
}

void E1000Transmitter::set_surroundings(const Surroundings& surroundings) {
  surroundings_ = surroundings;
  if (!scheduler_.is_scheduled(event_)) run();
}

bool E1000Transmitter::can_run() const {
  return (tctl_ & tctl::EN) != 0 && surroundings_.bus_master && surroundings_.link_up &&
         ring_.available() != 0;
}

/// One burst; the rest comes later.
void E1000Transmitter::run() {
  if (!can_run()) return;
  u32 bytes = 0;
  for (unsigned i = 0; i < kMostDescriptors && bytes < kMostBytes && can_run(); ++i) {
    bytes += take_descriptor() + kDescriptorCost;
  }
  if (can_run()) {
    scheduler_.schedule(event_, scheduler_.now_ns() + std::max(kLeastPauseNs, bytes * kNsPerByte));
  } else {
    interrupts_.raise(icr::TXQE);
  }
}

/// Gives the bytes that it made the host move.
u32 E1000Transmitter::take_descriptor() {
  const E1000Ring::Descriptor descriptor = ring_.fetch();
  const u8 command = static_cast<u8>(descriptor[2] >> 24);
  const unsigned type = static_cast<unsigned>(bit_field(descriptor[2], 23, 20));
  u32 moved = 0;
  Data data;
  data.address = descriptor[0] | u64{descriptor[1]} << 32;
  data.command = command;
  data.tag = static_cast<u16>(descriptor[3] >> 16);
  if ((command & kDext) == 0) {
    data.bytes = descriptor[2] & 0xffff;
    data.wishes.transport_checksum = (command & kIc) != 0;
    data.wishes.context.transport.offset = static_cast<u8>(descriptor[2] >> 16);
    data.wishes.context.transport.start = static_cast<u8>(descriptor[3] >> 8);
    moved = take_data(data);
  } else if (type == kTypeContext) {
    take_context(descriptor);
  } else if (type == kTypeData) {
    const u8 popts = static_cast<u8>(descriptor[3] >> 8);
    data.bytes = static_cast<u32>(bit_field(descriptor[2], 19, 0));
    data.wishes.segment = (command & kTse) != 0;
    data.wishes.ip_checksum = (popts & kPoptsIp) != 0;
    data.wishes.transport_checksum = (popts & kPoptsTransport) != 0;
    data.wishes.context = data.wishes.segment ? segment_context_ : plain_context_;
    moved = take_data(data);
  }
  write_back(descriptor, command);
  ring_.advance();
  return moved;
}

/// The card keeps one context for packets that are cut and one for those that are not.
void E1000Transmitter::take_context(const E1000Ring::Descriptor& descriptor) {
  const auto checksum = [](u32 word) {
    return E1000Packet::Checksum{static_cast<u8>(word), static_cast<u8>(word >> 8),
                                 static_cast<u16>(word >> 16)};
  };
  const u8 command = static_cast<u8>(descriptor[2] >> 24);
  E1000Packet::Context& context = (command & kTse) != 0 ? segment_context_ : plain_context_;
  context.ip = checksum(descriptor[0]);
  context.transport = checksum(descriptor[1]);
  context.header_bytes = static_cast<u8>(descriptor[3] >> 8);
  context.segment_bytes = static_cast<u16>(descriptor[3] >> 16);
  context.is_tcp = (command & kContextTcp) != 0;
  context.is_ipv4 = (command & kContextIpv4) != 0;
}

u32 E1000Transmitter::take_data(const Data& data) {
  if (packet_.empty()) packet_.begin(data.wishes);
  const bool is_last = (data.command & kEop) != 0;
  if (surroundings_.insert_vlan && (data.command & kVle) != 0) {
    packet_.set_vlan(surroundings_.vlan_type, data.tag);
  }
  u32 moved = 0;
  while (moved < data.bytes && !packet_.is_lost()) {
    u8 bytes[2048];
    const std::span<u8> piece(bytes, std::min<size_t>(sizeof bytes, data.bytes - moved));
    memory_.read_bytes(PhysAddr(data.address + moved), piece);
    packet_.add(piece);
    moved += static_cast<u32>(piece.size());
  }
  if (is_last && packet_.finish()) statistics_.segmented();
  return moved;
}

/// Tells the driver, if it wants to be told, and perhaps not at once.
void E1000Transmitter::write_back(const E1000Ring::Descriptor& descriptor, u8 command) {
  if ((command & (kRs | kRps)) == 0) return;
  const u8 status[] = {static_cast<u8>(descriptor[3] | kStatusDone)};
  ring_.write_back(kStatusOffset, status);
  if ((command & kIde) != 0) {
    delay_.start();
  } else {
    delay_.flush();
  }
}

void E1000Transmitter::send(std::span<const u8> frame) {
  if (frame.size() < ethernet::kHeaderBytes) return;
  using Kind = E1000Statistics::Kind;
  const Kind kind = ethernet::is_broadcast(frame.data())   ? Kind::Broadcast
                    : ethernet::is_multicast(frame.data()) ? Kind::Multicast
                                                           : Kind::Unicast;
  statistics_.sent(std::max(frame.size(), ethernet::kLeastBytes), kind);
  if (link_ != nullptr) link_->transmit(frame);
}

void E1000Transmitter::reset() {
  scheduler_.cancel(event_);
  ring_.reset();
  delay_.reset();
  packet_.clear();
  plain_context_ = segment_context_ = {};
  tctl_ = txdctl_ = tspmt_ = 0;
}

void E1000Transmitter::serialize(Archive& archive) {
  archive(ring_, delay_, packet_, plain_context_, segment_context_, tctl_, txdctl_, tspmt_);
}

}  // namespace doppel::devices
