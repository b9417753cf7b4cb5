#include "frontend/lockstep.h"

#include <functional>

#include <doctest/doctest.h>
#include <unistd.h>

#include "cpu/interpreter/interpreter.h"
#include "frontend/report.h"
#include "frontend/state_file.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// An interpreter that does something wrong once `at` instructions have retired.
class FaultyEngine final : public cpu::Engine {
 public:
  using Mistake = std::function<void(cpu::Cpu&)>;
  FaultyEngine(cpu::Cpu& cpu, u64 at, Mistake mistake)
      : cpu_(cpu), inner_(cpu), at_(at), mistake_(std::move(mistake)) {}

  cpu::ExitReason run(u64 budget) override {
    const u64 before = cpu_.state.retired;
    const bool passes = before < at_ && at_ - before <= budget;
    const cpu::ExitReason reason = inner_.run(passes ? at_ - before : budget);
    if (passes && cpu_.state.retired == at_) mistake_(cpu_);
    return reason;
  }
  void flush() override { inner_.flush(); }
  const cpu::EngineCounters& counters() const override { return inner_.counters(); }

 private:
  cpu::Cpu& cpu_;
  cpu::Interpreter inner_;
  u64 at_;
  Mistake mistake_;
};

SmallMachine::Adjust lockstep() {
  return [](MachineConfig& config) {
    config.engine = EngineKind::Lockstep;
    config.lockstep = {1'000, 50'000};
    config.own_engine = [](cpu::Cpu& cpu) { return std::make_unique<cpu::Interpreter>(cpu); };
  };
}

SmallMachine::Adjust faulty(u64 at, FaultyEngine::Mistake mistake) {
  return [at, mistake = std::move(mistake)](MachineConfig& config) {
    lockstep()(config);
    config.own_engine = [at, mistake](cpu::Cpu& cpu) {
      return std::make_unique<FaultyEngine>(cpu, at, mistake);
    };
  };
}

RunConfig until(u64 time_ns) {
  RunConfig config;
  config.timeout_virtual_ns = time_ns;
  return config;
}

/// Counts in memory and in CX, for ever.
const std::vector<u8> kCounter = {0x66, 0xff, 0x06, 0x00, 0x80, 0x83, 0xc1, 0x07, 0xeb, 0xf6};

/// Halts between interrupts of the timer, and counts them.
// clang-format off
const std::vector<u8> kTimer = {
    0x31, 0xc0, 0x8e, 0xd8,              // xor ax, ax; mov ds, ax
    0xc7, 0x06, 0x20, 0x00, 0x24, 0x7c,  // mov word [20h], 7c24h: interrupt 8
    0xc7, 0x06, 0x22, 0x00, 0x00, 0x00,  // mov word [22h], 0
    0xb0, 0x34, 0xe6, 0x43,              // mov al, 34h; out 43h, al
    0xb0, 0x00, 0xe6, 0x40,              // mov al, 0;   out 40h, al
    0xb0, 0x10, 0xe6, 0x40,              // mov al, 10h; out 40h, al
    0xfb,                                // sti
    0xf4,                                // again: hlt
    0xff, 0x06, 0x00, 0x80,              // inc word [8000h]
    0xeb, 0xf9,                          // jmp again
    0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58,  // push ax; mov al, 20h; out 20h, al; pop ax
    0xcf,                                // iret
};
/// Sends each byte that COM1 receives back.
const std::vector<u8> kEcho = {
    0xba, 0xfd, 0x03, 0xec,              // again: mov dx, 3fdh; in al, dx
    0xa8, 0x01, 0x74, 0xf8,              // test al, 1; jz again
    0xba, 0xf8, 0x03, 0xec, 0xee,        // mov dx, 3f8h; in al, dx; out dx, al
    0xeb, 0xf1,                          // jmp again
};
// clang-format on

TEST_CASE("lockstep: equal engines stay equal while time jumps and interrupts come") {
  SmallMachine machine(kTimer, nullptr, lockstep());
  CHECK(machine.run(until(200'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(machine->lockstep()->difference() == "");
  CHECK(machine->lockstep()->counters().whole_comparisons > 0);
  CHECK(machine->memory().read<u16>(PhysAddr(0x8000)) > 20);

  SmallMachine alone(kTimer);
  alone.run(until(200'000'000));
  CHECK(machine->state_hash() == alone->state_hash());
}

TEST_CASE("lockstep: both machines get the bytes from outside, and one of them is heard") {
  TextSink serial;
  SmallMachine machine(kEcho, &serial, lockstep());
  InputQueue queue;
  for (const char c : std::string("hello")) queue.push(InputQueue::Target::Serial0, static_cast<u8>(c));
  CHECK(machine.run(queue, until(20'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(machine->lockstep()->difference() == "");
  CHECK(serial.text == "hello");
}

TEST_CASE("lockstep: a wrong bit in a register is found at its very instruction") {
  for (const u64 at : {u64{1}, u64{17}, u64{4'242}, u64{1'000}, u64{345'678}}) {
    SmallMachine machine(kCounter, nullptr, faulty(at, [](cpu::Cpu& cpu) { cpu.state.gpr[RBX] ^= 4; }));
    const RunOutcome outcome = machine.run(until(5'000'000));
    CHECK(outcome.kind == RunOutcome::Kind::EnginesDiffer);
    CHECK(outcome.status == 4);
    const std::string wanted = "after " + std::to_string(at) + " instructions: RBX is";
    CHECK_MESSAGE(outcome.reason.find(wanted) != std::string::npos, outcome.reason);
    CHECK(machine->lockstep()->report().find("registers that differ") != std::string::npos);
    CHECK(machine->lockstep()->report().find("guest code") != std::string::npos);
  }
}

TEST_CASE("lockstep: a wrong byte in memory is found at its very instruction") {
  SmallMachine machine(kCounter, nullptr, faulty(123'456, [](cpu::Cpu& cpu) {
                         cpu.mmu.memory().write(PhysAddr(0x9001), Width::Byte, 0x5a);
                       }));
  const RunOutcome outcome = machine.run(until(5'000'000));
  CHECK(outcome.kind == RunOutcome::Kind::EnginesDiffer);
  CHECK(outcome.reason.find("after 123456 instructions: memory at physical 0x9001") !=
        std::string::npos);
}

TEST_CASE("lockstep: a chip that was spoken to by mistake is named") {
  SmallMachine machine(kCounter, nullptr, faulty(77'777, [](cpu::Cpu& cpu) {
                         cpu.environment.write_port(0x3fb, Width::Byte, 0x1b);
                       }));
  const RunOutcome outcome = machine.run(until(5'000'000));
  CHECK(outcome.kind == RunOutcome::Kind::EnginesDiffer);
  CHECK_MESSAGE(outcome.reason.find("after 77777 instructions: chip uart0") != std::string::npos,
                outcome.reason);
}

TEST_CASE("lockstep: an engine that miscounts is found") {
  SmallMachine machine(kCounter, nullptr,
                       faulty(2'500, [](cpu::Cpu& cpu) { ++cpu.state.retired; }));
  const RunOutcome outcome = machine.run(until(5'000'000));
  CHECK(outcome.kind == RunOutcome::Kind::EnginesDiffer);
  CHECK(outcome.reason.find("after 2500 instructions: instructions retired: 2501, not 2500") !=
        std::string::npos);
}

TEST_CASE("lockstep: a difference at the end of a run is not missed") {
  // Behind the last comparison of memory.
  SmallMachine machine(kCounter, nullptr, faulty(60'010, [](cpu::Cpu& cpu) {
                         cpu.mmu.memory().write(PhysAddr(0x9000), Width::Byte, 1);
                       }));
  CHECK(machine.run(until(60'020)).kind == RunOutcome::Kind::EnginesDiffer);
}

TEST_CASE("lockstep: a mistake that is not made again is reported where it was noticed") {
  auto done = std::make_shared<bool>(false);
  SmallMachine machine(kCounter, nullptr, faulty(4'242, [done](cpu::Cpu& cpu) {
                         if (!std::exchange(*done, true)) cpu.state.gpr[RBX] ^= 4;
                       }));
  const RunOutcome outcome = machine.run(until(5'000'000));
  CHECK(outcome.kind == RunOutcome::Kind::EnginesDiffer);
  CHECK(outcome.reason.find("after 5000 instructions") != std::string::npos);
  CHECK(machine->lockstep()->report().find("does not come back") != std::string::npos);
  CHECK(machine->lockstep()->report().find("EBX=00000004") != std::string::npos);
}

TEST_CASE("lockstep: a machine that was saved goes on in lockstep, and its report tells") {
  const std::string path = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_lockstep";
  {
    SmallMachine machine(kTimer, nullptr, lockstep());
    RunConfig config = until(60'000'000);
    config.save_at_ns = 40'000'000;
    config.save = [&] { return save_state(*machine, path); };
    CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(machine->lockstep()->difference() == "");
  }
  u64 at = 0;
  {
    SmallMachine machine(kTimer, nullptr, lockstep());
    REQUIRE(load_state(*machine, path).ok());
    at = machine->cpu().state.retired + 20;
    CHECK(machine.run(until(60'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(machine->lockstep()->difference() == "");
  }
  SmallMachine machine(kTimer, nullptr, faulty(at, [](cpu::Cpu& cpu) { cpu.state.gpr[RSI] = 1; }));
  REQUIRE(load_state(*machine, path).ok());
  Report report;
  report.outcome = machine.run(until(60'000'000));
  CHECK(report.outcome.reason.find("after " + std::to_string(at) + " instructions: RSI") !=
        std::string::npos);
  const std::string json = report_json(report, *machine);
  CHECK(json.find("\"kind\": \"engines_differ\"") != std::string::npos);
  CHECK(json.find("\"name\": \"lockstep\"") != std::string::npos);
  ::unlink(path.c_str());
}

TEST_CASE("lockstep: the translator does what the interpreter does") {
  for (const std::vector<u8>& program : {kCounter, kTimer, kEcho}) {
    SmallMachine machine(program, nullptr, [](MachineConfig& config) {
      config.engine = EngineKind::Lockstep;
      config.lockstep = {997, 50'000};
      config.jit.cache_bytes = u64{4} << 20;
    });
    InputQueue queue;
    for (const char c : std::string("hello"))
      queue.push(InputQueue::Target::Serial0, static_cast<u8>(c));
    CHECK(machine.run(queue, until(20'000'000)).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK_MESSAGE(machine->lockstep()->difference() == "", machine->lockstep()->report());
  }
}

}  // namespace
}  // namespace doppel::frontend
