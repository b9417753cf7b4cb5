#pragma once

// What `-cpu` offers: a set of features, and the identity CPUID shows.
//
// CPUID never promises what is not there, and what it does not promise raises #UD: both read this.

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

/// Features under their /proc/cpuinfo names; rows of features.inc are FEATURE(name, leaf, subleaf, register, bit).
enum class Feature : u8 {
#define FEATURE(name, leaf, subleaf, reg, bit) name,
#include "cpu/features.inc"
#undef FEATURE
  kCount
};

class CpuModel {
 public:
  /// "486", "pentium", "pentium3", "x86-64-v1", "x86-64-v2", "x86-64-v3", "max", with ",+feature,-feature".
  /// @errors a sentence that names the unknown model or feature.
  static Result<CpuModel, Error> parse(std::string_view text);
  static std::vector<std::string> names();
  static std::vector<std::string> feature_names();

  bool has(Feature feature) const { return features_[static_cast<size_t>(feature)]; }
  void set(Feature feature, bool on) { features_[static_cast<size_t>(feature)] = on; }
  const std::string& name() const { return name_; }

  unsigned family = 6, model = 0, stepping = 0;
  std::string vendor = "GenuineIntel";
  std::string brand;
  u32 max_leaf = 0xd;
  u32 max_extended_leaf = 0x8000'0008;
  /// A 486 of the first kind has no CPUID at all (then EFLAGS.ID does not toggle).
  bool has_cpuid = true;

 private:
  std::string name_;
  std::bitset<static_cast<size_t>(Feature::kCount)> features_;
};

}  // namespace doppel::cpu
