#include "devices/e1000_interrupts.h"

#include <algorithm>
#include <utility>

#include "devices/e1000_registers.h"

namespace doppel::devices {

namespace {

constexpr u64 kDelayUnitNs = 1024;
constexpr u64 kThrottleUnitNs = 256;

}  // namespace

E1000Delay::E1000Delay(Scheduler& scheduler, std::string name, std::function<void()> expired)
    : scheduler_(scheduler),
      expired_(std::move(expired)),
      event_(scheduler.add(std::move(name), [this] { expired_(); })) {}

void E1000Delay::start() {
  if (packet_ == 0) return flush();
  const u64 now = scheduler_.now_ns();
  if (!running()) {
    limit_ns_ = absolute_ == 0 ? Scheduler::kNever : now + absolute_ * kDelayUnitNs;
  }
  scheduler_.schedule(event_, std::min(now + packet_ * kDelayUnitNs, limit_ns_));
}

void E1000Delay::flush() {
  scheduler_.cancel(event_);
  expired_();
}

void E1000Delay::reset() {
  scheduler_.cancel(event_);
  packet_ = absolute_ = 0;
  limit_ns_ = 0;
}

E1000Interrupts::E1000Interrupts(Scheduler& scheduler, const std::string& card, IrqLine& line)
    : scheduler_(scheduler),
      line_(line),
      event_(scheduler.add(card + ".throttle", [this] { update(); })) {}

void E1000Interrupts::update() {
  const bool wanted = enabled_ && (causes_ & mask_) != 0;
  if (!wanted) {
    asserted_ = false;
    scheduler_.cancel(event_);
  } else if (!asserted_) {
    const u64 now = scheduler_.now_ns();
    if (now < next_ns_) {
      scheduler_.schedule(event_, next_ns_);
    } else {
      scheduler_.cancel(event_);
      asserted_ = true;
      next_ns_ = now + throttle_ * kThrottleUnitNs;
    }
  }
  line_.set(asserted_);
}

void E1000Interrupts::raise(u32 causes) {
  causes_ |= causes & e1000::icr::kAll;
  update();
}

u32 E1000Interrupts::read_icr() {
  const u32 causes = causes_;
  clear(causes);
  return causes;
}

void E1000Interrupts::clear(u32 causes) {
  causes_ &= ~causes;
  update();
}

void E1000Interrupts::set_mask(u32 mask) {
  mask_ = mask & e1000::icr::kAll;
  update();
}

void E1000Interrupts::set_enabled(bool enabled) {
  enabled_ = enabled;
  update();
}

void E1000Interrupts::reset() {
  causes_ = mask_ = 0;
  throttle_ = 0;
  next_ns_ = 0;
  update();
}

void E1000Interrupts::serialize(Archive& archive) {
  archive(causes_, mask_, throttle_, enabled_, asserted_, next_ns_);
}

}  // namespace doppel::devices
