#include "devices/scheduler.h"

#include "cpu/base/check.h"

namespace doppel::devices {

Scheduler::EventId Scheduler::add(std::string name, std::function<void()> callback) {
  for (const Event& event : events_) {
    DOPPEL_CHECK(event.name != name, "two scheduled events share a name");
  }
  events_.push_back(Event{std::move(name), std::move(callback), kNever});
  return static_cast<EventId>(events_.size() - 1);
}

void Scheduler::schedule(EventId event, u64 deadline_ns) {
  const u64 before = events_[event].deadline_ns;
  events_[event].deadline_ns = deadline_ns;
  if (deadline_ns < next_) {
    next_ = deadline_ns;
  } else if (before == next_) {
    find_next();
  }
}

void Scheduler::cancel(EventId event) { schedule(event, kNever); }

u64 Scheduler::instructions_until_next() const {
  if (next_ == kNever) return ~u64{0};
  const u64 now = now_ns();
  if (next_ <= now) return 0;
  return ((next_ - now) + (u64{1} << shift_) - 1) >> shift_;
}

void Scheduler::run_due() {
  const u64 now = now_ns();
  while (next_ <= now) {
    // The earliest deadline first; among equals the first registered.
    size_t due = 0;
    for (size_t i = 1; i < events_.size(); ++i) {
      if (events_[i].deadline_ns < events_[due].deadline_ns) due = i;
    }
    events_[due].deadline_ns = kNever;
    find_next();
    events_[due].callback();
  }
}

void Scheduler::skip_to(u64 time_ns) {
  const u64 now = now_ns();
  if (time_ns > now) skipped_ns_ += time_ns - now;
}

void Scheduler::find_next() {
  next_ = kNever;
  for (const Event& event : events_) {
    if (event.deadline_ns < next_) next_ = event.deadline_ns;
  }
}

void Scheduler::serialize(Archive& archive) {
  archive(skipped_ns_);
  for (Event& event : events_) {
    archive.section(event.name, [&] { archive(event.deadline_ns); });
  }
  if (archive.is_loading()) find_next();
}

}  // namespace doppel::devices
