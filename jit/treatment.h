#pragma once

// What becomes of a guest instruction in translated code.

#include "cpu/base/types.h"

namespace doppel::jit {

/// What becomes of an instruction.
enum class Treatment : u8 {
  Nothing,    ///< No effect here: NOP, prefetches, fences.
  Identical,  ///< The same instruction, operands replaced.
  Address,    ///< LEA.
  BitString,  ///< BT, BTS, BTR and BTC with a register's bit of a string in memory.
  ExchangePair,  ///< CMPXCHG8B and CMPXCHG16B.
  Push,
  Pop,
  Leave,
  String,     ///< MOVS, STOS, LODS, CMPS, SCAS, without repetition.
  RepeatString,  ///< MOVS and STOS with REP: as Callout, where it is more than one stretch of plain memory.
  Direction,  ///< CLD and STD.
  ReadSelector,  ///< MOV from a segment register to a general one.
  ReadControl,   ///< MOV from CR0, CR2 or CR3 with CPL 0.
  ReadSystem,    ///< RDTSC, RDTSCP, RDPKRU, RDFSBASE, RDGSBASE: as Callout, where they are not allowed.
  LoadSegment,   ///< MOV or POP into DS, ES, FS or GS in 32-bit code: as Callout, where nothing is known of the load.
  PushFlags,  ///< PUSHF with CPL 0.
  PopFlags,   ///< POPF with CPL 0: as Callout, where it changes more than IF, DF and the arithmetic flags.
  ClearInterrupts,  ///< CLI with CPL 0.
  SetInterrupts,    ///< STI with CPL 0: as Callout, where an interrupt waits.
  SwapGs,     ///< With CPL 0.
  Jump,       ///< Near JMP.
  JumpIf,     ///< Jcc.
  Count,      ///< LOOP, LOOPE, LOOPNE, JCXZ ...
  Call,
  Return,
  Callout,    ///< Its handler is called; translated code goes on behind it.
  Interpret,  ///< Translated code is left before it.
};

/// Its handler may be called.
constexpr bool calls_out(Treatment treatment) {
  return treatment == Treatment::Callout || treatment == Treatment::SetInterrupts || treatment == Treatment::PopFlags ||
         treatment == Treatment::LoadSegment || treatment == Treatment::ReadSystem || treatment == Treatment::RepeatString;
}

}  // namespace doppel::jit
