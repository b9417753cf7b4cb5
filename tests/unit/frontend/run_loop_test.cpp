#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include <doctest/doctest.h>
#include <elf.h>
#include <unistd.h>

#include "frontend/autopsy.h"
#include "frontend/file.h"
#include "frontend/loaders/loader.h"
#include "frontend/report.h"
#include "frontend/state_file.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

std::string temporary(const char* name) {
  return "/tmp/doppel_test_" + std::to_string(::getpid()) + "_" + name;
}

TEST_CASE("run_loop: isa-debug-exit ends the run with an odd status") {
  SmallMachine machine({0xb0, 0x10,              // mov al, 10h
                        0xba, 0x01, 0x05, 0xee,  // mov dx, 501h; out dx, al
                        0xf4});                  // hlt
  const RunOutcome outcome = machine.run();
  CHECK(outcome.kind == RunOutcome::Kind::DebugExit);
  CHECK(outcome.status == 33);
}

TEST_CASE("run_loop: halted with interrupts off is a deadlock") {
  SmallMachine machine({0xfa, 0xf4});  // cli; hlt
  const RunOutcome outcome = machine.run();
  CHECK(outcome.kind == RunOutcome::Kind::Deadlock);
  CHECK(outcome.status == 116);
}

TEST_CASE("run_loop: an endless loop meets the limit of virtual time exactly") {
  SmallMachine machine({0xeb, 0xfe});  // jmp $
  RunConfig config;
  config.timeout_virtual_ns = 12'345'678;
  const RunOutcome outcome = machine.run(std::move(config));
  CHECK(outcome.kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(outcome.status == 122);
  CHECK(machine->now_ns() == 12'345'678);
}

TEST_CASE("run_loop: a loop that waits with PAUSE takes few instructions, under each engine as many") {
  u64 retired[2];
  for (const EngineKind engine : {EngineKind::Interpreter, EngineKind::Translator}) {
    SmallMachine machine({0xf3, 0x90, 0xeb, 0xfc}, nullptr,  // again: pause; jmp again
                         [&](MachineConfig& config) { config.engine = engine; });
    RunConfig config;
    config.timeout_virtual_ns = 1'420'000;
    CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(machine->now_ns() < 1'420'000 + 142);
    retired[engine == EngineKind::Translator] = machine->cpu().state.retired;
  }
  CHECK(retired[0] == 20'000);
  CHECK(retired[1] == retired[0]);
}

TEST_CASE("run_loop: bytes that an idle guest never fetches do not stop time") {
  SmallMachine machine({0xfb, 0xf4, 0xeb, 0xfd});  // sti; again: hlt; jmp again
  InputQueue queue;
  for (unsigned i = 0; i < 100; ++i) queue.push(InputQueue::Target::Serial0, 'x');
  RunConfig config;
  config.timeout_virtual_ns = 100'000'000;
  config.timeout_host_ns = 20'000'000'000;
  CHECK(machine.run(queue, std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
}

TEST_CASE("run_loop: a reset through port cf9h ends the run under -no-reboot") {
  SmallMachine machine({0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xeb, 0xfe});  // out cf9h, 6
  const RunOutcome outcome = machine.run();
  CHECK(outcome.kind == RunOutcome::Kind::Reset);
  CHECK(outcome.status == 0);
}

loaders::BootContext small_context() {
  loaders::BootContext context;
  context.memory = loaders::MemoryMap::of_board(u64{2} << 20);
  context.long_mode = true;
  return context;
}

TEST_CASE("loaders: a multiboot kernel starts in flat 32-bit mode with its magic in EAX") {
  loaders::KernelFiles files;
  files.name = "kernel";
  files.image.resize(512);
  const u32 header[] = {0x1badb002, 0x10000, 0u - 0x1badb002u - 0x10000u, 0x100000, 0x100000, 0,
                        0,          0x100020};
  std::memcpy(files.image.data(), header, sizeof header);
  // clang-format off
  const u8 code[] = {0x3d, 0x02, 0xb0, 0xad, 0x2b,        // cmp eax, 2badb002h
                     0x75, 0x0e,                          // jne end
                     0x8b, 0x43, 0x04,                    // mov eax, [ebx+4]: mem_lower
                     0x3d, 0x7f, 0x02, 0x00, 0x00,        // cmp eax, 639
                     0x75, 0x04,                          // jne end
                     0xb0, 0x10, 0xeb, 0x02,              // mov al, 10h; jmp out
                     0xb0, 0x7f,                          // end: mov al, 7fh
                     0x66, 0xba, 0x01, 0x05, 0xee, 0xf4};  // out: mov dx, 501h; out dx, al; hlt
  // clang-format on
  std::memcpy(&files.image[0x20], code, sizeof code);
  auto plan = loaders::plan_kernel(files, small_context(), Options::LinuxEntry::Auto);
  REQUIRE(plan.ok());
  SmallMachine machine(plan.take());
  CHECK(machine.run().status == 33);
}

TEST_CASE(
    "loaders: a 64-bit ELF image starts in long mode with a stack and the start information in "
    "RDI") {
  loaders::KernelFiles files;
  files.name = "kernel";
  files.image.resize(0x200);
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_entry = 0x100000;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_offset = 0x100;
  segment.p_vaddr = segment.p_paddr = 0x100000;
  segment.p_filesz = segment.p_memsz = 0x100;
  std::memcpy(files.image.data(), &header, sizeof header);
  std::memcpy(files.image.data() + sizeof header, &segment, sizeof segment);
  // clang-format off
  const u8 code[] = {0x50,                                // push rax
                     0x48, 0x31, 0xc0,                    // xor rax, rax (in 32-bit code: dec eax first)
                     0x8b, 0x07,                          // mov eax, [rdi]
                     0x3d, 0x78, 0xc5, 0x6e, 0x33,        // cmp eax, 336ec578h
                     0xb0, 0x10, 0x74, 0x02,              // mov al, 10h; je out
                     0xb0, 0x7f,                          // mov al, 7fh
                     0x66, 0xba, 0x01, 0x05, 0xee, 0xf4};  // out: mov dx, 501h; out dx, al; hlt
  // clang-format on
  std::memcpy(&files.image[0x100], code, sizeof code);
  auto plan = loaders::plan_kernel(files, small_context(), Options::LinuxEntry::Auto);
  REQUIRE_MESSAGE(plan.ok(), (plan.ok() ? "" : plan.error().message));
  SmallMachine machine(plan.take());
  CHECK(machine.run().status == 33);
  CHECK(machine->cpu().state.code64());
}

TEST_CASE("run_loop: a triple fault is told apart, with its chain") {
  SmallMachine machine({0x0f, 0x01, 0x1e, 0x00, 0x7d,  // lidt [7d00h]: zeros
                        0x0f, 0x0b});                  // ud2
  const RunOutcome outcome = machine.run();
  CHECK(outcome.kind == RunOutcome::Kind::TripleFault);
  CHECK(outcome.status == 120);
  CHECK(outcome.reason.find("#UD") != std::string::npos);

  const Autopsy autopsy = examine(*machine, outcome.reason);
  REQUIRE_FALSE(autopsy.faults.empty());
  CHECK(autopsy.faults.front().name == "#UD");
  CHECK(autopsy.mode == "real");
  CHECK(autopsy.text().find("EIP=") != std::string::npos);

  Report report;
  report.outcome = outcome;
  report.status = outcome.status;
  report.autopsy = autopsy;
  const std::string json = report_json(report, *machine);
  CHECK(json.find("\"kind\": \"triple_fault\"") != std::string::npos);
  CHECK(json.find("\"not_delivered\"") != std::string::npos);
}

/// Sends each byte that COM1 receives back, with the low half of a counter that runs all the time.
// clang-format off
const std::vector<u8> kEcho = {
    0x66, 0x31, 0xdb,              // xor  ebx, ebx
    0xba, 0xfd, 0x03,              // again: mov dx, 3fdh
    0x66, 0x43,                    // inc  ebx
    0xec,                          // in   al, dx
    0xa8, 0x01,                    // test al, 1
    0x74, 0xf6,                    // jz   again
    0xba, 0xf8, 0x03,              // mov  dx, 3f8h
    0xec, 0xee,                    // in   al, dx; out dx, al
    0x88, 0xd8, 0x0c, 0x80, 0xee,  // mov  al, bl; or al, 80h; out dx, al
    0xeb, 0xe8,                    // jmp  again
};
// clang-format on

TEST_CASE("input_queue: a replay gives the guest the same bytes at the same moments") {
  const std::string path = temporary("recording");
  TextSink first;
  std::string hash;
  {
    SmallMachine machine(kEcho, &first);
    InputQueue queue;
    REQUIRE(queue.record_to(path).ok());
    for (const char c : std::string("hello"))
      queue.push(InputQueue::Target::Serial0, static_cast<u8>(c));
    RunConfig config;
    config.timeout_virtual_ns = 50'000'000;
    CHECK(machine.run(queue, std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    hash = machine->state_hash();
  }
  CHECK(first.text.size() == 10);
  {
    TextSink second;
    SmallMachine machine(kEcho, &second);
    InputQueue queue;
    REQUIRE(queue.replay_from(path).ok());
    queue.push(InputQueue::Target::Serial0, 'x');  // The host has no say in a replay.
    RunConfig config;
    config.timeout_virtual_ns = 50'000'000;
    CHECK(machine.run(queue, std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    CHECK(second.text == first.text);
    CHECK(machine->state_hash() == hash);
  }
  ::unlink(path.c_str());
}

TEST_CASE("input_queue: a replay whose moment has passed says so") {
  const std::string path = temporary("late");
  // Half an instruction's time into the run there is no such count.
  const std::string text = "doppel-input 1\n1000 5 serial0 41\nend\n";
  REQUIRE(write_file(path, text.data(), text.size()).ok());
  SmallMachine machine({0xeb, 0xfe});
  InputQueue queue;
  REQUIRE(queue.replay_from(path).ok());
  CHECK(machine.run(queue, {}).kind == RunOutcome::Kind::ReplayDiverged);
  ::unlink(path.c_str());
}

TEST_CASE("input_queue: damaged recordings are refused with the line") {
  const std::string path = temporary("damaged");
  for (const std::string text :
       {"", "something else\n", "doppel-input 1\n", "doppel-input 1\n1 2 serial9 41\nend\n",
        "doppel-input 1\n1 2 serial0 4\nend\n", "doppel-input 1\n1 2 serial0 zz\nend\n",
        "doppel-input 1\n9 9 serial0 41\n1 1 serial0 41\nend\n", "doppel-input 1\nx\nend\n"}) {
    REQUIRE(write_file(path, text.data(), text.size()).ok());
    InputQueue queue;
    const auto opened = queue.replay_from(path);
    CHECK_FALSE(opened.ok());
    if (!opened.ok()) CHECK(opened.error().message.starts_with(path));
  }
  ::unlink(path.c_str());
}

/// Counts in memory, for ever.
const std::vector<u8> kCounter = {0x66, 0xff, 0x06, 0x00, 0x80, 0x83, 0xc1, 0x07, 0xeb, 0xf6};

TEST_CASE("state_file: a machine that was saved and loaded ends where the first one ends") {
  const std::string path = temporary("state");
  std::string straight;
  {
    SmallMachine machine(kCounter);
    RunConfig config;
    config.timeout_virtual_ns = 20'000'000;
    config.save_at_ns = 7'654'321;
    config.save = [&] { return save_state(*machine, path); };
    CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    straight = machine->state_hash();
  }
  SmallMachine machine(kCounter);
  const auto loaded = load_state(*machine, path);
  REQUIRE_MESSAGE(loaded.ok(), (loaded.ok() ? "" : loaded.error().message));
  CHECK(machine->now_ns() == 7'654'321);
  RunConfig config;
  config.timeout_virtual_ns = 20'000'000;
  machine.run(std::move(config));
  CHECK(machine->state_hash() == straight);
  ::unlink(path.c_str());
}

TEST_CASE("state_file: damaged files are refused") {
  const std::string path = temporary("bad_state");
  SmallMachine machine(kCounter);
  REQUIRE(save_state(*machine, path).ok());
  std::vector<u8> bytes = read_file(path).take();
  for (const size_t at : {size_t{0}, size_t{9}, size_t{40}, bytes.size() / 2, bytes.size() - 1}) {
    std::vector<u8> damaged = bytes;
    damaged[at] ^= 0x40;
    REQUIRE(write_file(path, damaged.data(), damaged.size()).ok());
    CHECK_FALSE(load_state(*machine, path).ok());
  }
  bytes.resize(bytes.size() / 2);
  REQUIRE(write_file(path, bytes.data(), bytes.size()).ok());
  CHECK_FALSE(load_state(*machine, path).ok());
  CHECK_FALSE(load_state(*machine, path + ".missing").ok());
  ::unlink(path.c_str());
}

TEST_CASE("machine: two machines in one process do not disturb each other") {
  SmallMachine a(kCounter);
  SmallMachine b({0xeb, 0xfe});
  RunConfig first;
  first.timeout_virtual_ns = 1'000'000;
  RunConfig second;
  second.timeout_virtual_ns = 1'000'000;
  a.run(std::move(first));
  b.run(std::move(second));
  SmallMachine alone(kCounter);
  RunConfig third;
  third.timeout_virtual_ns = 1'000'000;
  alone.run(std::move(third));
  CHECK(a->state_hash() == alone->state_hash());
  CHECK(a->state_hash() != b->state_hash());
}

/// A front that is closed after so many polls.
class ClosingFront final : public HostFront {
 public:
  explicit ClosingFront(unsigned polls) : left_(polls) {}
  bool poll(const Status& status) override {
    paused_seen = paused_seen || status.paused;
    if (left_ > 0) --left_;
    return false;
  }
  void refresh(const Status&) override { ++refreshes; }
  bool quit_requested() const override { return left_ == 0; }

  unsigned refreshes = 0;
  bool paused_seen = false;

 private:
  unsigned left_;
};

i64 host_now_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

RunConfig at_front(HostFront& front) {
  RunConfig config;
  config.front = &front;
  config.timeout_virtual_ns = 3'600'000'000'000;
  config.timeout_host_ns = 20'000'000'000;
  return config;
}

TEST_CASE("run_loop: closing the window ends the run with status 0") {
  SmallMachine machine({0xeb, 0xfe});  // jmp $
  ClosingFront front(4);
  const RunOutcome outcome = machine.run(at_front(front));
  CHECK(outcome.kind == RunOutcome::Kind::Quit);
  CHECK(outcome.status == 0);
  CHECK(front.refreshes > 0);
  CHECK_FALSE(front.paused_seen);
}

TEST_CASE("run_loop: a dead machine stays, paused, as long as somebody looks at its window") {
  SmallMachine machine({0xfa, 0xf4});  // cli; hlt
  ClosingFront front(6);
  const RunOutcome outcome = machine.run(at_front(front));
  CHECK(outcome.kind == RunOutcome::Kind::Quit);
  CHECK(front.paused_seen);
}

/// Sleeps from one tick of a 5 kHz timer to the next.
// clang-format off
const std::vector<u8> kTicker = {
    0x31, 0xc0, 0x8e, 0xd8,              // xor ax, ax; mov ds, ax
    0xc7, 0x06, 0x20, 0x00, 0x22, 0x7c,  // mov word [20h], handler
    0xc7, 0x06, 0x22, 0x00, 0x00, 0x00,  // mov word [22h], 0
    0xb0, 0x34, 0xe6, 0x43,              // counter 0, mode 2
    0xb0, 0xee, 0xe6, 0x40,              // 238
    0xb0, 0x00, 0xe6, 0x40,
    0xfb, 0x90, 0x90,                    // sti
    0xf4, 0xeb, 0xfd,                    // again: hlt; jmp again
    0xb0, 0x20, 0xe6, 0x20, 0xcf,        // handler: mov al, 20h; out 20h, al; iret
};
// clang-format on

TEST_CASE(
    "run_loop: in real time an idle machine is not ahead of the host, however short its sleeps") {
  SmallMachine machine(kTicker);
  RunConfig config;
  config.real_time = true;
  config.timeout_virtual_ns = 100'000'000;
  const i64 begin = host_now_ns();
  CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(host_now_ns() - begin > 90'000'000);
}

TEST_CASE("run_loop: a busy machine that is held back is not ahead of the host") {
  SmallMachine machine({0xeb, 0xfe}, nullptr,
                       [](MachineConfig& config) { config.icount_shift = 10; });
  RunConfig config;
  config.real_time = config.keep_pace = true;
  config.timeout_virtual_ns = 100'000'000;
  const i64 begin = host_now_ns();
  CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
  CHECK(host_now_ns() - begin > 80'000'000);
}

}  // namespace
}  // namespace doppel::frontend
