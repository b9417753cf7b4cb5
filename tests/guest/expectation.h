#pragma once

// What a guest test expects of the state it ends in.
//
//   rax=0x6 eax=-1 rip=label+2    registers; 32-bit names compare the lower half
//   rflags=ZF|PF                  the six arithmetic flags exactly, of the others those named are
//   set rflags!=IF|TF                 these are clear cs=0x08 cs.base=0 cs.limit=0xffff tr=0x58
//   ldtr=0 cpl=3 cr0=0x1/0x80000001            value / mask, anywhere efer dr0-dr7 pkru xcr0 mxcsr
//   fcw fsw xmm0 (low half) xmm0.high st0 (mantissa) st0.exponent mem[0x5000]=dword:0x63
//   guest-physical memory; mem[label+4] too log=2                         how many exceptions and
//   interrupts handlers saw
//   log[0]=#PF(0x6)@label,cr2=0x5000,cs=0x1b,flags=RF,clear=IF,dr6=..,ss=..,sp=..,frame=..
//   log[1]=0x20                   an interrupt; without (code) an exception must have none
//   shutdown                      the program ends in a triple fault instead of HLT

#include <functional>
#include <string>
#include <vector>

#include "cpu/state.h"
#include "tests/guest/program.h"

namespace doppel::guest {

/// How a program ended.
struct Outcome {
  enum class Ending : u8 { Halted, Shutdown, LimitReached, OutsideMemory, Failed };
  Ending ending = Ending::Failed;
  std::string story;  ///< For a shutdown or failure: what led to it.
  cpu::CpuState state;
  std::function<u64(u64 address, unsigned size_bytes)> memory;
};

/// Each difference as a sentence; empty if there is none.
std::vector<std::string> compare(const Program& program, const Outcome& outcome);

}  // namespace doppel::guest
