#pragma once

// What this host does with flags that the manual leaves undefined.
//
// doppel has one rule for each (cpu/flags.h), so that a run is the same on every host. Where the host's
// rule is another, translated code puts doppel's in place, if anybody could see the difference.

#include "cpu/base/types.h"
#include "cpu/instruction.h"

namespace doppel::jit {

/// What must be done about an instruction.
enum class FlagRepair : u8 {
  None,
  ClearAdjust,             ///< AF must be 0: shifts by a constant.
  ClearAdjustUnlessZero,   ///< As above, where the count in CL is not 0.
  Product,                 ///< SF ZF PF of the low half, AF 0; CF and OF stay: MUL, IMUL.
  Restore,                 ///< All as before: DIV, IDIV.
  TestSource,              ///< As after TEST source, source: BSF, BSR.
  TestCount,               ///< As after TEST result, result, but CF stays: TZCNT, LZCNT.
  TestResult,              ///< As after TEST result, result: BEXTR.
};

class HostFlags {
 public:
  /// Runs a few instructions of each kind on this host and compares.
  static HostFlags probe();
  FlagRepair repair_of(const cpu::Instruction& insn) const;

 private:
  bool shift_ = true;  ///< The host agrees about shifts; and so on.
  bool product_ = true;
  bool quotient_ = true;
  bool scan_ = true;
  bool count_zeros_ = true;
  bool extract_ = true;
};

}  // namespace doppel::jit
