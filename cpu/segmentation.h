#pragma once

// Loading segment registers, and control transfers that change CS.
// @source Intel SDM Vol. 3A, "Protected-Mode Memory Management", "Protection"

#include "cpu/cpu.h"

namespace doppel::cpu {

/// MOV/POP/LxS into ES, SS, DS, FS or GS in the present mode: real and virtual-8086 loads, protected
/// checks, accessed bit. @errors #GP, #NP, #SS with the selector, #PF
Result<void> load_segment(Cpu& cpu, Seg segment, u16 selector);

/// Reads the descriptor behind a selector from the GDT or LDT; 16 bytes where `wide`.
/// @errors `fault_vector`(selector) if the selector lies outside its table; #PF
struct DescriptorRef {
  Descriptor descriptor;
  LinearAddr address;
};
Result<DescriptorRef> read_descriptor(Cpu& cpu, Selector selector, Vector fault_vector, bool wide = false);
/// Sets the accessed bit of a code or data descriptor in memory if it is clear.
Result<void> mark_accessed(Cpu& cpu, const DescriptorRef& ref);
/// The hidden part from a descriptor.
SegmentRegister make_segment(Selector selector, const Descriptor& descriptor);
/// What a real or virtual-8086 mode load gives.
void set_real_segment(SegmentRegister& segment, u16 selector, bool v86);

/// JMP, CALL and RET far, through descriptors, gates and tasks; `width` is the operand size in bytes.
Result<void> far_jump(Cpu& cpu, u16 selector, u64 offset, unsigned width);
Result<void> far_call(Cpu& cpu, u16 selector, u64 offset, unsigned width);
Result<void> far_return(Cpu& cpu, unsigned width, u16 release_bytes);

}  // namespace doppel::cpu
