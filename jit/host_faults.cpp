#include "jit/host_faults.h"

#include <csignal>
#include <cstdlib>
#include <memory>

#include <signal.h>
#include <ucontext.h>

namespace doppel::jit {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kSignalStackBytes = 128 * 1024;

thread_local HostFaultClient* present_client = nullptr;
struct sigaction previous_actions[std::size(kSignals)];

void pass_on(int number, siginfo_t* info, void* context) {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    if (kSignals[i] != number) continue;
    const struct sigaction& previous = previous_actions[i];
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
      previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
      // The instruction runs again and the signal does what it does without us.
      signal(number, SIG_DFL);
    } else {
      previous.sa_handler(number);
    }
    return;
  }
}

void on_fault(int number, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (present_client != nullptr) {
    u64 stack = static_cast<u64>(registers[REG_RSP]);
    const u64 resume = present_client->resume_after_fault(
        static_cast<u64>(registers[REG_RIP]), reinterpret_cast<u64>(info->si_addr), stack);
    if (resume != 0) {
      registers[REG_RIP] = static_cast<greg_t>(resume);
      registers[REG_RSP] = static_cast<greg_t>(stack);
      return;
    }
  }
  pass_on(number, info, context);
}

/// A handler must not run on the stack of translated code.
struct SignalStack {
  bool is_sure = false;
  std::unique_ptr<u8[]> memory;
  ~SignalStack() {
    if (memory == nullptr) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
};

}  // namespace

HostFaultScope::HostFaultScope(HostFaultClient& client) : outer_(present_client) {
  present_client = &client;
}

HostFaultScope::~HostFaultScope() { present_client = outer_; }

void ensure_signal_stack() {
  thread_local SignalStack own_stack;
  if (own_stack.is_sure) return;
  own_stack.is_sure = true;
  stack_t stack{};
  if (sigaltstack(nullptr, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0) return;
  own_stack.memory = std::make_unique<u8[]>(kSignalStackBytes);
  stack.ss_sp = own_stack.memory.get();
  stack.ss_size = kSignalStackBytes;
  stack.ss_flags = 0;
  sigaltstack(&stack, nullptr);
}

void catch_host_faults() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction present {};
    if (sigaction(kSignals[i], nullptr, &present) == 0 && (present.sa_flags & SA_SIGINFO) != 0 &&
        present.sa_sigaction == on_fault) {
      continue;
    }
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    previous_actions[i] = present;
    sigaction(kSignals[i], &action, nullptr);
  }
}

}  // namespace doppel::jit
