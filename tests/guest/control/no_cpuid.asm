; A processor without CPUID: EFLAGS.ID stays, the instruction is #UD; neither CR4 nor RDTSC exists.
; mode:   protected32
; cpu:    486,-fpu
; source: Intel SDM Vol. 1, "EFLAGS Register", ID flag; Vol. 2, "RDTSC"
; expect: log=2 log[0]=#UD@rdtsc_ log[1]=#UD@rdmsr_
%include "protected32.inc"
        install_handlers32
        try   after
rdtsc_: rdtsc
after:  try   done
rdmsr_: rdmsr
done:   hlt
