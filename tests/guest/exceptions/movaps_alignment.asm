; Misaligned SSE operands are #GP(0) in every ring; MOVUPS does not mind. Segment faults come first.
; mode:   long64
; source: Intel SDM Vol. 2A, "Exception Classification" (Type 1)
; expect: log=3 log[0]=#GP(0)@load log[1]=#GP(0)@store log[2]=#GP(0)@arithmetic xmm0=0x1111111111111111
%include "long64.inc"
        install_handlers64
        mov   rax, 0x1111111111111111
        mov   [SCRATCH + 8], rax
        movups xmm0, [SCRATCH + 8]
        try   after
load:   movaps xmm0, [SCRATCH + 4]
after:  try   after_store
store:  movntdq [SCRATCH + 1], xmm0
after_store:
        try   done
arithmetic:
        addps xmm0, [SCRATCH + 8]
done:   hlt
