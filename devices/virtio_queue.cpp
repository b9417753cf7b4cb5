#include "devices/virtio_queue.h"

#include <bit>
#include <cstring>

namespace doppel::devices {

namespace {

// A descriptor's flags.
constexpr u16 kNext = 1;
constexpr u16 kWrite = 2;
constexpr u16 kIndirect = 4;

constexpr u64 kDescriptorBytes = 16;
constexpr u16 kNoInterrupt = 1;  // A flag of the driver's ring.

constexpr u64 kAlignment[] = {16, 2, 4};

/// Whether `count` steps from `from` pass `event`, where indices wrap.
constexpr bool passes(u16 event, u16 to, u16 from) {
  return static_cast<u16>(to - event - 1) < static_cast<u16>(to - from);
}

}  // namespace

template <class T>
T VirtioQueue::load(u64 address) const {
  std::array<u8, sizeof(T)> bytes;
  memory_.read_bytes(PhysAddr(address), bytes);
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <class T>
void VirtioQueue::store(u64 address, T value) {
  std::array<u8, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  memory_.write_bytes(PhysAddr(address), bytes);
}

// --- Set-up ------------------------------------------------------------------------------------

bool VirtioQueue::set_size(u16 size) {
  if (enabled_ || size > most_ || !std::has_single_bit(size)) return false;
  size_ = size;
  return true;
}

void VirtioQueue::set_address(Part part, u64 address) {
  if (!enabled_) addresses_[static_cast<unsigned>(part)] = address;
}

bool VirtioQueue::enable() {
  for (unsigned i = 0; i < addresses_.size(); ++i) {
    const u64 most_bytes = 16 * u64{size_} + 6;
    if (addresses_[i] % kAlignment[i] != 0 || addresses_[i] > ~u64{0} - most_bytes) return false;
  }
  enabled_ = true;
  return true;
}

void VirtioQueue::reset() {
  size_ = most_;
  addresses_ = {};
  enabled_ = false;
  features_ = {};
  next_available_ = next_used_ = published_ = 0;
  broken_ = nullptr;
}

void VirtioQueue::break_off(const char* reason) {
  if (broken_ == nullptr) broken_ = reason;
}

// --- Chains ------------------------------------------------------------------------------------

u16 VirtioQueue::announced() const {
  return static_cast<u16>(load<u16>(driver_ring() + 2) - next_available_);
}

u16 VirtioQueue::head_of(u16 index) const {
  return load<u16>(driver_ring() + 4 + 2 * u64{static_cast<u16>(index % size_)});
}

u16 VirtioQueue::waiting() const {
  if (!enabled_ || broken_ != nullptr) return 0;
  const u16 count = announced();
  return count <= size_ ? count : u16{0};
}

std::optional<u16> VirtioQueue::pop() {
  if (!enabled_ || broken_ != nullptr) return std::nullopt;
  const u16 count = announced();
  if (count > size_) break_off("more requests are announced than the queue can hold");
  if (count == 0 || broken_ != nullptr) return std::nullopt;
  return head_of(next_available_++);
}

bool VirtioQueue::follow(u16 head, VirtioChain& out) {
  out.clear();
  if (!enabled_ || broken_ != nullptr) return false;
  if (const char* const reason = read_chain(head, out); reason != nullptr) break_off(reason);
  return broken_ == nullptr;
}

bool VirtioQueue::peek(u16 n, VirtioChain& out) const {
  out.clear();
  return read_chain(head_of(static_cast<u16>(next_available_ + n)), out) == nullptr;
}

const char* VirtioQueue::add_piece(const Descriptor& descriptor, VirtioChain& out) {
  const bool is_writable = (descriptor.flags & kWrite) != 0;
  if (!is_writable && !out.writable.empty()) return "a piece to be read follows one to be written";
  if (descriptor.size_bytes == 0) return nullptr;
  if (descriptor.address > ~u64{0} - descriptor.size_bytes)
    return "a piece leaves the address space";
  (is_writable ? out.writable : out.readable)
      .push_back({PhysAddr(descriptor.address), descriptor.size_bytes});
  (is_writable ? out.writable_bytes : out.readable_bytes) += descriptor.size_bytes;
  if (out.readable_bytes + out.writable_bytes > kMostChainBytes)
    return "a request has more bytes than any may have";
  return nullptr;
}

const char* VirtioQueue::read_chain(u16 head, VirtioChain& out) const {
  out.head = head;
  u16 index = head;
  for (unsigned pieces = 0; pieces < size_; ++pieces) {
    if (index >= size_) return "a chain leads to a descriptor that is not there";
    const Descriptor descriptor = load<Descriptor>(descriptors() + index * kDescriptorBytes);
    if ((descriptor.flags & kIndirect) != 0) return read_table(descriptor, out);
    if (const char* const reason = add_piece(descriptor, out); reason != nullptr) return reason;
    if ((descriptor.flags & kNext) == 0) return nullptr;
    index = descriptor.next;
  }
  return "a chain of descriptors has no end";
}

/// A table of descriptors elsewhere, which stands for the rest of the chain.
const char* VirtioQueue::read_table(const Descriptor& table, VirtioChain& out) const {
  const u64 count = table.size_bytes / kDescriptorBytes;
  if (!features_.indirect || (table.flags & kNext) != 0 || count == 0 ||
      table.size_bytes % kDescriptorBytes != 0 || table.address > ~u64{0} - table.size_bytes)
    return "a table of descriptors is not one";
  u64 index = 0;
  for (unsigned pieces = 0; pieces < kMostPieces; ++pieces) {
    const Descriptor descriptor = load<Descriptor>(table.address + index * kDescriptorBytes);
    if ((descriptor.flags & kIndirect) != 0) return "a table of descriptors leads to another one";
    if (const char* const reason = add_piece(descriptor, out); reason != nullptr) return reason;
    if ((descriptor.flags & kNext) == 0) return nullptr;
    index = descriptor.next;
    if (index >= count) return "a table of descriptors leads beyond its end";
  }
  return "a table of descriptors has no end";
}

// --- What goes back ----------------------------------------------------------------------------

void VirtioQueue::push(u16 head, u32 written) {
  if (!enabled_ || broken_ != nullptr) return;
  const u64 entry = device_ring() + 4 + 8 * u64{static_cast<u16>(next_used_ % size_)};
  store<u64>(entry, head | u64{written} << 32);
  ++next_used_;
}

bool VirtioQueue::publish() {
  if (!enabled_ || broken_ != nullptr || published_ == next_used_) return false;
  store<u16>(device_ring() + 2, next_used_);
  const u16 before = published_;
  published_ = next_used_;
  if (features_.event_index) return passes(load<u16>(used_event()), next_used_, before);
  return (load<u16>(driver_ring()) & kNoInterrupt) == 0;
}

void VirtioQueue::ask_for_notification() {
  if (enabled_ && broken_ == nullptr && features_.event_index)
    store<u16>(available_event(), next_available_);
}

void VirtioQueue::serialize(Archive& archive) {
  bool is_broken = broken_ != nullptr;
  archive(size_, addresses_, enabled_, features_.indirect, features_.event_index, next_available_,
          next_used_, published_, is_broken);
  if (!archive.is_loading()) return;
  broken_ = is_broken ? "it was when the machine was saved" : nullptr;
  if (size_ <= most_ && std::has_single_bit(size_)) return;
  archive.fail("a virtqueue has a size that it cannot have");
  size_ = most_;
}

}  // namespace doppel::devices
