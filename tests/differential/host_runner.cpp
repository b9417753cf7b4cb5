#include "tests/differential/host_runner.h"

#include <asm/ldt.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpu/arch/rflags.h"
#include "cpu/interpreter/host_thunk.h"
#include "tests/differential/host_entry.h"

namespace doppel::differential {

namespace {

constexpr size_t kSignalStackBytes = 256 * 1024;
// Bits of uc_flags. @source Linux arch/x86/include/uapi/asm/ucontext.h
constexpr unsigned long kUcFpXstate = 1;
constexpr unsigned long kUcSigcontextSs = 2;
constexpr unsigned long kUcStrictRestoreSs = 4;
// In the reserved bytes of the FXSAVE image. @source Linux arch/x86/include/uapi/asm/sigcontext.h
constexpr size_t kSoftwareBytes = 464;
constexpr size_t kXsaveHeader = 512;
constexpr size_t kYmmHigh = 576;
constexpr u32 kXstateMagic = 0x4650'5853;
// What rt_sigreturn takes from the frame; the other flags stay as they are.
constexpr u64 kLoadableFlags = rflags::AC | rflags::OF | rflags::DF | rflags::TF | rflags::SF | rflags::ZF |
                               rflags::AF | rflags::PF | rflags::CF;

/// The frame to go in with, and the one that came out.
struct Frames {
  ucontext_t in;
  ucontext_t out;
  alignas(64) u8 float_in[16384];
  alignas(64) u8 float_out[16384];
  size_t float_bytes = 0;
  bool in_flight = false;
  struct sigaction previous_fpe = {};
  bool learning = false;  // The first signal shows what frames look like here.
};
Frames frames;

// glibc's order of registers in gregs.
constexpr int kGregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

void copy_context(ucontext_t& to, const ucontext_t& from) {
  // The kernel's ucontext ends with its signal mask; glibc's is longer.
  std::memcpy(&to, &from, offsetof(ucontext_t, uc_sigmask) + 8);
}

}  // namespace

}  // namespace doppel::differential

extern "C" void doppel_host_caught(int signal, siginfo_t* info, ucontext_t* context) {
  using namespace doppel;
  using namespace doppel::differential;
  if (!frames.in_flight && signal == SIGFPE && frames.previous_fpe.sa_sigaction != nullptr) {
    // Doppel's own host thunks catch the exceptions that a guest has unmasked.
    frames.previous_fpe.sa_sigaction(signal, info, context);
    return;
  }
  if (!frames.in_flight) {
    // Not the instruction under test: a mistake in this program.
    static const char text[] = "differential: a signal outside of a test\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    sigaction(signal, &plain, nullptr);
    return;
  }
  const u8* image = reinterpret_cast<const u8*>(context->uc_mcontext.fpregs);
  if (frames.learning) {
    u32 magic = 0;
    u32 extended = 0;
    std::memcpy(&magic, image + kSoftwareBytes, 4);
    std::memcpy(&extended, image + kSoftwareBytes + 4, 4);
    frames.float_bytes = magic == kXstateMagic ? extended : 0;
    frames.learning = false;
  }
  copy_context(frames.out, *context);
  if (frames.float_bytes != 0 && frames.float_bytes <= sizeof frames.float_out) {
    std::memcpy(frames.float_out, image, frames.float_bytes);
  }
  frames.in_flight = false;
  doppel_host_leave();
}

namespace doppel::differential {

namespace {

Error host_error(const char* what) {
  return Error{std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

HostRunner::~HostRunner() {
  if (memfd_ >= 0) close(memfd_);
}

Result<std::unique_ptr<HostRunner>, Error> HostRunner::create() {
  constexpr unsigned long kHwcap2Fsgsbase = 2;
  if ((getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) == 0) return Error{"the host has no FSGSBASE for user code"};
  std::unique_ptr<HostRunner> runner(new HostRunner);
  DOPPEL_TRY(runner->map_memory());
  DOPPEL_TRY(runner->load_ldt());
  DOPPEL_TRY(runner->install_handlers());
  return runner;
}

Result<void, Error> HostRunner::map_memory() {
  const size_t code_bytes = kCodePages * kPageSize;
  const size_t total = code_bytes + kDataBytes + kStackBytes;
  memfd_ = static_cast<int>(syscall(SYS_memfd_create, "differential", 0));
  if (memfd_ < 0 || ftruncate(memfd_, static_cast<off_t>(total)) != 0) return host_error("memfd_create");
  void* all = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_, 0);
  if (all == MAP_FAILED) return host_error("mmap");
  memory_.code = static_cast<u8*>(all);
  memory_.data = memory_.code + code_bytes;
  memory_.stack = memory_.data + kDataBytes;

  struct Window {
    u64 address;
    size_t bytes;
    int protection;
    size_t offset;
  };
  const Window windows[] = {
      {kCode, code_bytes, PROT_READ | PROT_EXEC, 0},
      {kData, kDataPages * kPageSize, PROT_READ | PROT_WRITE, code_bytes},
      {kData + kDataPages * kPageSize, kPageSize, PROT_READ, code_bytes + kDataPages * kPageSize},
      {kStack, kStackBytes, PROT_READ | PROT_WRITE, code_bytes + kDataBytes},
  };
  for (const Window& window : windows) {
    void* wanted = reinterpret_cast<void*>(window.address);
    void* got = mmap(wanted, window.bytes, window.protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE,
                     memfd_, static_cast<off_t>(window.offset));
    if (got != wanted) return host_error("mmap of a fixed page below 4 GiB");
  }
  return {};
}

Result<void, Error> HostRunner::load_ldt() {
  for (u16 index = 0; index < kLdtEntries; ++index) {
    const LdtEntry& entry = kLdt[index];
    struct user_desc wanted = {};
    wanted.entry_number = index;
    wanted.base_addr = static_cast<u32>(entry.base);
    wanted.limit = entry.limit;
    wanted.seg_32bit = entry.is_32bit;
    wanted.contents = entry.contents & 3u;
    wanted.read_exec_only = entry.read_only;
    wanted.limit_in_pages = entry.pages;
    wanted.seg_not_present = !entry.present;
    if (syscall(SYS_modify_ldt, 0x11, &wanted, sizeof wanted) != 0) return host_error("modify_ldt");
  }
  return {};
}

Result<void, Error> HostRunner::install_handlers() {
  DOPPEL_TRY(cpu::host_thunks_ready());  // So that its handler stands behind ours.
  signal_stack_ = std::make_unique<u8[]>(kSignalStackBytes);
  stack_t stack = {};
  stack.ss_sp = signal_stack_.get();
  stack.ss_size = kSignalStackBytes;
  if (sigaltstack(&stack, nullptr) != 0) return host_error("sigaltstack");
  for (int signal : {SIGTRAP, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) {
    struct sigaction action = {};
    action.sa_sigaction = doppel_host_signal;
    // Not masked while handled: the way out does not pass through rt_sigreturn.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    if (sigaction(signal, &action, signal == SIGFPE ? &frames.previous_fpe : nullptr) != 0) return host_error("sigaction");
  }
  asm volatile("rdfsbase %0" : "=r"(doppel_host_entry.own_fs_base));
  asm volatile("rdgsbase %0" : "=r"(doppel_host_entry.own_gs_base));

  // Goes in with a bare frame once, to learn how the kernel's own look.
  frames.learning = true;
  std::memset(&frames.in, 0, sizeof frames.in);
  frames.in.uc_flags = kUcSigcontextSs | kUcStrictRestoreSs;
  frames.in.uc_stack = stack;
  memory_.code[0] = 0x90;
  MachineState nop;
  nop.rip = kCode;
  MachineState after;
  Outcome outcome;
  step(nop, CodeSize::Bits64, after, outcome);
  if (frames.float_bytes == 0) return Error{"the host's signal frames hold no XSAVE image"};
  if (frames.float_bytes > sizeof frames.float_in) return Error{"the host's signal frames are too large"};
  std::memcpy(frames.float_in, frames.float_out, frames.float_bytes);
  frames.in.uc_flags |= kUcFpXstate;
  frames.in.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(frames.float_in);
  return {};
}

u64 HostRunner::loadable_rflags(u64 wanted) const {
  return (wanted & kLoadableFlags) | rflags::FIXED | rflags::IF;
}

void HostRunner::step(const MachineState& before, CodeSize size, MachineState& after, Outcome& outcome) {
  greg_t* regs = frames.in.uc_mcontext.gregs;
  for (int i = 0; i < 16; ++i) regs[kGregs[i]] = static_cast<greg_t>(before.gpr[i]);
  u16 cs = before.selectors[1];
  u16 ss = before.selectors[2];
  if (size == CodeSize::Bits64 && cs == 0) cs = kFlatCode64;
  if (size == CodeSize::Bits64 && ss == 0) ss = kFlatData;
  regs[REG_RIP] = static_cast<greg_t>(before.rip);
  regs[REG_EFL] = static_cast<greg_t>(before.rflags | rflags::TF);
  regs[REG_CSGSFS] = static_cast<greg_t>(cs | u64{ss} << 48);
  if (frames.in.uc_mcontext.fpregs != nullptr) {
    std::memcpy(frames.float_in, &before.fp, sizeof before.fp);
    std::memcpy(frames.float_in + kYmmHigh, before.ymm_high, sizeof before.ymm_high);
    // x87, SSE and AVX come from the frame, all else is in its initial state.
    const u64 components = 7;
    std::memcpy(frames.float_in + kXsaveHeader, &components, sizeof components);
  }
  HostEntry& entry = doppel_host_entry;
  entry.frame = reinterpret_cast<u64>(&frames.in);
  entry.es = before.selectors[0];
  entry.ds = before.selectors[3];
  entry.fs = before.selectors[4];
  entry.gs = before.selectors[5];
  entry.fs_base = before.fs_base;
  entry.gs_base = before.gs_base;
  entry.load_bases = size == CodeSize::Bits64 ? 1 : 0;
  frames.in_flight = true;
  doppel_host_enter();

  const greg_t* out = frames.out.uc_mcontext.gregs;
  for (int i = 0; i < 16; ++i) after.gpr[i] = static_cast<u64>(out[kGregs[i]]);
  after.rip = static_cast<u64>(out[REG_RIP]);
  after.rflags = static_cast<u64>(out[REG_EFL]);
  after.selectors[0] = entry.es;
  after.selectors[1] = static_cast<u16>(out[REG_CSGSFS]);
  after.selectors[2] = static_cast<u16>(static_cast<u64>(out[REG_CSGSFS]) >> 48);
  after.selectors[3] = entry.ds;
  after.selectors[4] = entry.fs;
  after.selectors[5] = entry.gs;
  after.fs_base = entry.fs_base;
  after.gs_base = entry.gs_base;
  std::memcpy(&after.fp, frames.float_out, sizeof after.fp);
  u64 components = 0;
  std::memcpy(&components, frames.float_out + kXsaveHeader, sizeof components);
  // A component that the processor holds in its initial state is not written to the frame.
  if ((components & 1) == 0) {
    const u32 mxcsr = after.fp.mxcsr;
    u8 xmm[16][16];
    std::memcpy(xmm, after.fp.xmm, sizeof xmm);
    after.fp = FloatImage{};
    after.fp.mxcsr = mxcsr;
    std::memcpy(after.fp.xmm, xmm, sizeof xmm);
  }
  if ((components & 2) == 0) std::memset(after.fp.xmm, 0, sizeof after.fp.xmm);
  if ((components & 4) == 0) std::memset(after.ymm_high, 0, sizeof after.ymm_high);
  else std::memcpy(after.ymm_high, frames.float_out + kYmmHigh, sizeof after.ymm_high);

  const auto vector = static_cast<u8>(out[REG_TRAPNO]);
  outcome.faulted = vector != 1;
  outcome.vector = vector;
  outcome.error_code = static_cast<u32>(out[REG_ERR]);
  outcome.cr2 = vector == 14 ? static_cast<u64>(out[REG_CR2]) : 0;
  ++outcome.steps;
}

Outcome HostRunner::run(const TestCase& test, MachineState& after, u64 max_steps) {
  Outcome outcome;
  step(test.before, test.size, after, outcome);
  while (test.repeats && !outcome.faulted && after.rip == test.before.rip) {
    if (outcome.steps >= max_steps) {
      outcome.unfinished = true;
      break;
    }
    const MachineState between = after;
    step(between, test.size, after, outcome);
  }
  return outcome;
}

u16 HostRunner::access_rights(u16 selector) {
  u32 rights = 0;
  asm volatile("lar %1, %0" : "+r"(rights) : "r"(u32{selector}) : "cc");
  return static_cast<u16>(rights >> 8);
}

u32 HostRunner::segment_limit(u16 selector) {
  u32 limit = 0;
  asm volatile("lsl %1, %0" : "+r"(limit) : "r"(u32{selector}) : "cc");
  return limit;
}

}  // namespace doppel::differential
