#pragma once

// Which instructions a processor model has.
//
// Zydis sorts instructions into ISA sets; each set asks for features of the model. A set that is
// not listed here does not exist for any model.

#include <vector>

#include <Zydis/Zydis.h>

#include "cpu/cpu_model.h"

namespace doppel::cpu {

class FeatureGate {
 public:
  explicit FeatureGate(const CpuModel& model);
  bool allows(const ZydisDecodedInstruction& decoded) const;

 private:
  std::vector<bool> allowed_;
};

}  // namespace doppel::cpu
