#include "cpu/state.h"

namespace doppel::cpu {

void CpuState::serialize(Archive& archive) {
  archive(gpr, flags, system_flags, retired, seg, ldtr, tr, gdtr, idtr, cpl);
  archive(cr0, cr2, cr3, cr4, efer, xcr0, dr, pkru);
  archive(star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip);
  archive(pat, tsc_aux, misc_enable, debugctl, mtrr_def_type, mtrr_fixed, mtrr_variable, mcg_status);
  archive(halted, shutdown, interrupt_shadow, mov_ss_shadow, repeating, nmi_blocked, random, x87, ymm);
}

}  // namespace doppel::cpu
