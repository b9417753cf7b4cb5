// Bringing an interrupt or exception to its handler.
//
//     vector --> IVT (real mode) -----------------------------> CS:IP, three words pushed
//            --> IDT gate --> code segment --> same level ----> its stack
//                                          --> inner level ---> stack of the TSS (or IST)
//            --> IDT task gate -------------------------------> task switch
//
// What may fault happens first: gate, code segment and stack are checked and the frame is written as
// a whole; only then registers change. Each step notes what it does, so that a guest that dies here
// leaves a sentence about the gate, descriptor or stack that was wrong.
//
// @source Intel SDM Vol. 3A, "Interrupt and Exception Handling"; Vol. 2, "INT n", Operation

#include "cpu/delivery.h"

#include <cstdio>

#include "cpu/task_switch.h"
#include "cpu/transfer.h"

namespace doppel::cpu {
namespace {

/// Adds the EXT bit where the fault's error code names a selector.
Fault with_external(Fault fault, u32 external) {
  switch (fault.vector) {
    case Vector::TS:
    case Vector::NP:
    case Vector::SS:
    case Vector::GP:
      fault.error_code |= external;
      break;
    default:
      break;
  }
  return fault;
}

constexpr u64 kTrapFlags = rflags::TF | rflags::NT | rflags::VM | rflags::RF;

bool is_trap_gate(SystemType type) { return type == SystemType::TrapGate || type == SystemType::TrapGate16; }

const char* vector_name(Vector vector) {
  switch (vector) {
    case Vector::TS: return "#TS";
    case Vector::NP: return "#NP";
    case Vector::SS: return "#SS";
    case Vector::GP: return "#GP";
    case Vector::PF: return "#PF";
    case Vector::AC: return "#AC";
    default: return "an exception";
  }
}

}  // namespace

Delivery::Delivery(Cpu& cpu, const Event& event) : cpu_(cpu), event_(event) {}

Result<void> Delivery::run() {
  const CpuState& state = cpu_.state;
  Result<void> result;
  if (!state.protected_mode()) {
    result = run_real();
  } else if (state.long_mode()) {
    result = run_long();
  } else {
    bool done = false;
    if (state.v86() && event_.source == EventSource::SoftwareInterrupt) {
      const Result<bool> redirected = redirect_v86();
      if (!redirected.ok()) return with_external(redirected.error(), external());
      done = redirected.value();
    }
    if (!done) result = run_protected();
  }
  if (!result.ok()) return with_external(result.error(), external());
  return {};
}

// ---- real mode, and virtual-8086 interrupts that stay in virtual-8086 mode -----------------------

Result<void> Delivery::run_real() {
  const CpuState& state = cpu_.state;
  const u32 offset = u32{event_.vector} * 4;
  at("the interrupt vector table entry");
  entry_address_ = (state.idtr.base + offset) & 0xffff'ffff;
  if (offset + 3 > state.idtr.limit) return gp(idt_code());
  constexpr u64 kCleared = rflags::IF | rflags::TF | rflags::AC | rflags::RF;
  return enter_real(LinearAddr(entry_address_), pushed_flags(), kCleared);
}

/// Pushes FLAGS, CS and IP and goes where the table entry points.
Result<void> Delivery::enter_real(LinearAddr entry, u64 flags, u64 cleared) {
  CpuState& state = cpu_.state;
  DOPPEL_TRY(const u32 target, cpu_.mmu.read_system<u32>(entry));
  StackFrame frame(cpu_, 2);
  frame.push(flags);
  frame.push(state.segment(Seg::CS).selector);
  frame.push(state.rip());
  at("the push onto the stack");
  stack_selector_ = Selector{state.segment(Seg::SS).selector};
  stack_pointer_ = cpu_.stack_pointer();
  DOPPEL_TRY(frame.write(0));
  cpu_.set_stack_pointer(frame.pointer());
  set_real_segment(state.segment(Seg::CS), static_cast<u16>(target >> 16), state.v86());
  state.rip() = target & 0xffff;
  state.system_flags &= ~cleared;
  cpu_.update_mode();
  return {};
}

/// INT n in virtual-8086 mode. True if the program's own handler was entered, by the interrupt
/// redirection bitmap of VME; false if the IDT is to be used.
/// @source Intel SDM Vol. 3B, "Class 3—Software Interrupt Handling in Virtual-8086 Mode"
Result<bool> Delivery::redirect_v86() {
  const CpuState& state = cpu_.state;
  const bool iopl3 = state.iopl() == 3;
  if ((state.cr4 & cr4::VME) != 0) {
    at("the interrupt redirection bitmap of the TSS");
    if (!state.tr.usable() || state.tr.limit < 0x67) return gp();
    DOPPEL_TRY(const u16 io_map, cpu_.mmu.read_system<u16>(LinearAddr(state.tr.base + 0x66)));
    // The 32 bytes below the I/O permission bitmap.
    const i64 offset = i64{io_map} - 32 + event_.vector / 8;
    if (offset < 0 || offset > i64{state.tr.limit}) return gp();
    DOPPEL_TRY(const u8 bits,
               cpu_.mmu.read_system<u8>(LinearAddr(state.tr.base + static_cast<u64>(offset))));
    if ((bits >> (event_.vector % 8) & 1) == 0) {
      u64 flags = pushed_flags();
      u64 cleared = rflags::TF | rflags::RF | rflags::IF;
      if (!iopl3) {
        // The program sees its virtual interrupt flag, and believes it may change it.
        flags = (flags & ~rflags::IF) | rflags::IOPL | (state.test(rflags::VIF) ? rflags::IF : 0);
        cleared = rflags::TF | rflags::RF | rflags::VIF;
      }
      entry_address_ = u64{event_.vector} * 4;
      DOPPEL_TRY(enter_real(LinearAddr(entry_address_), flags, cleared));
      return true;
    }
  }
  at("INT n in virtual-8086 mode with IOPL below 3");
  if (!iopl3) return gp();
  return false;
}

// ---- gates ---------------------------------------------------------------------------------------

/// What is asked of every gate once it has been read.
Result<void> Delivery::check_gate(const Descriptor& gate) {
  gate_low_ = gate.low;
  const CpuState& state = cpu_.state;
  bool type_fits = gate.is_system();
  switch (gate.system_type()) {
    case SystemType::InterruptGate:
    case SystemType::TrapGate:
      break;
    case SystemType::TaskGate:
    case SystemType::InterruptGate16:
    case SystemType::TrapGate16:
      if (state.long_mode()) type_fits = false;
      break;
    default:
      type_fits = false;
      break;
  }
  at("the type of the IDT entry, which is no gate that may stand there,");
  if (!type_fits) return gp(idt_code());
  at("the privilege of the IDT entry: INT n with CPL above the gate's DPL");
  if (software() && gate.dpl() < state.cpl) return gp(idt_code());
  at("the present bit of the IDT entry");
  if (!gate.present()) return Fault::make(Vector::NP, idt_code());
  return {};
}

Result<void> Delivery::run_protected() {
  const CpuState& state = cpu_.state;
  const u32 offset = u32{event_.vector} * 8;
  entry_address_ = (state.idtr.base + offset) & 0xffff'ffff;
  at("the limit of the IDT, which ends before the entry");
  if (offset + 7 > state.idtr.limit) return gp(idt_code());
  at("reading the IDT entry");
  Descriptor gate;
  DOPPEL_TRY(gate.low, cpu_.mmu.read_system<u64>(LinearAddr(entry_address_)));
  DOPPEL_TRY(check_gate(gate));
  switch (gate.system_type()) {
    case SystemType::TaskGate:
      return run_task_gate(gate);
    case SystemType::InterruptGate16:
    case SystemType::TrapGate16:
      return enter_gate(gate, gate.gate_offset32() & 0xffff, 2, 0);
    default:
      return enter_gate(gate, gate.gate_offset32(), 4, 0);
  }
}

Result<void> Delivery::run_long() {
  const CpuState& state = cpu_.state;
  const u32 offset = u32{event_.vector} * 16;
  entry_address_ = state.idtr.base + offset;
  at("the limit of the IDT, which ends before the entry");
  if (offset + 15 > state.idtr.limit) return gp(idt_code());
  at("reading the IDT entry");
  DOPPEL_TRY(Descriptor gate, cpu_.mmu.read_system<Descriptor>(LinearAddr(entry_address_)));
  gate.high &= 0xffff'ffff;
  DOPPEL_TRY(check_gate(gate));
  return enter_gate(gate, gate.gate_offset64(), 8, gate.gate_ist());
}

Result<void> Delivery::run_task_gate(const Descriptor& gate) {
  CpuState& state = cpu_.state;
  at("the task switch through the IDT's task gate");
  const u64 flags_before = state.system_flags;
  if (event_.resume) state.system_flags |= rflags::RF;  // In the image that the old task's TSS gets.
  const u32* code = has_code() ? &event_.error_code : nullptr;
  const TaskSwitchResult result =
      try_switch_task(cpu_, Selector{gate.gate_selector()}, TaskSwitchCause::Interrupt, state.rip(), code);
  committed_ = result.committed;
  debug_trap_ = result.debug_trap;
  if (!committed_) state.system_flags = flags_before;
  if (result.fault.present) return result.fault;
  return {};
}

/// The handler's code segment. @errors #GP, #NP with the selector; #PF
Result<DescriptorRef> Delivery::read_code(Selector selector) {
  const CpuState& state = cpu_.state;
  at("the code segment selector of the IDT entry, which is null,");
  if (selector.is_null()) return gp();
  at("the code segment selector of the IDT entry, which lies outside its table,");
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu_, selector, Vector::GP));
  const Descriptor& code = ref.descriptor;
  at("the code segment of the IDT entry: no code segment, or less privileged than CPL,");
  if (!code.is_code() || code.dpl() > state.cpl) return gp(selector.error_code());
  at("the code segment of the IDT entry: not a 64-bit one");
  if (state.long_mode() && (code.attributes() & (attr::L | attr::DB)) != attr::L) {
    return gp(selector.error_code());
  }
  at("the code segment of the IDT entry: present bit clear");
  if (!code.present()) return Fault::make(Vector::NP, selector.error_code());
  return ref;
}

/// Interrupt and trap gates: `width` is the size of what is pushed.
Result<void> Delivery::enter_gate(const Descriptor& gate, u64 offset, unsigned width, unsigned ist) {
  CpuState& state = cpu_.state;
  const Selector selector{gate.gate_selector()};
  DOPPEL_TRY(const DescriptorRef ref, read_code(selector));
  const Descriptor& code = ref.descriptor;
  const unsigned level = code.is_conforming() ? state.cpl : code.dpl();
  const bool changes_level = level < state.cpl;
  const bool long_mode = state.long_mode();
  at("the handler's code segment: virtual-8086 mode can only be left for ring 0");
  if (state.v86() && level != 0) return gp(selector.error_code());

  InnerStack stack;
  at("the stack that the TSS names");
  if (long_mode && (changes_level || ist != 0)) {
    DOPPEL_TRY(stack, inner_stack64(cpu_, level, ist, external()));
    if (!changes_level) stack.ss = state.segment(Seg::SS);
  } else if (changes_level) {
    DOPPEL_TRY(stack, inner_stack(cpu_, level, external()));
  } else {
    stack.ss = state.segment(Seg::SS);
    stack.pointer = long_mode ? state.gpr[RSP] : cpu_.stack_pointer();
  }
  if (long_mode) stack.pointer &= ~u64{0xf};
  stack_selector_ = Selector{stack.ss.selector};
  stack_pointer_ = stack.pointer;
  at("the offset of the IDT entry, which lies outside the code segment,");
  DOPPEL_TRY(check_code_offset(cpu_, code, offset));

  StackFrame frame(cpu_, width, stack.ss, stack.pointer, level, long_mode);
  if (state.v86()) {
    for (const Seg segment : {Seg::GS, Seg::FS, Seg::DS, Seg::ES}) {
      frame.push(state.segment(segment).selector);
    }
  }
  if (long_mode || changes_level) {
    frame.push(state.segment(Seg::SS).selector);
    frame.push(state.gpr[RSP]);
  }
  frame.push(pushed_flags());
  frame.push(state.segment(Seg::CS).selector);
  frame.push(state.rip());
  if (has_code()) frame.push(event_.error_code);
  at("marking the code segment accessed");
  DOPPEL_TRY(mark_accessed(cpu_, ref));
  at("the push onto the handler's stack");
  DOPPEL_TRY(frame.write(changes_level && !long_mode ? stack_selector_.error_code() : 0));

  if (state.v86()) {
    for (const Seg segment : {Seg::GS, Seg::FS, Seg::DS, Seg::ES}) {
      state.segment(segment) = SegmentRegister{};
      state.segment(segment).update_window();
    }
  }
  if (changes_level) state.segment(Seg::SS) = stack.ss;
  finish(gate, selector, code, offset, level);
  if (long_mode) {
    state.gpr[RSP] = frame.pointer();
  } else {
    cpu_.set_stack_pointer(frame.pointer());
  }
  return {};
}

void Delivery::finish(const Descriptor& gate, Selector selector, const Descriptor& code, u64 offset,
                      unsigned level) {
  CpuState& state = cpu_.state;
  enter_code(cpu_, selector, code, offset, level);
  const bool leaves_v86 = state.v86();
  state.system_flags &= ~kTrapFlags;
  if (!is_trap_gate(gate.system_type())) state.system_flags &= ~rflags::IF;
  leaves_v86 ? cpu_.update_mode() : cpu_.update_code_and_stack();
}

std::string Delivery::failure(const Fault& fault) const {
  char text[320];
  char entry[96] = "";
  if (entry_address_ != 0 || event_.vector == 0) {
    std::snprintf(entry, sizeof entry, " (%s entry %u at 0x%llx: 0x%016llx)",
                  cpu_.state.protected_mode() ? "IDT" : "IVT", event_.vector,
                  static_cast<unsigned long long>(entry_address_),
                  static_cast<unsigned long long>(gate_low_));
  }
  char stack[64] = "";
  if (stack_pointer_ != 0 || stack_selector_.value != 0) {
    std::snprintf(stack, sizeof stack, ", stack %04x:%08llx", stack_selector_.value,
                  static_cast<unsigned long long>(stack_pointer_));
  }
  char cause[64];
  if (fault.vector == Vector::PF) {
    std::snprintf(cause, sizeof cause, "#PF at 0x%llx, error code 0x%x",
                  static_cast<unsigned long long>(fault.address), fault.error_code);
  } else {
    std::snprintf(cause, sizeof cause, "%s(0x%x)", vector_name(fault.vector), fault.error_code);
  }
  std::snprintf(text, sizeof text, "%s failed with %s%s%s", step_, cause, entry, stack);
  return text;
}

}  // namespace doppel::cpu
