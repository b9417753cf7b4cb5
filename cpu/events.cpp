// Events: what is pending, what is raised, and what happens when bringing one event raises another.
//
// Bringing an exception to its handler may itself fault. Whether the second is simply taken next,
// becomes a double fault, or ends the machine depends on the classes of both:
//
//     first \ second    benign        contributory   page fault
//     benign            second next   second next    second next
//     contributory      second next   #DF            second next
//     page fault        second next   #DF            #DF
//     double fault      second next   shutdown       shutdown
//
// The chain is a loop here, never a recursion: a guest decides how long it gets.
//
// @source Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)", table "Conditions for
//         Generating a Double Fault"; "Priority Among Concurrent Events"

#include <utility>

#include "cpu/cpu.h"
#include "cpu/delivery.h"

namespace doppel::cpu {
namespace {

using Event = Delivery::Event;

/// Longer chains end the machine: hostile task gates can make one that hardware never leaves.
constexpr unsigned kMaxChain = 16;

constexpr u64 kDebugctlLbr = 1u << 0;
constexpr u64 kDebugctlBtf = 1u << 1;

enum class FaultClass : u8 { Benign, Contributory, PageFault, DoubleFault };

FaultClass class_of(Vector vector) {
  switch (vector) {
    case Vector::DE:
    case Vector::TS:
    case Vector::NP:
    case Vector::SS:
    case Vector::GP:
      return FaultClass::Contributory;
    case Vector::PF:
      return FaultClass::PageFault;
    case Vector::DF:
      return FaultClass::DoubleFault;
    default:
      return FaultClass::Benign;
  }
}

FaultClass class_of(const Event& event) {
  if (event.source != EventSource::Exception) return FaultClass::Benign;
  return class_of(static_cast<Vector>(event.vector));
}

/// What the guest sees of an exception besides its frame: CR2, DR6.
void note_exception(CpuState& state, Vector vector, u64 address) {
  if (vector == Vector::PF) state.cr2 = address;
  if (vector == Vector::DB) {
    state.dr[6] = (state.dr[6] & ~u64{0xf}) | address | dr6::kFixedOnes;
    state.dr[7] &= ~dr7::GD;
    state.debugctl &= ~(kDebugctlLbr | kDebugctlBtf);
  }
}

/// Faults restart their instruction, which must not meet its breakpoint twice. An instruction
/// breakpoint's own exception is the exception: there the handler decides.
bool pushes_resume_flag(Vector vector, u64 dr6_bits) {
  if (vector == Vector::DB) return (dr6_bits & dr6::BD) != 0;
  return vector != Vector::DF && vector != Vector::MC;
}

Event event_of(const Fault& fault) {
  return Event{static_cast<u8>(fault.vector), EventSource::Exception, fault.error_code,
               pushes_resume_flag(fault.vector, fault.address)};
}

enum class Outcome : u8 { Next, DoubleFault, Shutdown };

Outcome combine(const Event& first, Vector second) {
  const FaultClass before = class_of(first);
  const FaultClass now = class_of(second);
  if (before == FaultClass::Benign || now == FaultClass::Benign) return Outcome::Next;
  if (before == FaultClass::DoubleFault) return Outcome::Shutdown;
  if (before == FaultClass::Contributory && now == FaultClass::PageFault) return Outcome::Next;
  return Outcome::DoubleFault;
}

void trace_delivery(const Cpu& cpu, const Event& event, int previous) {
  if (cpu.trace == nullptr) return;
  const bool software = event.source == EventSource::SoftwareInterrupt ||
                        event.source == EventSource::SoftwareException ||
                        event.source == EventSource::PrivilegedSoftwareException;
  cpu.trace->delivered(cpu.state, event.vector, event.error_code, software,
                       event.source == EventSource::External, previous);
}

/// Delivers `event` and whatever that raises. The chain of failures if it ended in a shutdown.
std::vector<FaultRecord> dispatch(Cpu& cpu, Event event) {
  CpuState& state = cpu.state;
  std::vector<FaultRecord> chain;
  int previous = -1;
  for (unsigned attempt = 0; attempt < kMaxChain; ++attempt) {
    trace_delivery(cpu, event, previous);
    const u64 rip = state.rip();
    const u16 cs = state.segment(Seg::CS).selector;
    Delivery delivery(cpu, event);
    const Result<void> delivered = delivery.run();
    if (delivered.ok()) {
      cpu.note_delivery(rip);
      if (!delivery.debug_trap()) return {};
      chain.clear();
      previous = -1;
      note_exception(state, Vector::DB, dr6::BT);
      event = Event{static_cast<u8>(Vector::DB), EventSource::Exception, 0, false};
      continue;
    }
    const Fault& fault = delivered.error();
    chain.push_back({event.vector, event.error_code, state.cr2, rip, cs, delivery.failure(fault)});
    note_exception(state, fault.vector, fault.address);
    previous = event.vector;
    switch (combine(event, fault.vector)) {
      case Outcome::Next:
        event = event_of(fault);
        break;
      case Outcome::DoubleFault:
        event = Event{static_cast<u8>(Vector::DF), EventSource::Exception, 0, false};
        break;
      case Outcome::Shutdown:
        return chain;
    }
  }
  if (chain.empty()) chain.push_back({event.vector, event.error_code, state.cr2, state.rip(), 0, ""});
  chain.back().failure += "; exceptions follow each other without an instruction between them";
  return chain;
}

}  // namespace

void Cpu::raise(const Fault& fault) {
  note_exception(state, fault.vector, fault.address);
  state.repeating = false;
  // The fetch of the instruction that was to be shielded may be what faults.
  state.interrupt_shadow = state.mov_ss_shadow = false;
  std::vector<FaultRecord> chain = dispatch(*this, event_of(fault));
  if (chain.empty()) return;
  fault_chain_ = std::move(chain);
  state.shutdown = true;
  attention = true;
}

void Cpu::raise_debug_trap(u64 dr6_bits) {
  note_exception(state, Vector::DB, dr6_bits);
  std::vector<FaultRecord> chain =
      dispatch(*this, Event{static_cast<u8>(Vector::DB), EventSource::Exception, 0,
                            std::exchange(state.repeating, false)});
  if (chain.empty()) return;
  fault_chain_ = std::move(chain);
  state.shutdown = true;
  attention = true;
}

Result<void> Cpu::deliver(u8 vector, EventSource source, u32 error_code) {
  const Event event{vector, source, error_code, false};
  trace_delivery(*this, event, -1);
  const u64 rip = state.rip();
  Delivery delivery(*this, event);
  const Result<void> delivered = delivery.run();
  if (delivered.ok()) {
    note_delivery(rip);
    if (delivery.debug_trap()) raise_debug_trap(dr6::BT);
    return {};
  }
  if (!delivery.committed()) return delivered.error();
  // The fault is the new task's: returned from here, it would be blamed on the old one.
  raise(delivered.error());
  return {};
}

bool Cpu::take_pending_events() {
  if (init_) {
    init();
    return true;
  }
  if (state.shutdown) return false;
  Event event;
  if (nmi_ && !state.nmi_blocked && !state.mov_ss_shadow) {
    nmi_ = false;
    state.nmi_blocked = true;
    event = Event{static_cast<u8>(Vector::NMI), EventSource::Nmi, 0, state.repeating};
  } else if (intr_ && interrupts_enabled() && !state.interrupt_shadow && !state.mov_ss_shadow) {
    event = Event{environment.acknowledge_interrupt(), EventSource::External, 0, state.repeating};
  } else {
    return false;
  }
  state.halted = false;
  state.repeating = false;
  std::vector<FaultRecord> chain = dispatch(*this, event);
  if (!chain.empty()) {
    fault_chain_ = std::move(chain);
    state.shutdown = true;
    attention = true;
  }
  return true;
}

u64 Cpu::instruction_breakpoints(LinearAddr address) const {
  u64 hits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const bool enabled = bit_field(state.dr[7], i * 2 + 1, i * 2) != 0;
    const u64 kind = bit_field(state.dr[7], 17 + i * 4, 16 + i * 4);
    if (enabled && kind == 0 && state.dr[i] == address.value) hits |= u64{1} << i;
  }
  return hits;
}

}  // namespace doppel::cpu
