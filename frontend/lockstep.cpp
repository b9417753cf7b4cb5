#include "frontend/lockstep.h"

#include <algorithm>

#include "cpu/base/check.h"
#include "frontend/network/silent_link.h"

namespace doppel::frontend {
namespace {

// An engine that comes back without having run anything, again and again, is not waited for.
constexpr unsigned kMostIdleReturns = 100;

bool stands_still(cpu::ExitReason reason) {
  return reason == cpu::ExitReason::Halted || reason == cpu::ExitReason::Shutdown ||
         reason == cpu::ExitReason::OutsideMemory;
}

}  // namespace

Lockstep::Lockstep(Machine& subject, mmu::MachineMemory& pool) : subject_(subject), pool_(pool) {}

Result<std::unique_ptr<Lockstep>, Error> Lockstep::create(Machine& subject,
                                                          mmu::MachineMemory& pool) {
  std::unique_ptr<Lockstep> lockstep(new Lockstep(subject, pool));
  DOPPEL_TRY(lockstep->reference_, lockstep->make_reference());
  lockstep->next_comparison_ = subject.config().lockstep.interval;
  lockstep->next_whole_ = subject.config().lockstep.whole_interval;
  return lockstep;
}

Result<std::unique_ptr<Machine>, Error> Lockstep::make_reference() const {
  MachineConfig config = subject_.config();
  config.engine = EngineKind::Interpreter;
  config.own_engine = nullptr;
  // The oracle of shadow page tables is the walk.
  config.paging = mmu::PagingScheme::Nested;
  config.board.serial = {};
  for (devices::ByteSink*& sink : config.board.virtio_consoles) sink = nullptr;
  for (auto& console : config.board.debug_consoles) console.sink = nullptr;
  config.board.speaker = nullptr;
  for (auto& card : config.board.sound_cards) card.sink = nullptr;
  for (devices::BoardConfig::Nic& nic : config.board.nics) {
    // It has a cable too, but what it says there the subject has said.
    if (nic.link != nullptr) nic.link = &silent_link();
  }
  for (devices::BoardConfig::Drive& drive : config.board.drives) {
    // A medium that nobody writes can be in both.
    if (drive.medium == nullptr || drive.medium->is_read_only()) continue;
    drive.medium = drive.medium->twin();
    if (drive.medium == nullptr) return Error{"a disk that is written to cannot be in two machines"};
  }
  return Machine::create(config, pool_);
}

// ---- the doors -----------------------------------------------------------------------------------

void Lockstep::pass(const Step& step) {
  steps_.push_back(step);
  apply(*reference_, step);
}

void Lockstep::boot_plan_set() { reference_->set_boot_plan(subject_.boot_plan()); }
void Lockstep::boot_context_taken() { pass({.kind = Step::Kind::Context}); }
void Lockstep::reset() { pass({.kind = Step::Kind::Reset}); }
void Lockstep::drop_caches() { pass({.kind = Step::Kind::DropCaches}); }
void Lockstep::skip_to(u64 time_ns) { pass({.kind = Step::Kind::SkipTo, .value = time_ns}); }
void Lockstep::receive(InputPort port, u8 byte) {
  pass({.kind = Step::Kind::Receive, .port = port, .byte = byte});
}
void Lockstep::change_medium(const MediaChange& change) {
  pass({.kind = Step::Kind::Medium, .medium = std::make_shared<const MediaChange>(change)});
}
void Lockstep::receive_frame(size_t card, std::span<const u8> frame) {
  pass({.kind = Step::Kind::Frame, .value = card, .frame = {frame.begin(), frame.end()}});
}
void Lockstep::press_power_button() { pass({.kind = Step::Kind::PowerButton}); }
void Lockstep::press_nmi_button() { pass({.kind = Step::Kind::NmiButton}); }

void Lockstep::run_due() {
  // The loop asks at every look around; only what comes of it matters. What is due in one machine
  // and not in the other is a difference, so both are asked.
  const u64 now = reference_->now_ns();
  if (subject_.scheduler().next_deadline_ns() > now && reference_->scheduler().next_deadline_ns() > now)
    return;
  pass({.kind = Step::Kind::RunDue});
}

void Lockstep::request_taken(const std::optional<MachineRequest>& request) {
  if (!request && !reference_->pending_request()) return;
  if (request != reference_->pending_request() && difference_.empty())
    found("what chips ask of the machine");
  pass({.kind = Step::Kind::TakeRequest});
}

void Lockstep::loaded() {
  start_.clear();
  Archive saver = Archive::saver(start_);
  subject_.serialize_alone(saver);
  Archive loader = Archive::loader(start_);
  reference_->serialize(loader);
  DOPPEL_CHECK(!loader.failed(), "a machine cannot load what its twin saved");
  steps_.clear();
  equal_ = whole_equal_ = retired();
  next_comparison_ = equal_ + subject_.config().lockstep.interval;
  next_whole_ = equal_ + subject_.config().lockstep.whole_interval;
}

cpu::ExitReason Lockstep::run(u64 budget) {
  const u64 end = retired() + budget;
  for (;;) {
    const u64 before = retired();
    const u64 stretch = std::min(end, next_comparison_) - before;
    const cpu::ExitReason reason = subject_.engine().run(stretch);
    ahead_ = false;
    if (retired() == before) {
      if (stands_still(reason)) {
        // Once is as good as many times.
        if (steps_.empty() || steps_.back().kind != Step::Kind::Poke) pass({.kind = Step::Kind::Poke});
      } else {
        ahead_ = true;
      }
      return reason;
    }
    if (!steps_.empty() && steps_.back().kind == Step::Kind::Run) {
      steps_.back().value = retired();
    } else {
      steps_.push_back({.kind = Step::Kind::Run, .value = retired()});
    }
    run_to(*reference_, retired());
    if (retired() >= next_comparison_ || reference_->cpu().state.retired != retired()) {
      compare(retired() >= next_whole_);
      next_comparison_ = retired() + subject_.config().lockstep.interval;
    }
    if (!difference_.empty()) return cpu::ExitReason::Attention;
    if (reason != cpu::ExitReason::BudgetSpent || retired() >= end) return reason;
  }
}

void Lockstep::compare_all() {
  if (difference_.empty() && !ahead_) compare(true);
}

void Lockstep::compare(bool whole) {
  ++counters_.comparisons;
  if (whole) {
    ++counters_.whole_comparisons;
    next_whole_ = retired() + subject_.config().lockstep.whole_interval;
  }
  std::optional<std::string> what = whole ? compare_.in_anything(subject_, *reference_)
                                          : compare_.in_processor(subject_, *reference_);
  if (what) return found(std::move(*what));
  equal_ = retired();
  if (whole) whole_equal_ = equal_;
}

void Lockstep::found(std::string what) {
  difference_ = "the engines differ after " + std::to_string(retired()) + " instructions: " + what;
  search();
}

// ---- repeating -----------------------------------------------------------------------------------

void Lockstep::apply(Machine& machine, const Step& step) {
  switch (step.kind) {
    case Step::Kind::Run:
      run_to(machine, step.value);
      break;
    case Step::Kind::Poke:
      // It stands still, and that takes no instruction; but pending events are looked at.
      (void)machine.engine().run(1);
      break;
    case Step::Kind::RunDue:
      machine.scheduler().run_due();
      break;
    case Step::Kind::SkipTo:
      machine.scheduler().skip_to(step.value);
      break;
    case Step::Kind::PowerButton:
      machine.press_power_button();
      break;
    case Step::Kind::Medium: {
      // A medium that nobody writes can be in all machines.
      MediaChange change = *step.medium;
      if (change.medium != nullptr && !change.medium->is_read_only()) change.medium = change.medium->twin();
      machine.change_medium_alone(change);
      break;
    }
    case Step::Kind::NmiButton:
      machine.press_nmi_button();
      break;
    case Step::Kind::Receive:
      machine.receiver(step.port).receive(step.byte);
      break;
    case Step::Kind::Frame:
      machine.receive_frame(step.value, step.frame);
      break;
    case Step::Kind::Reset:
      machine.reset_alone();
      break;
    case Step::Kind::DropCaches:
      machine.drop_caches();
      break;
    case Step::Kind::TakeRequest:
      machine.forget_request();
      break;
    case Step::Kind::Context:
      (void)machine.board().install_acpi_tables();
      break;
  }
}

/// As the run loop drives a machine between two events, whatever its engine stops for.
void Lockstep::run_to(Machine& machine, u64 retired) {
  const cpu::CpuState& state = machine.cpu().state;
  unsigned idle = 0;
  while (state.retired < retired && idle < kMostIdleReturns) {
    const u64 before = state.retired;
    const cpu::ExitReason reason = machine.engine().run(retired - before);
    if (stands_still(reason) || state.retired >= retired) return;
    idle = state.retired == before ? idle + 1 : 0;
    machine.scheduler().run_due();
  }
}

void Lockstep::repeat(Machine& machine, size_t& step, u64 until) const {
  const cpu::CpuState& state = machine.cpu().state;
  for (; step < steps_.size(); ++step) {
    const Step& next = steps_[step];
    if (next.kind != Step::Kind::Run) {
      apply(machine, next);
      continue;
    }
    if (state.retired < next.value) run_to(machine, std::min(next.value, until));
    if (state.retired >= until) return;
  }
}

}  // namespace doppel::frontend
