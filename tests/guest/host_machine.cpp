// The host processor as a machine: the program runs in a child process, and the trap that HLT
// raises in user mode is its end.
//
// The program's mebibyte is shared with the child, so that the parent sees what it stored. The
// child starts the program from inside a signal handler: the context that the handler returns to is
// the program's first instruction, and the context of the trap is its last state.

#include <csignal>
#include <cstring>
#include <memory>

#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/guest/machines.h"

namespace doppel::guest {
namespace {

constexpr u64 kArea = u64{1} << 20;
constexpr u64 kStackOffset = 0x80000;
constexpr unsigned kSecondsToLive = 10;

/// What the child leaves behind.
struct Report {
  bool ended;
  int signal;
  greg_t gregs[NGREG];
  u8 xmm[16][16];
  u32 mxcsr;
};

Report* report = nullptr;
u64 entry = 0;

void start(int, siginfo_t*, void* context) {
  auto* const where = static_cast<ucontext_t*>(context);
  greg_t* const gregs = where->uc_mcontext.gregs;
  for (const int index : {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8,
                          REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15}) {
    gregs[index] = 0;
  }
  gregs[REG_RSP] = static_cast<greg_t>(entry + kStackOffset);
  gregs[REG_RIP] = static_cast<greg_t>(entry);
  gregs[REG_EFL] = static_cast<greg_t>(rflags::FIXED | rflags::IF);
}

void finish(int signal, siginfo_t*, void* context) {
  const auto* const where = static_cast<const ucontext_t*>(context);
  std::memcpy(report->gregs, where->uc_mcontext.gregs, sizeof report->gregs);
  std::memcpy(report->xmm, where->uc_mcontext.fpregs->_xmm, sizeof report->xmm);
  report->mxcsr = where->uc_mcontext.fpregs->mxcsr;
  report->signal = signal;
  report->ended = true;
  _exit(0);
}

[[noreturn]] void run_child() {
  static u8 handler_stack[65536];
  stack_t stack = {};
  stack.ss_sp = handler_stack;
  stack.ss_size = sizeof handler_stack;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  action.sa_sigaction = finish;
  for (const int signal : {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP})
    ::sigaction(signal, &action, nullptr);
  action.sa_sigaction = start;
  ::sigaction(SIGUSR1, &action, nullptr);
  ::alarm(kSecondsToLive);
  ::raise(SIGUSR1);
  _exit(1);
}

cpu::CpuState state_of(const Report& from) {
  constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  cpu::CpuState state;
  for (unsigned i = 0; i < 16; ++i) state.gpr[i] = static_cast<u64>(from.gregs[kOrder[i]]);
  state.rip() = static_cast<u64>(from.gregs[REG_RIP]) + 1;  // As after the HLT, one byte long.
  state.set_rflags(static_cast<u64>(from.gregs[REG_EFL]));
  for (unsigned i = 0; i < 16; ++i) std::memcpy(state.ymm[i], from.xmm[i], 16);
  state.x87.mxcsr = from.mxcsr;
  return state;
}

struct Unmap {
  u64 size;
  void operator()(void* memory) const { ::munmap(memory, size); }
};

}  // namespace

Result<Outcome, Error> run_on_host(const Program& program) {
  void* const area =
      ::mmap(reinterpret_cast<void*>(program.origin), kArea, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (area == MAP_FAILED) return Error{"the host has no free memory at the program's address"};
  const std::shared_ptr<void> owned_area(area, Unmap{kArea});
  void* const shared =
      ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return Error{"the host has no memory for the report"};
  const std::unique_ptr<void, Unmap> owned_report(shared, Unmap{sizeof(Report)});
  report = static_cast<Report*>(shared);
  entry = program.origin;
  std::memcpy(area, program.image.data(), program.image.size());

  const pid_t child = ::fork();
  if (child < 0) return Error{"the host starts no process"};
  if (child == 0) run_child();
  int status = 0;
  ::waitpid(child, &status, 0);

  Outcome outcome;
  outcome.memory = [owned_area, origin = program.origin](u64 address, unsigned size) {
    u64 value = 0;
    if (address < origin || address + size > origin + kArea) return value;
    std::memcpy(&value, static_cast<const u8*>(owned_area.get()) + (address - origin), size);
    return value;
  };
  if (!report->ended) {
    outcome.story = "the child process did not come to an end of its own";
    return outcome;
  }
  outcome.state = state_of(*report);
  const u64 last = outcome.state.rip() - 1;
  const bool at_hlt = report->signal == SIGSEGV && outcome.memory(last, 1) == 0xf4;
  outcome.ending = at_hlt ? Outcome::Ending::Halted : Outcome::Ending::Shutdown;
  if (!at_hlt) outcome.story = "signal " + std::to_string(report->signal);
  return outcome;
}

}  // namespace doppel::guest
