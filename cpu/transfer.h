#pragma once

// Steps that far transfers, returns and interrupt delivery have in common.

#include "cpu/cpu.h"
#include "cpu/segmentation.h"

namespace doppel::cpu {

/// True if this code segment's program is 64-bit code.
inline bool is_code64(const Cpu& cpu, const Descriptor& code) {
  return cpu.state.long_mode() && (code.attributes() & attr::L) != 0;
}

/// Is `offset` a place one can go to in this code segment?
/// @errors #GP(error_code): beyond the limit, or non-canonical in 64-bit code.
Result<void> check_code_offset(const Cpu& cpu, const Descriptor& code, u64 offset, u32 error_code = 0);

/// Loads CS with its RPL replaced by `cpl`, CPL and RIP. The caller sets SS and calls update_mode().
void enter_code(Cpu& cpu, Selector selector, const Descriptor& code, u64 offset, unsigned cpl);

/// A code segment to return to (RETF, IRET). @errors #GP, #NP with the selector; #PF
Result<DescriptorRef> check_return_code(Cpu& cpu, Selector selector);
/// The stack that belongs to it; `code` is the descriptor of the code returned to.
/// @errors #GP, #SS with the selector; #PF
Result<SegmentRegister> check_return_stack(Cpu& cpu, Selector selector, unsigned cpl,
                                           const Descriptor& code);
/// After a return to an outer level: data segments that the program may not keep become null.
void drop_inner_segments(Cpu& cpu);

}  // namespace doppel::cpu
