; MONITOR and MWAIT: #UD outside ring 0, #GP(0) for extensions that are not there.
; mode:   long64
; source: Intel SDM Vol. 2, "MONITOR", "MWAIT"
; expect: log=4 log[0]=#UD@user_monitor,cs=0x3b log[1]=#UD@user_mwait log[2]=#GP(0)@extension log[3]=#GP(0)@hint ebx=1
%include "long64.inc"
        install_handlers64
        to_ring3_64
        xor   ecx, ecx
        xor   edx, edx
        mov   eax, SCRATCH
        try   after
user_monitor:
        monitor
after:  try   after_mwait
user_mwait:
        mwait
after_mwait:
        to_ring0
        mov   eax, SCRATCH
        mov   ecx, 1
        try   after_extension
extension:
        monitor
after_extension:
        xor   ecx, ecx
        xor   eax, eax
        mov   ecx, 8
        try   after_hint
hint:   mwait
after_hint:
        mov   ebx, 1
        hlt
