#include "frontend/input_queue.h"

#include <cstdio>

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// What a recording with these lines is refused for; empty if it is taken.
std::string refusal(const std::string& text) {
  const std::string path = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_replay";
  REQUIRE(write_file(path, text.data(), text.size()).ok());
  InputQueue queue;
  const auto result = queue.replay_from(path);
  std::remove(path.c_str());
  if (result.ok()) return {};
  CHECK(result.error().message.starts_with(path + ": "));
  CHECK_FALSE(queue.replaying());
  return result.error().message;
}

TEST_CASE("input_queue: what waits for a machine that is no more goes, frames too") {
  InputQueue queue;
  const std::vector<u8> frame(60, 0xff);
  queue.push(InputQueue::Target::Serial0, 'a');
  queue.push_frame(0, frame);
  queue.push_nmi();
  queue.forget();
  CHECK_FALSE(queue.pending(0));
  queue.push_frame(0, frame);
  CHECK(queue.pending(0));
}

TEST_CASE("input_queue: a whole recording is taken") {
  CHECK(
      refusal("doppel-input 1\n5 20 serial0 4a0d\n5 21 keyboard 1c\n9 99 reset -\nend\n").empty());
  CHECK(refusal("doppel-input 1\nend\n").empty());
  CHECK(refusal("doppel-input 2\n5 20 mouse 0100feff0001\n5 21 power -\n5 22 console 410a\nend\n").empty());
  CHECK(refusal("doppel-input 3\n5 20 net0 ffffffffffff\n5 20 net3 00\nend\n").empty());
}

TEST_CASE("input_queue: a damaged recording is refused with the line where it is damaged") {
  const char* const damaged[] = {
      "1 2 serial0",
      "1 serial0 41",
      "-1 2 serial0 41",
      "1 -2 serial0 41",
      "+1 2 serial0 41",
      "1x 2 serial0 41",
      "99999999999999999999 2 serial0 41",
      "1 2 serial2 41",
      "1 2 serial0 4",
      "1 2 serial0 -1",
      "1 2 serial0 +1",
      "1 2 serial0 0x",
      "1 2 serial0 4g",
      "",
      "1 2 mouse 0100feff00",
      "1 2 mouse 0100feff000101",
      "1 2 reset 01",
      "1 2 power 01",
      "1 2 time 00000000000000",
      "1 2 time -",
      "1 2 net0 -",
      "1 2 net4 41",
  };
  for (const std::string line : damaged) {
    CAPTURE(line);
    CHECK(refusal("doppel-input 1\n0 0 serial0 41\n" + line + "\nend\n").find("line 3") !=
          std::string::npos);
  }
}

TEST_CASE("input_queue: a recording that goes back in time or has no end is refused") {
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n4 20 serial0 41\nend\n").empty());
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n5 19 serial0 41\nend\n").empty());
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n").empty());
  CHECK_FALSE(refusal("doppel-input 4\nend\n").empty());
  CHECK_FALSE(refusal("").empty());
}

/// Waits for ever, awake for interrupts.
const std::vector<u8> kSleeper = {0xfb, 0xf4, 0xeb, 0xfd};  // sti; again: hlt; jmp again

std::string recording_of(const std::string& path) {
  const std::vector<u8> bytes = read_file(path).take();
  return std::string(bytes.begin(), bytes.end());
}

RunConfig until(u64 time_ns) {
  RunConfig config;
  config.timeout_virtual_ns = time_ns;
  return config;
}

std::string temporary(const char* name) {
  return "/tmp/doppel_test_" + std::to_string(::getpid()) + "_" + name;
}

TEST_CASE("input_queue: a mouse event is six bytes, and what is too far stops at the edge") {
  const std::string path = temporary("mouse");
  {
    SmallMachine machine(kSleeper);
    InputQueue queue;
    REQUIRE(queue.record_to(path).ok());
    queue.push_mouse(1, -2, 3, 5);
    queue.push_mouse(100000, -100000, -1000, 0x1f);
    CHECK(queue.mouse_buttons() == 0x1f);
    machine.run(queue, until(1'000'000));
  }
  CHECK(recording_of(path).find(" mouse 0100feff0305ff7f0180811f\n") != std::string::npos);
  std::remove(path.c_str());
}

TEST_CASE("input_queue: mouse events reach the mouse behind the 8042") {
  // clang-format off
  SmallMachine machine({0xfa,                    // cli
                        0xb0, 0xd4, 0xe6, 0x64,  // the next byte is the mouse's
                        0xb0, 0xf4, 0xe6, 0x60,  // report
                        0xe4, 0x64, 0xa8, 0x20,  // again: wait for a byte of the mouse
                        0x74, 0xfa,
                        0xe4, 0x60, 0x3c, 0x09,  // the first of a packet with the left button held?
                        0x75, 0xf4,
                        0xe4, 0x64, 0xa8, 0x20, 0x74, 0xfa, 0xe4, 0x60,  // x
                        0xba, 0x01, 0x05, 0xee, 0xf4});                  // isa-debug-exit
  // clang-format on
  InputQueue queue;
  queue.push_at(50'000'000, InputQueue::Target::Mouse, std::vector<u8>{7, 0, 0, 0, 0, 1});
  const RunOutcome outcome = machine.run(queue, {});
  CHECK(outcome.kind == RunOutcome::Kind::DebugExit);
  CHECK(outcome.status == (7 << 1 | 1));
  CHECK(machine->now_ns() >= 50'000'000);
}

TEST_CASE("input_queue: bytes for a later moment arrive exactly then, also at a sleeping machine") {
  for (const std::vector<u8>& program : {kSleeper, std::vector<u8>{0xeb, 0xfe}}) {
    const std::string path = temporary("later");
    {
      SmallMachine machine(program);
      InputQueue queue;
      REQUIRE(queue.record_to(path).ok());
      queue.push_at(3'000'123, InputQueue::Target::Keyboard, std::vector<u8>{0xf0, 0x1c});
      queue.push_at(2'000'000, InputQueue::Target::Keyboard, std::vector<u8>{0x1c});
      queue.push_at(900'000'000, InputQueue::Target::Keyboard, std::vector<u8>{0x1c});
      CHECK(queue.next_due_ns() == 2'000'000);
      CHECK(queue.last_due_ns() == 900'000'000);
      CHECK_FALSE(queue.pending(1'999'999));
      CHECK(queue.pending(2'000'000));
      machine.run(queue, until(10'000'000));
    }
    const std::string text = recording_of(path);
    CHECK(text.find(" 2000000 keyboard 1c\n") != std::string::npos);
    CHECK(text.find(" 3000123 keyboard f01c\n") != std::string::npos);
    CHECK(text.find(" 900000000 ") == std::string::npos);
    std::remove(path.c_str());
  }
}

TEST_CASE("input_queue: what was recorded with keyboard, mouse and power button replays equally") {
  const std::string path = temporary("everything");
  std::string hash;
  {
    SmallMachine machine(kSleeper);
    InputQueue queue;
    REQUIRE(queue.record_to(path).ok());
    for (unsigned i = 0; i < 40; ++i) queue.push(InputQueue::Target::Keyboard, 0x1c);
    for (int i = 0; i < 100; ++i) queue.push_mouse(i, -i, 0, 0);
    queue.push_power_button();
    machine.run(queue, until(40'000'000));
    queue.jump(*machine.operator->(), 60'000'000);
    machine.run(queue, until(100'000'000));
    hash = machine->state_hash();
  }
  CHECK(recording_of(path).find(" power -\n") != std::string::npos);
  CHECK(recording_of(path).find(" time 0087930300000000\n") != std::string::npos);
  SmallMachine machine(kSleeper);
  InputQueue queue;
  REQUIRE(queue.replay_from(path).ok());
  queue.push_power_button();  // The host has no say in a replay.
  queue.push_at(1, InputQueue::Target::Keyboard, std::vector<u8>{0x1c});
  CHECK(machine.run(queue, until(100'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(machine->state_hash() == hash);
  std::remove(path.c_str());

  SmallMachine untouched(kSleeper);
  untouched.run(until(100'000'000));
  CHECK(untouched->state_hash() != hash);
}

TEST_CASE("input_queue: a lockstep gives both machines the mouse and the power button") {
  SmallMachine machine(kSleeper, nullptr,
                       [](MachineConfig& config) { config.engine = EngineKind::Lockstep; });
  InputQueue queue;
  queue.push_mouse(5, 6, 1, 1);
  queue.push_power_button();
  CHECK(machine.run(queue, until(10'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
}

TEST_CASE("input_queue: what no longer fits is dropped as a whole") {
  InputQueue queue;
  const std::vector<u8> much((size_t{1} << 20) - 3, 0x1c);
  queue.push_at(5, InputQueue::Target::Keyboard, much);
  queue.push_at(5, InputQueue::Target::Keyboard, std::vector<u8>{1, 2, 3, 4});
  CHECK(queue.last_due_ns() == 5);
  queue.push_at(6, InputQueue::Target::Keyboard, std::vector<u8>{1, 2, 3});
  CHECK(queue.last_due_ns() == 6);
}

}  // namespace
}  // namespace doppel::frontend
