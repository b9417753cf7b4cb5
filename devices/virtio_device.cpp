#include "devices/virtio_device.h"

#include "cpu/base/bits.h"
#include "cpu/base/log.h"

namespace doppel::devices {

using namespace virtio;

VirtioDevice::VirtioDevice(mmu::PhysicalMemory& memory, Kind kind, std::span<const u16> queue_sizes)
    : kind_(kind), memory_(memory) {
  queues_.reserve(queue_sizes.size());
  for (const u16 size : queue_sizes) queues_.emplace_back(memory, size);
}

// --- Features and status -----------------------------------------------------------------------

u64 VirtioDevice::offered_features() const {
  return device_features() | kIndirectDescriptors | kEventIndex | kVersion1;
}

void VirtioDevice::set_driver_features(unsigned half, u32 value) {
  // What was agreed on holds until the next reset.
  if (half > 1 || (status_ & kFeaturesOk) != 0) return;
  const unsigned shift = 32 * half;
  driver_features_ = (driver_features_ & ~(u64{0xffff'ffff} << shift)) | u64{value} << shift;
}

void VirtioDevice::set_status(u8 value) {
  if (value == 0) return reset();
  const bool is_acceptable = (driver_features_ & ~offered_features()) == 0 && has(kVersion1);
  if ((value & kFeaturesOk) != 0 && (status_ & kFeaturesOk) == 0) {
    if (is_acceptable) {
      for (VirtioQueue& queue : queues_)
        queue.set_features(
            {.indirect = has(kIndirectDescriptors), .event_index = has(kEventIndex)});
    } else {
      value &= static_cast<u8>(~kFeaturesOk);
    }
  }
  const bool was_running = running();
  // A driver cannot take back what it said, nor what the device said.
  status_ |= value & static_cast<u8>(~kNeedsReset);
  if (!was_running && running()) notify_all();
}

bool VirtioDevice::running() const {
  constexpr u8 kReady = kDriverOk | kFeaturesOk;
  return (status_ & (kReady | kNeedsReset)) == kReady && transport_ != nullptr &&
         transport_->may_use_memory();
}

void VirtioDevice::enable_queue(unsigned index) {
  VirtioQueue* const wanted = queue(index);
  if (wanted == nullptr || wanted->is_enabled()) return;
  if (!wanted->enable()) {
    wanted->break_off("its addresses are not aligned");
    gave_up(index);
  }
}

// --- Work --------------------------------------------------------------------------------------

void VirtioDevice::notify(unsigned index) {
  if (index >= queues_.size() || !running() || !queues_[index].is_enabled()) return;
  queue_notified(index);
  gave_up(index);
}

void VirtioDevice::notify_all() {
  for (unsigned i = 0; i < queues(); ++i) notify(i);
}

void VirtioDevice::publish(unsigned index) {
  if (queues_[index].publish()) transport_->queue_interrupt(index);
}

bool VirtioDevice::gave_up(unsigned index) {
  const char* const reason = queues_[index].broken();
  if (reason == nullptr) return false;
  if ((status_ & kNeedsReset) != 0) return true;
  log::warn("virtio", "device type %u, queue %u: %s", kind_.id, index, reason);
  status_ |= kNeedsReset;
  if ((status_ & kDriverOk) != 0) transport_->config_interrupt();
  return true;
}

void VirtioDevice::write_config(unsigned, u8) {}

void VirtioDevice::reset() {
  status_ = 0;
  driver_features_ = 0;
  for (VirtioQueue& queue : queues_) queue.reset();
  reset_device();
}

void VirtioDevice::serialize(Archive& archive) {
  archive(status_, driver_features_);
  for (VirtioQueue& queue : queues_) archive(queue);
  serialize_device(archive);
}

}  // namespace doppel::devices
