#pragma once

// What a chip is plugged into during a unit test: wires that remember, and time that obeys.

#include <string>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/endpoints.h"
#include "devices/irq.h"
#include "devices/scheduler.h"
#include "mmu/io_handler.h"

namespace doppel::test {

/// A wire that counts its rising edges.
struct Wire final : devices::IrqLine {
  bool level = false;
  unsigned rises = 0;
  void set(bool now) override {
    if (now && !level) ++rises;
    level = now;
  }
};

struct RecordingControl final : devices::MachineControl {
  std::vector<ResetCause> resets;
  unsigned shutdowns = 0;
  std::vector<int> exits;
  std::vector<GuestEvent> guest_events;
  std::vector<bool> a20_changes;
  void request_reset(ResetCause cause) override { resets.push_back(cause); }
  void request_shutdown() override { ++shutdowns; }
  void request_exit(int status) override { exits.push_back(status); }
  void report_guest(GuestEvent event) override { guest_events.push_back(event); }
  void set_a20(bool on) override { a20_changes.push_back(on); }
};

struct TextSink final : devices::ByteSink {
  std::string text;
  void write(u8 byte) override { text.push_back(static_cast<char>(byte)); }
};

/// Virtual time of a machine that does nothing but wait.
struct Clock {
  u64 retired = 0;
  devices::Scheduler scheduler{retired, 0};

  void run_until(u64 time_ns) {
    while (scheduler.next_deadline_ns() <= time_ns) {
      scheduler.skip_to(scheduler.next_deadline_ns());
      scheduler.run_due();
    }
    scheduler.skip_to(time_ns);
  }
  void run_for(u64 ns) { run_until(scheduler.now_ns() + ns); }
};

inline u8 in8(mmu::IoHandler& ports, u64 offset) {
  return static_cast<u8>(ports.read(offset, Width::Byte));
}
inline void out8(mmu::IoHandler& ports, u64 offset, unsigned value) {
  ports.write(offset, Width::Byte, value);
}

template <class Part>
std::vector<u8> saved(Part& part) {
  std::vector<u8> bytes;
  Archive archive = Archive::saver(bytes);
  part.serialize(archive);
  return bytes;
}

/// True if all bytes were used and nothing was wrong with them.
template <class Part>
bool load(Part& part, const std::vector<u8>& bytes) {
  Archive archive = Archive::loader(bytes);
  part.serialize(archive);
  return !archive.failed() && archive.at_end();
}

}  // namespace doppel::test
