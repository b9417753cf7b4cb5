// Networks of the host and the machine: frames through the input queue, and who waits for whom.

#include <cstdio>

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/lockstep.h"
#include "frontend/network/host_networks.h"
#include "frontend/network/silent_link.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// A real-mode program that writes doublewords to ports and then waits for interrupts, again and again.
class PortProgram {
 public:
  void out(u16 port, u32 value) {
    add({0x66, 0xb8});  // MOV EAX, value
    for (unsigned i = 0; i < 4; ++i) bytes_.push_back(static_cast<u8>(value >> (8 * i)));
    add({0xba, static_cast<u8>(port), static_cast<u8>(port >> 8)});  // MOV DX, port
    add({0x66, 0xef});                                               // OUT DX, EAX
  }
  void pci(u32 address, u32 value) {
    out(0xcf8, 0x8000'0000 | address);
    out(0xcfc, value);
  }
  void card(u32 offset, u32 value) {
    out(kPorts, offset);
    out(kPorts + 4, value);
  }
  std::vector<u8> finish() {
    add({0xfb, 0xf4, 0xeb, 0xfc});  // STI; HLT; back to STI
    return bytes_;
  }
  static constexpr u16 kPorts = 0xc000;

 private:
  void add(std::initializer_list<u8> bytes) { bytes_.insert(bytes_.end(), bytes); }
  std::vector<u8> bytes_;
};

constexpr u32 kSlot = 3 << 11;
constexpr u64 kRing = 0x8000;
constexpr u64 kBuffers = 0x9000;

/// Sets an e1000 up to receive everything into the ring that `prepare` writes.
std::vector<u8> receiving_program() {
  PortProgram program;
  program.pci(kSlot | 0x18, PortProgram::kPorts);
  program.pci(kSlot | 0x04, 0x0005);
  program.card(0x2800, kRing);
  program.card(0x2808, 128);
  program.card(0x2818, 7);
  program.card(0x0100, 0x0400'800a);  // EN, UPE, BAM, SECRC
  return program.finish();
}

void add_card(MachineConfig& config) {
  devices::BoardConfig::Nic nic;
  nic.model = "e1000";
  nic.mac = {0x52, 0x54, 0, 0, 0, 1};
  nic.link = &silent_link();
  config.board.nics.push_back(nic);
}

void prepare(Machine& machine) {
  for (u64 i = 0; i < 8; ++i) machine.memory().write(PhysAddr(kRing + 16 * i), Width::Qword, kBuffers + 2048 * i);
}

std::vector<u8> frame_of(u8 filling) { return std::vector<u8>(100, filling); }

TEST_CASE("network: a frame waits until its card has room, and is recorded whole") {
  const std::string path = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_frames";
  std::string recorded_hash;
  {
    SmallMachine machine(receiving_program(), nullptr, add_card);
    prepare(*machine);
    InputQueue queue;
    REQUIRE(queue.record_to(path).ok());
    queue.push_frame(0, frame_of(0xaa));
    queue.push_frame(0, frame_of(0xbc));
    CHECK(queue.pending(0));
    CHECK_FALSE(queue.deliverable(*machine));
    RunConfig config;
    config.timeout_virtual_ns = 50'000'000;
    CHECK(machine.run(queue, config).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(machine->memory().read<u8>(PhysAddr(kBuffers)) == 0xaa);
    CHECK(machine->memory().read<u8>(PhysAddr(kBuffers + 2048 + 99)) == 0xbc);
    recorded_hash = machine->state_hash();
  }
  const auto bytes = read_file(path);
  REQUIRE(bytes.ok());
  const std::string text(bytes.value().begin(), bytes.value().end());
  CHECK(text.starts_with("doppel-input 3\n"));
  CHECK(text.find(" net0 aaaa") != std::string::npos);
  {
    SmallMachine machine(receiving_program(), nullptr, add_card);
    prepare(*machine);
    InputQueue queue;
    REQUIRE(queue.replay_from(path).ok());
    RunConfig config;
    config.timeout_virtual_ns = 50'000'000;
    CHECK(machine.run(queue, config).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(machine->state_hash() == recorded_hash);
  }
  {
    // Without the card the recording is another machine's.
    SmallMachine machine(receiving_program());
    InputQueue queue;
    REQUIRE(queue.replay_from(path).ok());
    CHECK(machine.run(queue, {}).kind == RunOutcome::Kind::ReplayDiverged);
  }
  std::remove(path.c_str());
}

TEST_CASE("network: a queue of frames has an end, and frames that no wire carries are none") {
  InputQueue queue;
  queue.push_frame(0, {});
  queue.push_frame(0, std::vector<u8>(devices::kMaxFrameBytes + 1));
  queue.push_frame(99, frame_of(1));
  CHECK_FALSE(queue.pending(0));
  for (unsigned i = 0; i < 100'000; ++i) queue.push_frame(0, frame_of(1));
  CHECK(queue.pending(0));
}

TEST_CASE("network: both machines of a lockstep get the same frames") {
  SmallMachine machine(receiving_program(), nullptr, [](MachineConfig& config) {
    config.engine = EngineKind::Lockstep;
    config.own_engine = nullptr;
    add_card(config);
  });
  InputQueue queue;
  queue.push_frame(0, frame_of(0xaa));
  RunConfig config;
  config.timeout_virtual_ns = 50'000'000;
  CHECK(machine.run(queue, config).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK((machine->memory().read<u8>(PhysAddr(kRing + 12)) & 3) == 3);
}

/// A network that is open, and has a frame after a few waits.
class SlowNetwork final : public HostNetwork {
 public:
  explicit SlowNetwork(Receiver receiver) : receiver_(std::move(receiver)) {}
  void transmit(std::span<const u8>) override {}
  void add_waits(std::vector<pollfd>&, i64& most_ns) override {
    most_ns = std::min<i64>(most_ns, 5'000'000);
  }
  void serve(std::span<const pollfd>) override {
    if (++waits == 4) receiver_(frame_of(0xcc));
    if (waits == 8) open = false;
  }
  bool is_open() const override { return open; }
  std::string description() const override { return {}; }
  Result<void, Error> add_forward(const PortForward&) override { return {}; }
  Result<void, Error> remove_forward(const PortForward&) override { return {}; }
  unsigned waits = 0;
  bool open = true;

 private:
  Receiver receiver_;
};

TEST_CASE("network: while it is open a machine that waits for a frame does not skip its time") {
  SmallMachine machine(receiving_program(), nullptr, add_card);
  prepare(*machine);
  InputQueue queue;
  HostNetworks networks;
  auto made = std::make_unique<SlowNetwork>([&](std::span<const u8> frame) {
    queue.push_frame(0, frame);
    networks.frame_came();
  });
  SlowNetwork& network = *made;
  networks.attach(0, "n", std::move(made));
  CHECK(networks.is_open());
  RunConfig config;
  config.networks = &networks;
  config.timeout_virtual_ns = 3'000'000'000;
  config.timeout_host_ns = 20'000'000'000;
  CHECK(machine.run(queue, config).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(network.waits >= 8);
  CHECK(machine->memory().read<u8>(PhysAddr(kBuffers)) == 0xcc);
}

TEST_CASE("network: a frame that comes while a card sends wakes the machine") {
  InputQueue queue;
  HostNetworks networks;
  unsigned wakes = 0;
  networks.set_wake([&] { ++wakes; });
  networks.frame_came();
  CHECK(wakes == 1);
  CHECK(networks.find("") == nullptr);
}

}  // namespace
}  // namespace doppel::frontend
