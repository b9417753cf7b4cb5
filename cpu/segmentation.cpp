// Segment registers and the descriptors behind them.
//
// A selector names a descriptor in one of two tables; loading a segment register copies it into the
// hidden part, after checks, and from then on the table does not matter any more. Real and
// virtual-8086 mode have no tables: there the base is the selector times 16.

#include "cpu/segmentation.h"

namespace doppel::cpu {
namespace {

/// @source Intel SDM Vol. 2, "MOV", Operation: "IF SS is loaded"
Result<DescriptorRef> check_stack_segment(Cpu& cpu, Selector selector) {
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& d = ref.descriptor;
  if (selector.rpl() != cpu.state.cpl || !d.is_writable() || d.dpl() != cpu.state.cpl) {
    return gp(selector.error_code());
  }
  if (!d.present()) return Fault::make(Vector::SS, selector.error_code());
  return ref;
}

/// @source Intel SDM Vol. 2, "MOV", Operation: "IF DS, ES, FS, or GS is loaded with non-NULL selector"
Result<DescriptorRef> check_data_segment(Cpu& cpu, Selector selector) {
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& d = ref.descriptor;
  if (!d.is_readable()) return gp(selector.error_code());
  if (!d.is_conforming() && (selector.rpl() > d.dpl() || cpu.state.cpl > d.dpl())) {
    return gp(selector.error_code());
  }
  if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
  return ref;
}

/// The load of this selector that is known, if the descriptor in memory is still the same.
Result<const SegmentRegister*> find_load(Cpu& cpu, Selector selector) {
  const Cpu::SegmentLoad& known = cpu.segment_loads().of(selector.value);
  const CpuState& state = cpu.state;
  const bool is_known = known.selector == selector.value && known.cpl == state.cpl;
  if (!is_known || selector.offset() + 7 > state.gdtr.limit) return nullptr;
  LinearAddr address(state.gdtr.base + selector.offset());
  if (!state.long_mode()) address.value &= 0xffff'ffff;
  DOPPEL_TRY(const u64 descriptor, cpu.mmu.read_system<u64>(address));
  return descriptor == known.descriptor ? &known.segment : nullptr;
}

/// DS, ES, FS or GS.
Result<void> load_data_segment(Cpu& cpu, Seg segment, Selector selector) {
  SegmentRegister& target = cpu.state.segment(segment);
  DOPPEL_TRY(const SegmentRegister* const known, find_load(cpu, selector));
  if (known != nullptr) {
    const bool is_same = target.base == known->base && target.limit == known->limit && target.attributes == known->attributes;
    target = *known;
    if (!is_same) cpu.update_segment(segment);
    return {};
  }
  DOPPEL_TRY(const DescriptorRef ref, check_data_segment(cpu, selector));
  DOPPEL_TRY(mark_accessed(cpu, ref));
  target = make_segment(selector, ref.descriptor);
  cpu.update_segment(segment);
  const bool was_accessed = !ref.descriptor.is_system() && bit(ref.descriptor.low, 40);
  if (was_accessed && !selector.is_ldt()) {
    Cpu::SegmentLoad& load = cpu.segment_loads().of(selector.value);
    load = {ref.descriptor.low, selector.value, cpu.state.cpl, target, {}};
    load.facts.learn(target);
  }
  return {};
}

SegmentRegister null_segment(u16 selector) {
  SegmentRegister segment;
  segment.selector = selector;
  segment.update_window();
  return segment;
}

}  // namespace

Result<DescriptorRef> read_descriptor(Cpu& cpu, Selector selector, Vector fault_vector, bool wide) {
  const CpuState& state = cpu.state;
  const u32 last = selector.offset() + (wide ? 15 : 7);
  u64 base = state.gdtr.base;
  if (selector.is_ldt()) {
    if (!state.ldtr.usable() || last > state.ldtr.limit) {
      return Fault::make(fault_vector, selector.error_code());
    }
    base = state.ldtr.base;
  } else if (last > state.gdtr.limit) {
    return Fault::make(fault_vector, selector.error_code());
  }
  DescriptorRef ref;
  ref.address = LinearAddr(base + selector.offset());
  if (!state.long_mode()) ref.address.value &= 0xffff'ffff;
  DOPPEL_TRY(ref.descriptor.low, cpu.mmu.read_system<u64>(ref.address));
  if (wide) {
    DOPPEL_TRY(ref.descriptor.high, cpu.mmu.read_system<u64>(ref.address + 8));
    // The second half's type must be zero, so that it cannot be used as a descriptor of its own.
    if (bit_field(ref.descriptor.high, 44, 40) != 0) return Fault::make(fault_vector, selector.error_code());
    ref.descriptor.high &= 0xffff'ffff;
  }
  return ref;
}

Result<void> mark_accessed(Cpu& cpu, const DescriptorRef& ref) {
  if (ref.descriptor.is_system() || bit(ref.descriptor.low, 40)) return {};
  const u8 type = static_cast<u8>(bit_field(ref.descriptor.low, 47, 40) | attr::A);
  return cpu.mmu.write_system<u8>(ref.address + 5, type);
}

SegmentRegister make_segment(Selector selector, const Descriptor& descriptor) {
  SegmentRegister segment;
  segment.selector = selector.value;
  segment.base = descriptor.base64();
  segment.limit = descriptor.limit();
  segment.attributes = descriptor.attributes();
  if (!descriptor.is_system()) segment.attributes |= attr::A;
  segment.update_window();
  return segment;
}

void set_real_segment(SegmentRegister& segment, u16 selector, bool v86) {
  constexpr u16 kData = attr::P | attr::S | attr::RW | attr::A;
  segment.selector = selector;
  segment.base = u32{selector} << 4;
  if (v86) {
    segment.limit = 0xffff;
    segment.attributes = kData | attr::DPL;
  } else if (segment.usable()) {
    // Real mode keeps the limit and size that protected mode left: "unreal" mode lives on this.
    segment.attributes = static_cast<u16>((segment.attributes & (attr::DB | attr::G | attr::AVL)) | kData);
  } else {
    segment.limit = 0xffff;
    segment.attributes = kData;
  }
  segment.update_window();
}

Result<void> load_segment(Cpu& cpu, Seg segment, u16 value) {
  CpuState& state = cpu.state;
  SegmentRegister& target = state.segment(segment);
  if (state.real_or_v86()) {
    set_real_segment(target, value, state.v86());
  } else {
    const Selector selector{value};
    if (selector.is_null()) {
      // 64-bit code below ring 3 may run on a null SS: interrupt delivery leaves it so.
      const bool allowed = segment != Seg::SS ||
                           (cpu.code64() && state.cpl != 3 && selector.rpl() == state.cpl);
      if (!allowed) return gp();
      target = null_segment(value);
    } else if (segment != Seg::SS) {
      return load_data_segment(cpu, segment, selector);
    } else {
      DOPPEL_TRY(const DescriptorRef ref, check_stack_segment(cpu, selector));
      DOPPEL_TRY(mark_accessed(cpu, ref));
      target = make_segment(selector, ref.descriptor);
    }
  }
  if (segment == Seg::SS) {
    cpu.update_mode();
  } else {
    cpu.update_segment(segment);
  }
  return {};
}

}  // namespace doppel::cpu
