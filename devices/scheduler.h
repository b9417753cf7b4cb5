#pragma once

// Virtual time and what happens in it.
//
// Virtual time is retired instructions times a fixed rate, plus what a halted machine skipped.
// Chips never ask the host. An event has one owner, one deadline and a name, under which it is
// saved; events with the same deadline run in the order of their registration, so a run repeats exactly.

#include <functional>
#include <string>
#include <vector>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

class Scheduler {
 public:
  /// One instruction takes 2^shift nanoseconds. `retired` counts instructions and must outlive this.
  Scheduler(const u64& retired, unsigned shift) : retired_(retired), shift_(shift) {}
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  u64 now_ns() const { return (retired_ << shift_) + skipped_ns_; }
  unsigned shift() const { return shift_; }

  using EventId = u32;
  static constexpr u64 kNever = ~u64{0};

  /// Called once at construction of a chip. The callback runs with now_ns() >= its deadline.
  EventId add(std::string name, std::function<void()> callback);
  /// Sets (or moves) the deadline; a deadline in the past runs at the next opportunity.
  void schedule(EventId event, u64 deadline_ns);
  void cancel(EventId event);
  bool is_scheduled(EventId event) const { return events_[event].deadline_ns != kNever; }
  u64 deadline_ns(EventId event) const { return events_[event].deadline_ns; }

  /// The nearest deadline, kNever if there is none.
  u64 next_deadline_ns() const { return next_; }
  /// Whole instructions until the nearest deadline is reached; ~0 if there is none, 0 if it is due.
  u64 instructions_until_next() const;
  /// Runs everything that is due, also what callbacks schedule for now.
  void run_due();
  /// A halted machine: time jumps to `time_ns` (never backwards).
  void skip_to(u64 time_ns);

  void serialize(Archive& archive);

 private:
  struct Event {
    std::string name;
    std::function<void()> callback;
    u64 deadline_ns = kNever;
  };
  void find_next();

  const u64& retired_;
  unsigned shift_;
  u64 skipped_ns_ = 0;
  u64 next_ = kNever;
  std::vector<Event> events_;
};

}  // namespace doppel::devices
