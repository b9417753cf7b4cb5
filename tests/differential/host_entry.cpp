// The few instructions that no compiler may write: between the segments of a test and those of C.
//
// While a test runs, FS does not point to thread-local storage and RFLAGS may hold AC or NT, so not
// one line of C++ may run before they are put right.

#include "tests/differential/host_entry.h"

#include <cstddef>

extern "C" {
doppel::differential::HostEntry doppel_host_entry;
}

static_assert(offsetof(doppel::differential::HostEntry, load_bases) == 40);
static_assert(offsetof(doppel::differential::HostEntry, ds) == 48);
static_assert(offsetof(doppel::differential::HostEntry, saved_rsp) == 56);

asm(R"(
    .text
    .globl doppel_host_enter
    .type doppel_host_enter, @function
doppel_host_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    lea doppel_host_entry(%rip), %rdx
    mov %rsp, 56(%rdx)
    movw 48(%rdx), %ds
    movw 50(%rdx), %es
    movw 52(%rdx), %fs
    movw 54(%rdx), %gs
    cmpq $0, 40(%rdx)
    je 1f
    mov 24(%rdx), %rax
    wrfsbase %rax
    mov 32(%rdx), %rax
    wrgsbase %rax
1:  mov 0(%rdx), %rsp
    mov $15, %eax
    syscall
    hlt

    .globl doppel_host_leave
    .type doppel_host_leave, @function
doppel_host_leave:
    mov doppel_host_entry+56(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    cld
    ret

    .globl doppel_host_signal
    .type doppel_host_signal, @function
doppel_host_signal:
    pushfq
    andq $~0x244500, (%rsp)
    popfq
    lea doppel_host_entry(%rip), %rcx
    movw %ds, 48(%rcx)
    movw %es, 50(%rcx)
    movw %fs, 52(%rcx)
    movw %gs, 54(%rcx)
    rdfsbase %rax
    mov %rax, 24(%rcx)
    rdgsbase %rax
    mov %rax, 32(%rcx)
    xor %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    mov 8(%rcx), %rax
    wrfsbase %rax
    mov 16(%rcx), %rax
    wrgsbase %rax
    jmp doppel_host_caught
)");
