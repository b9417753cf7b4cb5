#include "devices/virtio_net.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr VirtioDevice::Kind kKind{.id = 1, .class_code = 0x02'0000};
constexpr u16 kQueueSizes[] = {256, 256};

// "Feature bits" (5.1.3).
constexpr u64 kMac = u64{1} << 5;
constexpr u64 kMergeableBuffers = u64{1} << 15;
constexpr u64 kStatus = u64{1} << 16;

/// "Device configuration layout" (5.1.4).
struct Config {
  u8 mac[6];
  u16 status;
};
constexpr u16 kLinkUp = 1;

/// "Device Operation" (5.1.6): flags and offloads, all zero, then the number of buffers.
constexpr u64 kHeaderBytes = 12;
constexpr unsigned kBuffersOffset = 10;

}  // namespace

VirtioNet::VirtioNet(const MacAddress& mac, NetworkLink* link, mmu::PhysicalMemory& memory)
    : VirtioDevice(memory, kKind, kQueueSizes), mac_(mac), link_(link) {}

u64 VirtioNet::device_features() const { return kMac | kMergeableBuffers | kStatus; }

u8 VirtioNet::read_config(unsigned offset) const {
  Config config{.mac = {}, .status = link_ != nullptr ? kLinkUp : u16{0}};
  std::copy(mac_.begin(), mac_.end(), config.mac);
  return config_byte(config, offset);
}

// --- To the wire -------------------------------------------------------------------------------

void VirtioNet::queue_notified(unsigned index) {
  if (index != kTransmit) return;  // More room: the wire asks can_receive().
  VirtioQueue& queue = *this->queue(kTransmit);
  while (const std::optional<u16> head = queue.pop()) {
    if (!queue.follow(*head, chain_)) return;
    const u64 most = kHeaderBytes + kMaxFrameBytes;
    if (chain_.readable_bytes > kHeaderBytes && chain_.readable_bytes <= most && link_ != nullptr) {
      VirtioCursor data(memory(), chain_.readable);
      data.skip(kHeaderBytes);
      buffer_.resize(chain_.readable_bytes - kHeaderBytes);
      data.read(buffer_);
      link_->transmit(buffer_);
    }
    queue.push(*head, 0);
  }
  queue.ask_for_notification();
  publish(kTransmit);
}

// --- From the wire -----------------------------------------------------------------------------

u16 VirtioNet::buffers_for(u64 size_bytes) const {
  const VirtioQueue& queue = *this->queue(kReceive);
  // A frame is in one buffer, unless the driver can put it together from several.
  const u16 most = has(kMergeableBuffers) ? queue.waiting() : std::min<u16>(queue.waiting(), 1);
  VirtioChain chain;
  u64 room = 0;
  for (u16 n = 0; n < most; ++n) {
    if (!queue.peek(n, chain)) return 0;
    room += chain.writable_bytes;
    if (room >= size_bytes) return static_cast<u16>(n + 1);
  }
  return 0;
}

bool VirtioNet::can_receive() const {
  return running() && buffers_for(kHeaderBytes + kMaxFrameBytes) != 0;
}

void VirtioNet::receive(std::span<const u8> frame) {
  if (!running() || frame.size() > kMaxFrameBytes) return;
  const u16 buffers = buffers_for(kHeaderBytes + frame.size());
  if (buffers == 0) return;
  buffer_.assign(kHeaderBytes, 0);
  buffer_[kBuffersOffset] = static_cast<u8>(buffers);
  buffer_[kBuffersOffset + 1] = static_cast<u8>(buffers >> 8);
  buffer_.insert(buffer_.end(), frame.begin(), frame.end());

  VirtioQueue& queue = *this->queue(kReceive);
  std::span<const u8> left(buffer_);
  for (u16 n = 0; n < buffers; ++n) {
    const std::optional<u16> head = queue.pop();
    // What was written may have been the queue itself.
    if (!head || !queue.follow(*head, chain_)) break;
    const size_t written = VirtioCursor(memory(), chain_.writable).write(left);
    left = left.subspan(written);
    queue.push(*head, static_cast<u32>(written));
  }
  publish(kReceive);
  gave_up(kReceive);
}

}  // namespace doppel::devices
