#include "devices/virtio_console.h"

#include <algorithm>
#include <utility>

namespace doppel::devices {

namespace {

constexpr VirtioDevice::Kind kKind{.id = 3, .class_code = 0x07'8000};
constexpr u16 kQueueSizes[] = {64, 64};

/// Bytes that arrive together are handed over together.
constexpr u64 kGatherNs = 1'000;

/// Linux throws away what comes between its first buffers and the moment it has made hvc0 of them.
constexpr u64 kSetUpNs = 20'000'000;

/// No driver writes more at once; a guest that does would keep the machine busy for long.
constexpr u64 kMostBytes = u64{256} << 10;

}  // namespace

VirtioConsole::VirtioConsole(std::string name, ByteSink* sink, mmu::PhysicalMemory& memory,
                             Scheduler& scheduler)
    : VirtioDevice(memory, kKind, kQueueSizes),
      sink_(sink),
      scheduler_(scheduler),
      event_(scheduler.add(std::move(name), [this] { hand_over(); })) {}

void VirtioConsole::queue_notified(unsigned index) {
  if (index == kTransmit) return transmit();
  if (listens_at_ns_ == Scheduler::kNever) {
    listens_at_ns_ = scheduler_.now_ns() + kSetUpNs;
    scheduler_.schedule(event_, listens_at_ns_);
  }
  if (!waiting_.empty()) hand_over();
}

void VirtioConsole::transmit() {
  VirtioQueue& queue = *this->queue(kTransmit);
  while (const std::optional<u16> head = queue.pop()) {
    if (!queue.follow(*head, chain_)) return;
    if (chain_.readable_bytes > kMostBytes)
      return queue.break_off("more bytes are written at once than a console takes");
    VirtioCursor data(memory(), chain_.readable);
    buffer_.resize(chain_.readable_bytes);
    data.read(buffer_);
    if (sink_ != nullptr) {
      for (const u8 byte : buffer_) sink_->write(byte);
    }
    queue.push(*head, 0);
  }
  queue.ask_for_notification();
  publish(kTransmit);
}

unsigned VirtioConsole::room() const {
  return running() && scheduler_.now_ns() >= listens_at_ns_ ? waiting_.room() : 0;
}

void VirtioConsole::receive(u8 byte) {
  waiting_.push(byte);
  if (!scheduler_.is_scheduled(event_))
    scheduler_.schedule(event_, scheduler_.now_ns() + kGatherNs);
}

/// Fills pieces of the driver's with what waits; the rest waits for more of them.
void VirtioConsole::hand_over() {
  if (!running()) return;
  VirtioQueue& queue = *this->queue(kReceive);
  while (!waiting_.empty()) {
    const std::optional<u16> head = queue.pop();
    if (!head || !queue.follow(*head, chain_)) break;
    buffer_.resize(std::min<u64>(waiting_.size(), chain_.writable_bytes));
    for (u8& byte : buffer_) byte = waiting_.pop();
    VirtioCursor(memory(), chain_.writable).write(buffer_);
    queue.push(*head, static_cast<u32>(buffer_.size()));
  }
  queue.ask_for_notification();
  publish(kReceive);
  gave_up(kReceive);
}

void VirtioConsole::reset_device() {
  waiting_.clear();
  listens_at_ns_ = Scheduler::kNever;
  scheduler_.cancel(event_);
}

}  // namespace doppel::devices
