// Task switches.
//
// Until the commit point everything is only looked at and probed: the new TSS is read, the stores
// into both TSSs and both descriptors are known to succeed. Then the old task is saved, the new
// state is loaded, and from there on every fault happens in the new task, whose segment registers
// start out unusable and become valid one by one.

#include "cpu/task_switch.h"

#include <algorithm>
#include <array>

#include "cpu/stack_frame.h"

namespace doppel::cpu {
namespace {

constexpr u16 kBusy = 2;  // Bit of a TSS descriptor's type.

/// Where things are in a TSS. @source Intel SDM Vol. 3A, "Task-State Segment (TSS)", "16-Bit TSS Format"
struct TssLayout {
  u32 width;     ///< Of a register.
  u32 ip, flags, registers, selectors, selector_step, selector_count, ldt, minimum_limit;
};
constexpr TssLayout kTss32 = {4, 0x20, 0x24, 0x28, 0x48, 4, 6, 0x60, 0x67};
constexpr TssLayout kTss16 = {2, 0x0e, 0x10, 0x12, 0x22, 2, 4, 0x2a, 0x2b};
constexpr u32 kTss32Cr3 = 0x1c;
constexpr u32 kTss32Trap = 0x64;

bool is_tss32(u16 attributes) { return (attributes & 8) != 0; }
const TssLayout& layout_of(u16 attributes) { return is_tss32(attributes) ? kTss32 : kTss16; }

/// A TSS as it was read.
struct TaskImage {
  u64 cr3 = 0;
  u64 rip = 0;
  u64 flags = 0;
  u64 gpr[8] = {};
  u16 selector[6] = {};  // In the order ES CS SS DS FS GS.
  u16 ldt = 0;
  bool trap = false;
};

LinearAddr at(const SegmentRegister& tss, u32 offset) {
  return LinearAddr((tss.base + offset) & 0xffff'ffff);
}

Result<u64> read_field(Cpu& cpu, const SegmentRegister& tss, u32 offset, u32 width) {
  if (width == 2) {
    DOPPEL_TRY(const u16 value, cpu.mmu.read_system<u16>(at(tss, offset)));
    return u64{value};
  }
  DOPPEL_TRY(const u32 value, cpu.mmu.read_system<u32>(at(tss, offset)));
  return u64{value};
}

Result<TaskImage> read_task(Cpu& cpu, const SegmentRegister& tss) {
  const TssLayout& layout = layout_of(tss.attributes);
  TaskImage image;
  DOPPEL_TRY(image.rip, read_field(cpu, tss, layout.ip, layout.width));
  DOPPEL_TRY(image.flags, read_field(cpu, tss, layout.flags, layout.width));
  for (u32 i = 0; i < 8; ++i) {
    DOPPEL_TRY(image.gpr[i], read_field(cpu, tss, layout.registers + i * layout.width, layout.width));
  }
  for (u32 i = 0; i < layout.selector_count; ++i) {
    DOPPEL_TRY(const u64 value, read_field(cpu, tss, layout.selectors + i * layout.selector_step, 2));
    image.selector[i] = static_cast<u16>(value);
  }
  DOPPEL_TRY(const u64 ldt, read_field(cpu, tss, layout.ldt, 2));
  image.ldt = static_cast<u16>(ldt);
  if (is_tss32(tss.attributes)) {
    DOPPEL_TRY(image.cr3, read_field(cpu, tss, kTss32Cr3, 4));
    DOPPEL_TRY(const u64 trap, read_field(cpu, tss, kTss32Trap, 2));
    image.trap = (trap & 1) != 0;
  } else {
    // Bits a 16-bit TSS does not hold: the upper halves read as ones, as the 80286's busses did.
    for (u64& value : image.gpr) value |= 0xffff'0000;
  }
  return image;
}

/// Stores known to succeed: the caller has probed them.
template <class T>
void store_probed(Cpu& cpu, LinearAddr address, T value) {
  (void)cpu.mmu.write_system<T>(address, value);
}

void save_task(Cpu& cpu, u64 next_rip, u64 flags) {
  const SegmentRegister& tss = cpu.state.tr;
  const TssLayout& layout = layout_of(tss.attributes);
  const auto save = [&](u32 offset, u64 value) {
    if (layout.width == 2) {
      store_probed<u16>(cpu, at(tss, offset), static_cast<u16>(value));
    } else {
      store_probed<u32>(cpu, at(tss, offset), static_cast<u32>(value));
    }
  };
  save(layout.ip, next_rip);
  save(layout.flags, flags);
  for (u32 i = 0; i < 8; ++i) save(layout.registers + i * layout.width, cpu.state.gpr[i]);
  for (u32 i = 0; i < layout.selector_count; ++i) {
    store_probed<u16>(cpu, at(tss, layout.selectors + i * layout.selector_step), cpu.state.seg[i].selector);
  }
}

void set_busy(Cpu& cpu, LinearAddr descriptor, bool busy) {
  const Result<u8> type = cpu.mmu.read_system<u8>(descriptor + 5);
  if (!type.ok()) return;  // Was probed.
  const u8 changed = static_cast<u8>(busy ? type.value() | kBusy : type.value() & ~kBusy);
  store_probed<u8>(cpu, descriptor + 5, changed);
}

Fault ts(Selector selector) { return Fault::make(Vector::TS, selector.error_code()); }

/// Is this a TSS that may be switched to now?
Result<DescriptorRef> check_tss(Cpu& cpu, Selector selector, TaskSwitchCause cause) {
  const bool is_return = cause == TaskSwitchCause::Return;
  const Vector vector = is_return ? Vector::TS : Vector::GP;
  const Fault refused = Fault::make(vector, selector.error_code());
  if (selector.is_null() || selector.is_ldt()) return refused;
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, vector));
  const SystemType type = ref.descriptor.system_type();
  const bool fits = is_return ? type == SystemType::TssBusy || type == SystemType::Tss16Busy
                              : type == SystemType::TssAvailable || type == SystemType::Tss16Available;
  if (!ref.descriptor.is_system() || !fits) return refused;
  if (!ref.descriptor.present()) return Fault::make(Vector::NP, selector.error_code());
  if (ref.descriptor.limit() < layout_of(ref.descriptor.attributes()).minimum_limit) return ts(selector);
  return ref;
}

Result<void> load_ldt(Cpu& cpu, Selector selector) {
  if (selector.is_null()) return {};
  if (selector.is_ldt()) return ts(selector);
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::TS));
  const Descriptor& d = ref.descriptor;
  if (!d.is_system() || d.system_type() != SystemType::Ldt || !d.present()) return ts(selector);
  cpu.state.ldtr = make_segment(selector, d);
  return {};
}

Result<void> load_code(Cpu& cpu, Selector selector) {
  if (selector.is_null()) return ts(selector);
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::TS));
  const Descriptor& d = ref.descriptor;
  const bool level_fits = d.is_conforming() ? d.dpl() <= selector.rpl() : d.dpl() == selector.rpl();
  if (!d.is_code() || !level_fits) return ts(selector);
  if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
  DOPPEL_TRY(mark_accessed(cpu, ref));
  cpu.state.segment(Seg::CS) = make_segment(selector, d);
  return {};
}

Result<void> load_stack(Cpu& cpu, Selector selector, unsigned cpl) {
  if (selector.is_null()) return ts(selector);
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::TS));
  const Descriptor& d = ref.descriptor;
  if (!d.is_writable() || d.dpl() != cpl || selector.rpl() != cpl) return ts(selector);
  if (!d.present()) return Fault::make(Vector::SS, selector.error_code());
  DOPPEL_TRY(mark_accessed(cpu, ref));
  cpu.state.segment(Seg::SS) = make_segment(selector, d);
  return {};
}

Result<void> load_data(Cpu& cpu, Seg segment, Selector selector, unsigned cpl) {
  if (selector.is_null()) return {};
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::TS));
  const Descriptor& d = ref.descriptor;
  const bool level_fits = d.is_conforming() || (d.dpl() >= cpl && d.dpl() >= selector.rpl());
  if (!d.is_readable() || !level_fits) return ts(selector);
  if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
  DOPPEL_TRY(mark_accessed(cpu, ref));
  cpu.state.segment(segment) = make_segment(selector, d);
  return {};
}

/// After the commit point: hidden parts, in the manual's order.
Result<void> load_segments(Cpu& cpu, const TaskImage& image) {
  CpuState& state = cpu.state;
  DOPPEL_TRY(load_ldt(cpu, Selector{image.ldt}));
  if (state.v86()) {
    for (unsigned i = 0; i < kSegCount; ++i) set_real_segment(state.seg[i], image.selector[i], true);
  } else {
    const Selector code{image.selector[static_cast<unsigned>(Seg::CS)]};
    DOPPEL_TRY(load_code(cpu, code));
    DOPPEL_TRY(load_stack(cpu, Selector{image.selector[static_cast<unsigned>(Seg::SS)]}, code.rpl()));
    // CPL was 3 until here, so that a fault above finds a stack through the TSS.
    state.cpl = static_cast<u8>(code.rpl());
    for (const Seg segment : {Seg::DS, Seg::ES, Seg::FS, Seg::GS}) {
      const Selector selector{image.selector[static_cast<unsigned>(segment)]};
      DOPPEL_TRY(load_data(cpu, segment, selector, state.cpl));
    }
  }
  if (state.rip() > state.segment(Seg::CS).limit) return gp();
  return {};
}

Result<void> push_error_code(Cpu& cpu, u32 error_code) {
  StackFrame frame(cpu, layout_of(cpu.state.tr.attributes).width);
  frame.push(error_code);
  DOPPEL_TRY(frame.write(0));
  cpu.set_stack_pointer(frame.pointer());
  return {};
}

/// What the switch will change, all of it known to be possible.
struct Plan {
  DescriptorRef descriptor;
  SegmentRegister tss;
  TaskImage image;
  std::array<u64, 4> pdpte{};
  LinearAddr old_descriptor;
};

Result<Plan> prepare(Cpu& cpu, Selector selector, TaskSwitchCause cause) {
  CpuState& state = cpu.state;
  Plan plan;
  DOPPEL_TRY(plan.descriptor, check_tss(cpu, selector, cause));
  plan.tss = make_segment(selector, plan.descriptor.descriptor);
  const TssLayout& old_layout = layout_of(state.tr.attributes);
  if (state.tr.limit < old_layout.minimum_limit) return ts(Selector{state.tr.selector});

  DOPPEL_TRY(plan.image, read_task(cpu, plan.tss));
  DOPPEL_TRY(cpu.mmu.probe_system(at(state.tr, 0), old_layout.minimum_limit + 1, Access::Write));
  DOPPEL_TRY(cpu.mmu.probe_system(plan.descriptor.address, 8, Access::Write));
  plan.old_descriptor =
      LinearAddr((state.gdtr.base + Selector{state.tr.selector}.offset()) & 0xffff'ffff);
  DOPPEL_TRY(cpu.mmu.probe_system(plan.old_descriptor, 8, Access::Write));
  if (cause == TaskSwitchCause::Call || cause == TaskSwitchCause::Interrupt) {
    DOPPEL_TRY(cpu.mmu.probe_system(at(plan.tss, 0), 2, Access::Write));
  }
  const bool pae = (state.cr0 & cr0::PG) != 0 && (state.cr4 & cr4::PAE) != 0;
  plan.pdpte = cpu.pdpte;
  if (pae && is_tss32(plan.tss.attributes)) {
    PagingContext context;
    context.cr0 = state.cr0;
    context.cr3 = plan.image.cr3;
    context.cr4 = state.cr4;
    DOPPEL_TRY(cpu.mmu.walker().load_pdptes(context));
    std::copy(std::begin(context.pdpte), std::end(context.pdpte), plan.pdpte.begin());
  }
  return plan;
}

/// Saves the old task and loads everything of the new one that cannot fault.
void commit(Cpu& cpu, const Plan& plan, TaskSwitchCause cause, u64 next_rip) {
  CpuState& state = cpu.state;
  const bool nested = cause == TaskSwitchCause::Call || cause == TaskSwitchCause::Interrupt;
  if (!nested) set_busy(cpu, plan.old_descriptor, false);
  u64 old_flags = state.rflags();
  if (cause == TaskSwitchCause::Return) old_flags &= ~rflags::NT;
  const u16 old_selector = state.tr.selector;
  save_task(cpu, next_rip, old_flags);
  if (nested) store_probed<u16>(cpu, at(plan.tss, 0), old_selector);
  if (cause != TaskSwitchCause::Return) set_busy(cpu, plan.descriptor.address, true);

  state.cr0 |= cr0::TS;
  state.tr = plan.tss;
  state.tr.attributes |= kBusy;
  if (is_tss32(plan.tss.attributes) && (state.cr0 & cr0::PG) != 0) {
    state.cr3 = plan.image.cr3;
    cpu.pdpte = plan.pdpte;
  }
  cpu.update_paging();
  state.rip() = plan.image.rip;
  u64 flags = plan.image.flags;
  if (!is_tss32(plan.tss.attributes)) flags &= 0xffff;
  state.set_rflags(flags | (nested ? rflags::NT : 0));
  for (unsigned i = 0; i < 8; ++i) state.gpr[i] = plan.image.gpr[i];
  for (unsigned i = 0; i < kSegCount; ++i) {
    state.seg[i] = SegmentRegister{};
    state.seg[i].selector = plan.image.selector[i];
    state.seg[i].update_window();
  }
  state.ldtr = SegmentRegister{};
  state.ldtr.selector = plan.image.ldt;
  state.ldtr.update_window();
  state.cpl = 3;
  state.dr[7] &= ~u64{0x155};  // Local breakpoints belong to the old task.
  state.interrupt_shadow = state.mov_ss_shadow = false;
  cpu.attention = true;  // IF may have changed.
  cpu.update_mode();
}

}  // namespace

TaskSwitchResult try_switch_task(Cpu& cpu, Selector selector, TaskSwitchCause cause, u64 next_rip,
                                 const u32* error_code) {
  TaskSwitchResult result;
  const Result<Plan> plan = prepare(cpu, selector, cause);
  if (!plan.ok()) {
    result.fault = plan.error();
    return result;
  }
  commit(cpu, plan.value(), cause, next_rip);
  result.committed = true;
  const Result<void> loaded = load_segments(cpu, plan.value().image);
  cpu.update_mode();
  if (!loaded.ok()) {
    result.fault = loaded.error();
    return result;
  }
  if (error_code != nullptr) {
    const Result<void> pushed = push_error_code(cpu, *error_code);
    if (!pushed.ok()) {
      result.fault = pushed.error();
      return result;
    }
  }
  result.debug_trap = plan.value().image.trap;
  return result;
}

Result<void> switch_task(Cpu& cpu, Selector selector, TaskSwitchCause cause, u64 next_rip,
                         const u32* error_code) {
  const TaskSwitchResult result = try_switch_task(cpu, selector, cause, next_rip, error_code);
  if (result.fault.present) {
    if (!result.committed) return result.fault;
    cpu.raise(result.fault);
  } else if (result.debug_trap) {
    cpu.raise_debug_trap(dr6::BT);
  }
  return {};
}

}  // namespace doppel::cpu
