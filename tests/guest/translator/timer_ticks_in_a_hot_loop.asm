; A timer that fires at chosen times finds a hot loop at exactly these times: the counter read first
; thing in the handler is always as far past the deadline.
; mode:   protected32
; devices: board
; limit:  5000000
; source: Intel SDM Vol. 3A, "TSC-Deadline Mode"
; expect: edi=200 mem[RESULT]=dword:0 mem[RESULT+8]=dword:1
%include "protected32.inc"
        install_handlers32
        enable_apic
        set_gate32 0x3a, CODE32, tick, 0x8e
        mov   dword [APIC + 0x320], 0x3a | 2 << 17
        mfence
        mov   dword [RESULT], 0         ; How often the distance was another one.
        mov   dword [RESULT + 4], -1    ; The distance.
        mov   dword [RESULT + 8], 0
        xor   edi, edi
        call  arm
        sti
        xor   ebx, ebx
        xor   ebp, ebp
spin:   add   ebx, 3
        cmp   ebx, ebp
        lea   ebp, [ebp + ebx]
        rol   ebp, 3
        cmp   edi, 200
        jb    spin
        cli
        hlt
tick:   rdtsc
        sub   eax, esi
        cmp   dword [RESULT + 4], -1
        jne   known
        mov   [RESULT + 4], eax
        inc   dword [RESULT + 8]
known:  cmp   [RESULT + 4], eax
        je    same
        inc   dword [RESULT]
same:   inc   edi
        call  arm
        mov   dword [APIC + 0xb0], 0
        iretd
arm:    rdtsc
        imul  ecx, edi, 7
        lea   eax, [eax + ecx + 900]
        mov   esi, eax
        mov   ecx, 0x6e0
        wrmsr
        ret
