// RET far, and the checks it shares with IRET.
//
// A return may stay at its level or go outwards, never inwards. Going outwards it takes the outer
// stack from the inner one, and data segments too privileged for the program become null.
//
// @source Intel SDM Vol. 2, "RET", Operation

#include "cpu/segmentation.h"
#include "cpu/stack_frame.h"
#include "cpu/transfer.h"

namespace doppel::cpu {

Result<DescriptorRef> check_return_code(Cpu& cpu, Selector selector) {
  if (selector.is_null()) return gp();
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& code = ref.descriptor;
  const bool level_fits = code.is_conforming() ? code.dpl() <= selector.rpl() : code.dpl() == selector.rpl();
  const bool size_conflict = is_code64(cpu, code) && (code.attributes() & attr::DB) != 0;
  if (!code.is_code() || selector.rpl() < cpu.state.cpl || !level_fits || size_conflict) {
    return gp(selector.error_code());
  }
  if (!code.present()) return Fault::make(Vector::NP, selector.error_code());
  return ref;
}

Result<SegmentRegister> check_return_stack(Cpu& cpu, Selector selector, unsigned cpl,
                                           const Descriptor& code) {
  if (selector.is_null()) {
    if (!is_code64(cpu, code) || cpl == 3) return gp();
    SegmentRegister null;
    null.selector = selector.value;
    null.update_window();
    return null;
  }
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& d = ref.descriptor;
  if (selector.rpl() != cpl || d.dpl() != cpl || !d.is_writable()) return gp(selector.error_code());
  if (!d.present()) return Fault::make(Vector::SS, selector.error_code());
  DOPPEL_TRY(mark_accessed(cpu, ref));
  return make_segment(selector, d);
}

void drop_inner_segments(Cpu& cpu) {
  for (const Seg name : {Seg::ES, Seg::DS, Seg::FS, Seg::GS}) {
    SegmentRegister& segment = cpu.state.segment(name);
    const u16 kind = segment.attributes & (attr::CODE | attr::EC);
    const bool conforming = kind == (attr::CODE | attr::EC);
    if (!segment.usable() || conforming || segment.dpl() >= cpu.state.cpl) continue;
    segment = SegmentRegister{};
    segment.update_window();
    cpu.update_segment(name);
  }
}

Result<void> far_return(Cpu& cpu, unsigned width, u16 release_bytes) {
  CpuState& state = cpu.state;
  StackReader stack(cpu, width);
  DOPPEL_TRY(const u64 offset, stack.pop());
  DOPPEL_TRY(const u64 popped_selector, stack.pop());
  const Selector selector{static_cast<u16>(popped_selector)};
  stack.skip(release_bytes);

  if (state.real_or_v86()) {
    if (offset > state.segment(Seg::CS).limit) return gp();
    cpu.set_stack_pointer(stack.pointer());
    set_real_segment(state.segment(Seg::CS), selector.value, state.v86());
    state.rip() = offset;
    cpu.update_mode();
    return {};
  }

  DOPPEL_TRY(const DescriptorRef code, check_return_code(cpu, selector));
  if (selector.rpl() == state.cpl) {
    DOPPEL_TRY(check_code_offset(cpu, code.descriptor, offset));
    DOPPEL_TRY(mark_accessed(cpu, code));
    cpu.set_stack_pointer(stack.pointer());
    enter_code(cpu, selector, code.descriptor, offset, state.cpl);
    cpu.update_mode();
    return {};
  }

  DOPPEL_TRY(const u64 outer_pointer, stack.pop());
  DOPPEL_TRY(const u64 outer_selector, stack.pop());
  DOPPEL_TRY(const SegmentRegister ss,
             check_return_stack(cpu, Selector{static_cast<u16>(outer_selector)}, selector.rpl(),
                                code.descriptor));
  DOPPEL_TRY(check_code_offset(cpu, code.descriptor, offset));
  DOPPEL_TRY(mark_accessed(cpu, code));
  state.segment(Seg::SS) = ss;
  enter_code(cpu, selector, code.descriptor, offset, selector.rpl());
  drop_inner_segments(cpu);
  cpu.update_mode();
  cpu.set_stack_pointer(outer_pointer + release_bytes);
  return {};
}

}  // namespace doppel::cpu
