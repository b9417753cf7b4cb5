#include "frontend/run_loop.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "cpu/base/log.h"
#include "frontend/autopsy.h"
#include "frontend/lockstep.h"
#include "frontend/terminal.h"

namespace doppel::frontend {
namespace {

using Kind = RunOutcome::Kind;

// Between two looks at the host: some milliseconds of emulation.
constexpr u64 kMostInstructions = 2'000'000;
constexpr i64 kVisitEvery = 1'000'000;
constexpr i64 kFlushEvery = 10'000'000;
// A person at a window feels the delay of a key, and sees a picture that comes late.
constexpr u64 kMostInstructionsShown = 500'000;
constexpr i64 kFrontEvery = 10'000'000;
constexpr i64 kShowEvery = 20'000'000;
// A machine that is held back gets no further ahead than this.
constexpr u64 kMostAhead = 10'000'000;
// Sleeping for less costs more than it is worth.
constexpr i64 kShortestSleep = 1'000'000;
// A processor halted with interrupts off is watched for this long before it is declared dead: only
// an NMI or a reset line could wake it, and chips would have done so by then.
constexpr u64 kDeathWatch = 1'000'000'000;

constexpr int kStatusNotSeen = 110;
constexpr int kStatusDiverged = 112;
constexpr int kStatusDeadlock = 116;
constexpr int kStatusPanic = 118;
constexpr int kStatusTripleFault = 120;
constexpr int kStatusVirtualLimit = 122;
constexpr int kStatusHostLimit = 124;
constexpr int kStatusFailed = 2;
// "A mistake in doppel itself", docs/options.md, "Exit status".
constexpr int kStatusInternal = 4;

RunOutcome ending(Kind kind, int status, std::string reason) {
  return {kind, status, std::move(reason), {}};
}

const char* cause_name(devices::MachineControl::ResetCause cause) {
  using Cause = devices::MachineControl::ResetCause;
  switch (cause) {
    case Cause::Keyboard:
      return "the keyboard controller";
    case Cause::Port92:
      return "port 92h";
    case Cause::PortCf9:
      return "port cf9h";
    case Cause::Acpi:
      return "the ACPI reset register";
    case Cause::Other:
      break;
  }
  return "the guest";
}

RunEvent::Cause cause_of(Kind kind, bool window_closed) {
  using Cause = RunEvent::Cause;
  switch (kind) {
    case Kind::Shutdown:
    case Kind::DebugExit:
      return Cause::GuestShutdown;
    case Kind::Reset:
    case Kind::TripleFault:
      return Cause::GuestReset;
    case Kind::Quit:
      return window_closed ? Cause::HostWindow : Cause::HostMonitor;
    case Kind::Signal:
      return Cause::HostSignal;
    default:
      return Cause::HostError;
  }
}

}  // namespace

const char* RunOutcome::name() const {
  switch (kind) {
    case Kind::Shutdown:
      return "shutdown";
    case Kind::Reset:
      return "reset";
    case Kind::DebugExit:
      return "debug_exit";
    case Kind::Panic:
      return "guest_panic";
    case Kind::Quit:
      return "quit";
    case Kind::Signal:
      return "signal";
    case Kind::TripleFault:
      return "triple_fault";
    case Kind::OutsideMemory:
      return "outside_memory";
    case Kind::Deadlock:
      return "deadlock";
    case Kind::VirtualTimeout:
      return "virtual_timeout";
    case Kind::HostTimeout:
      return "host_timeout";
    case Kind::ReplayDiverged:
      return "replay_diverged";
    case Kind::NotSeen:
      return "expectation_failed";
    case Kind::EnginesDiffer:
      return "engines_differ";
    case Kind::PagingDiffers:
      return "paging_differs";
    case Kind::Failed:
      break;
  }
  return "failed";
}

RunLoop::RunLoop(Machine& machine, InputQueue& queue, CharacterDevices& characters, RunConfig config)
    : machine_(machine),
      queue_(queue),
      characters_(characters),
      config_(std::move(config)),
      paused_(config_.start_paused),
      launched_(!config_.start_paused) {}

void RunLoop::pause() {
  if (paused_) return;
  paused_ = true;
  tell(RunEvent::Kind::Stop);
}

bool RunLoop::resume() {
  if (shut_down_) return false;
  if (!paused_) return true;
  paused_ = false;
  launched_ = true;
  tell(RunEvent::Kind::Resume);
  return true;
}

RunLoop::State RunLoop::state() const {
  if (shut_down_) return State::Shutdown;
  if (!paused_) return State::Running;
  return launched_ ? State::Paused : State::Prelaunch;
}

void RunLoop::tell(RunEvent::Kind kind, RunEvent::Cause cause) const {
  if (config_.observer) config_.observer({kind, cause});
}

RunOutcome RunLoop::run() {
  started_ns_ = visited_ns_ = flushed_ns_ = host_ns();
  pacer_.start(machine_.now_ns(), started_ns_);
  RunOutcome outcome = run_to_end();
  if (Lockstep* const lockstep = machine_.lockstep(); lockstep != nullptr) lockstep->compare_all();
  if (Ending end = check_engines()) outcome = *end;
  tell(RunEvent::Kind::Shutdown, cause_of(outcome.kind, window_closed()));
  return outcome;
}

RunOutcome RunLoop::run_to_end() {
  for (;;) {
    if (Ending end = look_around()) return *end;
    const u64 instructions = budget();
    if (instructions == 0) continue;  // An event is due.
    switch (machine_.run(instructions)) {
      case cpu::ExitReason::BudgetSpent:
      case cpu::ExitReason::Attention:
      case cpu::ExitReason::Shutdown:
        break;
      case cpu::ExitReason::Halted:
        if (Ending end = idle()) return *end;
        break;
      case cpu::ExitReason::OutsideMemory:
        return ending(Kind::OutsideMemory, kStatusTripleFault,
                      "the processor fetches code from where there is no memory");
    }
  }
}

RunLoop::Ending RunLoop::check_engines() {
  if (!machine_.paging_mismatch().empty())
    return ending(Kind::PagingDiffers, kStatusInternal, machine_.paging_mismatch());
  const Lockstep* const lockstep = machine_.lockstep();
  if (lockstep == nullptr || lockstep->difference().empty()) return std::nullopt;
  return ending(Kind::EnginesDiffer, kStatusInternal, lockstep->difference());
}

RunLoop::Ending RunLoop::look_around() {
  if (Ending end = check_engines()) return end;
  if (Ending end = load_if_wanted()) return end;
  if (Ending end = take_request()) return end;
  if (machine_.cpu().state.shutdown) {
    if (Ending end = after_triple_fault()) return end;
  }
  machine_.run_due();
  if (Ending end = take_request()) return end;
  if (Ending end = check_limits()) return end;
  if (Ending end = save_if_due()) return end;
  if (Ending end = follow_script()) return end;
  if (Ending end = visit_host()) return end;
  if (config_.networks != nullptr) follow_network();
  if (config_.keep_pace) keep_pace();
  return deliver_input();
}

RunLoop::Ending RunLoop::take_request() {
  const std::optional<MachineRequest> request = machine_.take_request();
  if (!request) return std::nullopt;
  switch (request->kind) {
    case MachineRequest::Kind::Exit:
      return ending(Kind::DebugExit, request->status, "the guest wrote to isa-debug-exit");
    case MachineRequest::Kind::Panic:
      return after_panic();
    case MachineRequest::Kind::CrashLoaded:
      log::warn("machine", "the guest crashed, and its crash kernel takes over");
      break;
    case MachineRequest::Kind::Shutdown:
      if (!config_.no_shutdown)
        return ending(Kind::Shutdown, 0, "the guest switched the machine off");
      log::info("machine", "the guest switched the machine off; it stays (-no-shutdown)");
      tell(RunEvent::Kind::Shutdown, RunEvent::Cause::GuestShutdown);
      pause();
      shut_down_ = true;
      return wait_paused();
    case MachineRequest::Kind::Reset:
      if (config_.no_reboot) {
        return ending(Kind::Reset, 0, std::string("reset by ") + cause_name(request->cause));
      }
      reset_machine(RunEvent::Cause::GuestReset);
      break;
  }
  return std::nullopt;
}

void RunLoop::reset_machine(RunEvent::Cause cause) {
  ++resets_;
  machine_.reset();
  if (config_.after_reset) config_.after_reset();
  tell(RunEvent::Kind::Reset, cause);
}

RunLoop::Ending RunLoop::after_panic() {
  constexpr const char* kSaid = "the guest says that it panicked (pvpanic)";
  switch (config_.on_panic) {
    case PanicAction::None:
      log::warn("machine", "%s", kSaid);
      return std::nullopt;
    case PanicAction::Pause:
      log::warn("machine", "%s; it is stopped", kSaid);
      paused_ = true;
      return wait_paused();
    case PanicAction::Shutdown:
      return ending(Kind::Shutdown, 0, kSaid);
    case PanicAction::ExitFailure:
      break;
  }
  return ending(Kind::Panic, kStatusPanic, kSaid);
}

RunLoop::Ending RunLoop::after_triple_fault() {
  const std::string reason = summarize_faults(machine_.cpu());
  if (config_.no_reboot)
    return ending(Kind::TripleFault, kStatusTripleFault, "triple fault: " + reason);
  log::warn("machine", "triple fault, reset: %s", reason.c_str());
  reset_machine(RunEvent::Cause::GuestReset);
  return std::nullopt;
}

RunLoop::Ending RunLoop::check_limits() {
  if (config_.timeout_virtual_ns && machine_.now_ns() >= *config_.timeout_virtual_ns) {
    return ending(Kind::VirtualTimeout, kStatusVirtualLimit,
                  "the limit of virtual time is reached");
  }
  if (queue_.diverged()) {
    return ending(Kind::ReplayDiverged, kStatusDiverged,
                  "the machine is not where it was when the input was recorded");
  }
  return std::nullopt;
}

RunLoop::Ending RunLoop::save_if_due() {
  if (!config_.save_at_ns || machine_.now_ns() < *config_.save_at_ns) return std::nullopt;
  config_.save_at_ns.reset();
  const Result<void, Error> saved = config_.save();
  if (saved.ok()) return std::nullopt;
  return ending(Kind::Failed, kStatusFailed, saved.error().message);
}

RunLoop::Ending RunLoop::load_if_wanted() {
  if (!load_wanted_) return std::nullopt;
  const std::string name = *std::exchange(load_wanted_, std::nullopt);
  MachineAfter after = MachineAfter::Unchanged;
  const Result<void, Error> loaded = config_.load(name, after);
  if (!loaded.ok()) {
    if (after == MachineAfter::Broken) return ending(Kind::Failed, kStatusFailed, loaded.error().message);
    log::warn("machine", "%s", loaded.error().message.c_str());
    return std::nullopt;
  }
  shut_down_ = false;
  dead_at_retired_ = ~u64{0};
  queue_.forget();
  pacer_.start(machine_.now_ns(), host_ns());
  if (config_.script != nullptr) config_.script->time_changed();
  if (config_.after_reset) config_.after_reset();
  return std::nullopt;
}

RunLoop::Ending RunLoop::follow_script() {
  if (config_.script == nullptr || machine_.now_ns() < config_.script->next_look_ns()) return std::nullopt;
  auto failure = config_.script->look(machine_.now_ns(), config_.script_world);
  if (!failure) return std::nullopt;
  RunOutcome outcome = ending(Kind::NotSeen, kStatusNotSeen, std::move(failure->reason));
  outcome.details = std::move(failure->details);
  return outcome;
}

RunLoop::Ending RunLoop::visit_host() {
  const i64 now = host_ns();
  if (!paused_ && !quit_ && now - visited_ns_ < kVisitEvery) return std::nullopt;
  visited_ns_ = now;
  if (now - flushed_ns_ >= kFlushEvery) {
    flushed_ns_ = now;
    config_.flush_output();
  }
  poll_outside(0);
  poll_front();
  if (window_closed()) return ending(Kind::Quit, 0, "the window was closed");
  if (quit_) return ending(Kind::Quit, 0, "ended from the monitor");
  if (const int signal = stop_signal(); signal != 0) {
    return ending(Kind::Signal, 128 + signal, "signal " + std::to_string(signal));
  }
  if (config_.timeout_host_ns && now - started_ns_ >= static_cast<i64>(*config_.timeout_host_ns)) {
    return ending(Kind::HostTimeout, kStatusHostLimit, "the limit of host time is reached");
  }
  return paused_ ? wait_paused() : Ending{};
}

bool RunLoop::quit_requested() const {
  return quit_ || window_closed();
}

bool RunLoop::window_closed() const {
  return config_.front != nullptr && config_.front->quit_requested();
}

/// Character devices and networks. True if something came from there.
bool RunLoop::poll_outside(i64 timeout_ns) {
  if (config_.networks == nullptr) return characters_.poll(timeout_ns);
  std::vector<pollfd> waits;
  characters_.add_waits(waits, timeout_ns);
  const bool came = config_.networks->wait(waits, timeout_ns);
  return characters_.act(waits) || came;
}

/// True if the person did something.
bool RunLoop::poll_front() {
  if (config_.front == nullptr) return false;
  const i64 now = host_ns();
  if (now - front_ns_ < kFrontEvery) return false;
  front_ns_ = now;
  HostFront::Status status;
  status.paused = paused_;
  status.instructions = machine_.cpu().state.retired;
  status.virtual_ns = machine_.now_ns();
  if (config_.disk_accesses) status.disk_accesses = config_.disk_accesses();
  const bool active = config_.front->poll(status);
  if (now - shown_ns_ >= kShowEvery) {
    shown_ns_ = now;
    config_.front->refresh(status);
  }
  return active || config_.front->quit_requested();
}

/// Waits until a person or a network does something, a signal comes, or the time is over. True for the first.
bool RunLoop::wait_for_person(i64 most_ns) {
  config_.flush_output();
  const i64 end = host_ns() + host_time_left(most_ns);
  for (;;) {
    if (poll_front()) return true;
    const i64 left = end - host_ns();
    if (left <= 0) return false;
    const bool shown = config_.front != nullptr;
    if (poll_outside(shown ? std::min(left, kFrontEvery) : left)) return true;
    if (!shown || stop_signal() != 0 || quit_) return false;
  }
}

/// A person looks at the clock: a program that counts on a slow machine would run too fast on this one,
/// and one that keeps this machine busy would stretch its seconds.
void RunLoop::keep_pace() {
  constexpr u64 kMostLag = 20'000'000;
  const u64 should_be = pacer_.virtual_ns(host_ns());
  if (should_be > machine_.now_ns() + kMostLag && !queue_.replaying() && !inside_string_instruction())
    queue_.jump(machine_, should_be);
  for (;;) {
    const i64 wait = pacer_.wait_ns(machine_.now_ns(), host_ns());
    if (wait < kShortestSleep || quit_requested() || stop_signal() != 0 || host_time_left(1) == 0)
      return;
    wait_for_person(wait);
  }
}

/// Who waits for an answer from outside must not let its time run out before one can be there: while
/// there are connections, the machine's time does not get ahead of the host's.
void RunLoop::follow_network() {
  const bool open = network_open();
  if (open && !network_was_open_) pacer_.start(machine_.now_ns(), host_ns());
  network_was_open_ = open;
  if (!open || config_.keep_pace) return;
  const u64 now = machine_.now_ns();
  pacer_.forget_lag(now, host_ns());
  if (pacer_.wait_ns(now, host_ns()) < static_cast<i64>(kMostAhead)) return;
  wait_for_person(pacer_.wait_ns(now, host_ns()));
}

RunLoop::Ending RunLoop::wait_paused() {
  while (paused_ && !quit_requested() && stop_signal() == 0 && host_time_left(1) > 0) {
    wait_for_person(100'000'000);
    if (Ending end = load_if_wanted()) return end;
    if (shut_down_) paused_ = true;  // Only a reset brings it back.
    if (queue_.reset_pending()) {
      shut_down_ = false;
      resume();
    }
  }
  pacer_.start(machine_.now_ns(), host_ns());
  return std::nullopt;
}

RunLoop::Ending RunLoop::deliver_input() {
  if (!queue_.pending(machine_.now_ns()) && !queue_.next_stamp()) return std::nullopt;
  if (!queue_.replaying() && inside_string_instruction()) return std::nullopt;
  const bool button = queue_.power_button_pending();
  if (queue_.deliver(machine_) == InputQueue::Delivered::Reset) {
    reset_machine(RunEvent::Cause::HostMonitor);
  }
  if (button && !queue_.power_button_pending()) tell(RunEvent::Kind::PowerButton);
  return std::nullopt;
}

/// A replay finds its moments by instruction count, and the count stands still while a string
/// instruction repeats: nothing is delivered there.
bool RunLoop::inside_string_instruction() {
  cpu::Cpu& cpu = machine_.cpu();
  const cpu::CpuState& state = cpu.state;
  if (state.halted) return false;
  const u64 base = state.code64() ? 0 : state.segment(Seg::CS).base;
  const LinearAddr address(state.code64() ? state.rip() : (base + state.rip()) & 0xffff'ffff);
  mmu::PageWalker::Steps steps;
  const mmu::WalkRequest request{Access::Fetch, Privilege::Implicit, false};
  const auto page = cpu.mmu.walker().explain(cpu.mmu.context(), address, request, steps);
  if (!page.ok()) return false;
  const u8 first = machine_.memory().read<u8>(page.value().page + address.page_offset());
  // Other prefixes may stand before the repeat prefix: all of them wait.
  switch (first) {
    case 0xf2:
    case 0xf3:
    case 0x66:
    case 0x67:
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
      return true;
    default:
      return false;
  }
}

u64 RunLoop::budget() const {
  u64 most = std::min(config_.front == nullptr ? kMostInstructions : kMostInstructionsShown,
                      machine_.scheduler().instructions_until_next());
  const unsigned shift = machine_.scheduler().shift();
  const u64 now = machine_.now_ns();
  const auto stop_at = [&](u64 time_ns) {
    if (time_ns <= now) return;
    most = std::min(most, ((time_ns - now - 1) >> shift) + 1);
  };
  if (config_.timeout_virtual_ns) stop_at(*config_.timeout_virtual_ns);
  if (config_.save_at_ns) stop_at(*config_.save_at_ns);
  if (config_.script != nullptr) stop_at(config_.script->next_look_ns());
  if (config_.keep_pace) stop_at(now + kMostAhead);
  if (const auto due = queue_.next_due_ns()) stop_at(*due);
  if (const auto stamp = queue_.next_stamp()) {
    const u64 retired = machine_.cpu().state.retired;
    if (stamp->instructions > retired) most = std::min(most, stamp->instructions - retired);
  }
  return most;
}

RunLoop::Ending RunLoop::idle() {
  const cpu::CpuState& state = machine_.cpu().state;
  const u64 now = machine_.now_ns();
  u64 next = machine_.scheduler().next_deadline_ns();
  if (!machine_.cpu().interrupts_enabled()) {
    if (dead_at_retired_ != state.retired) {
      dead_at_retired_ = state.retired;
      dead_since_ns_ = now;
    }
    if (next == devices::Scheduler::kNever || now - dead_since_ns_ > kDeathWatch) {
      return dead("the processor is halted with interrupts off");
    }
  }
  if (const auto due = queue_.next_due_ns(); due && *due > now) next = std::min(next, *due);
  if (config_.script != nullptr) next = std::min(next, config_.script->next_look_ns());
  const bool only_input = next == devices::Scheduler::kNever;
  if (config_.timeout_virtual_ns && !(only_input && input_open()))
    next = std::min(next, *config_.timeout_virtual_ns);
  if (config_.save_at_ns && !only_input) next = std::min(next, *config_.save_at_ns);
  if (const auto stamp = queue_.next_stamp(); stamp && stamp->instructions == state.retired) {
    next = std::min(next, stamp->time_ns);
  }
  // Bytes that no chip has room for do not hold time up: the guest may never fetch those before them.
  if (next <= now || queue_.deliverable(machine_)) return std::nullopt;
  if (next == devices::Scheduler::kNever) return wait_for_input_only();
  if (config_.real_time || network_open()) {
    skip_in_real_time(next);
  } else {
    machine_.skip_to(next);
  }
  return std::nullopt;
}

/// Nothing can wake the machine any more. At a window somebody may still want to read what is on the
/// screen.
RunLoop::Ending RunLoop::dead(std::string reason) {
  if (config_.front == nullptr) return ending(Kind::Deadlock, kStatusDeadlock, std::move(reason));
  log::info("machine", "%s; only a reset brings it back", reason.c_str());
  dead_at_retired_ = ~u64{0};
  pause();
  shut_down_ = true;
  return wait_paused();
}

/// Nothing will ever happen by itself.
RunLoop::Ending RunLoop::wait_for_input_only() {
  if (!input_open() || queue_.replaying())
    return dead("the processor waits for an interrupt that nothing can raise");
  wait_for_person(100'000'000);
  visited_ns_ = 0;  // Limits and signals are looked at next.
  return std::nullopt;
}

void RunLoop::skip_in_real_time(u64 until_ns) {
  const u64 now = machine_.now_ns();
  pacer_.forget_lag(now, host_ns());
  if (!config_.keep_pace) pacer_.forget_lead(now, host_ns());
  const i64 wait = pacer_.wait_ns(until_ns, host_ns());
  if (wait < kShortestSleep) {
    machine_.skip_to(until_ns);
    return;
  }
  wait_for_person(wait);
  visited_ns_ = 0;
  // Woken early by a key or a signal: only the time that has passed.
  machine_.skip_to(std::clamp(pacer_.virtual_ns(host_ns()), now, until_ns));
}

i64 RunLoop::host_ns() const {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

i64 RunLoop::host_time_left(i64 most_ns) const {
  if (!config_.timeout_host_ns) return most_ns;
  const i64 left = started_ns_ + static_cast<i64>(*config_.timeout_host_ns) - host_ns();
  return std::clamp<i64>(left, 0, most_ns);
}

}  // namespace doppel::frontend
