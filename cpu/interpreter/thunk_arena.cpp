#include "cpu/interpreter/thunk_arena.h"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpu/state.h"

namespace doppel::cpu {
namespace {

// More than all forms of all instructions need (registers are operands of a thunk, so only
// opcodes and immediate bytes make new ones); pages are taken as they are used.
constexpr size_t kArenaBytes = size_t{48} << 20;
constexpr size_t kAlignment = 16;
constexpr u32 kHostMxcsr = 0x1f80;

/// EMMS; VZEROUPPER; RET, and without AVX the same less one. Leaves the units as C++ wants them.
constexpr u8 kRecoveryAvx[] = {0x0f, 0x77, 0xc5, 0xf8, 0x77, 0xc3};
constexpr u8 kRecovery[] = {0x0f, 0x77, 0xc3};

/// What the signal handler needs; a handler gets no context of its own. Written once, before the
/// handler is installed.
struct TrapRange {
  u64 first = 0;
  u64 last = 0;
  u64 recovery = 0;
  struct sigaction previous {};
};
TrapRange trap_range;

void hand_on(int number, siginfo_t* info, void* context) {
  const struct sigaction& previous = trap_range.previous;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    // The instruction runs again and ends the process as it would have without us.
    signal(number, SIG_DFL);
  } else {
    previous.sa_handler(number);
  }
}

void on_trap(int number, siginfo_t* info, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const u64 pc = static_cast<u64>(machine.gregs[REG_RIP]);
  constexpr greg_t kSimdException = 19;
  if (pc < trap_range.first || pc >= trap_range.last ||
      machine.gregs[REG_TRAPNO] != kSimdException) {
    hand_on(number, info, context);
    return;
  }
  // Thunks keep the CpuState in R8. The faulting instruction has set its status bits and nothing
  // else; after it the host's own control word is in force again.
  auto* state = reinterpret_cast<CpuState*>(machine.gregs[REG_R8]);
  state->x87.mxcsr = machine.fpregs->mxcsr & 0xffff;
  machine.fpregs->mxcsr = kHostMxcsr;
  machine.gregs[REG_RAX] = static_cast<greg_t>(ThunkArena::kTrapped);
  machine.gregs[REG_RIP] = static_cast<greg_t>(trap_range.recovery);
}

}  // namespace

ThunkArena& ThunkArena::shared() {
  static ThunkArena arena;
  return arena;
}

ThunkArena::ThunkArena() {
  map();
  if (!problem_.empty()) return;
  append_recovery();
  catch_traps();
}

void ThunkArena::map() {
  const int file = memfd_create("doppel-thunks", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(kArenaBytes)) != 0) {
    problem_ = std::string("host thunks: memfd_create failed: ") + std::strerror(errno);
    if (file >= 0) close(file);
    return;
  }
  void* write = mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void* run = mmap(nullptr, kArenaBytes, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  if (write == MAP_FAILED || run == MAP_FAILED) {
    problem_ = std::string("host thunks: no executable memory: ") + std::strerror(errno);
    if (write != MAP_FAILED) munmap(write, kArenaBytes);
    if (run != MAP_FAILED) munmap(run, kArenaBytes);
  } else {
    writable_ = static_cast<u8*>(write);
    executable_ = static_cast<u8*>(run);
  }
  close(file);
}

void ThunkArena::append_recovery() {
  const bool avx = __builtin_cpu_supports("avx");
  const auto recovery = avx ? std::span<const u8>(kRecoveryAvx) : std::span<const u8>(kRecovery);
  trap_range.recovery = reinterpret_cast<u64>(append(recovery));
  trap_range.first = reinterpret_cast<u64>(executable_);
  trap_range.last = trap_range.first + kArenaBytes;
}

void ThunkArena::catch_traps() {
  struct sigaction action {};
  struct sigaction previous {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGFPE, &action, &previous) != 0) {
    problem_ = std::string("host thunks: no handler for SIGFPE: ") + std::strerror(errno);
    return;
  }
  // Never itself: a signal that is nobody's would go round for ever.
  if (previous.sa_sigaction != on_trap) trap_range.previous = previous;
}

Result<void, Error> ThunkArena::status() const {
  if (!problem_.empty()) return Error{problem_};
  return {};
}

const void* ThunkArena::append(std::span<const u8> code) {
  const std::lock_guard lock(mutex_);
  const size_t size = (code.size() + kAlignment - 1) & ~(kAlignment - 1);
  if (executable_ == nullptr || size > kArenaBytes - used_) return nullptr;
  std::memcpy(writable_ + used_, code.data(), code.size());
  const u8* entry = executable_ + used_;
  used_ += size;
  return entry;
}

}  // namespace doppel::cpu
