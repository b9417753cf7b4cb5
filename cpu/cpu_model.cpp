// The models, and how `-cpu name,+feature,-feature` is read.
//
// A model is a list of features and the identity that goes with it. Features build on each other
// (AVX2 on AVX on XSAVE): adding one adds what it needs, removing one removes what needed it, so
// that CPUID never shows a set that no processor could have.

#include "cpu/cpu_model.h"

#include <algorithm>
#include <span>

namespace doppel::cpu {
namespace {

using enum Feature;

struct FeatureName {
  Feature feature;
  std::string_view name;
  u32 leaf;
};
constexpr FeatureName kNames[] = {
#define FEATURE(name, leaf, subleaf, reg, bit) {Feature::name, #name, leaf},
#include "cpu/features.inc"
#undef FEATURE
};

// Each list adds to the one before.
constexpr Feature k486[] = {fpu};
constexpr Feature kPentium[] = {vme, de, pse, tsc, msr, mce, cx8, apic};
constexpr Feature kPentium3[] = {pae, sep, mtrr, pge, mca, cmov, pat, pse36, mmx, fxsr, sse};
// psABI x86-64-v1, and what every 64-bit processor has besides.
constexpr Feature kV1[] = {clflush, sse2, syscall, nx, lm, lahf_lm, constant_tsc, hypervisor};
constexpr Feature kV2[] = {sse3,   ssse3,  sse4_1,       sse4_2,     cx16, popcnt,
                           rdtscp, x2apic, tsc_deadline, tsc_adjust, pcid};
constexpr Feature kV3[] = {xsave, xsaveopt, avx, avx2, bmi1, bmi2, f16c, fma, lzcnt, movbe, aes, pclmulqdq,
                           rdrand, fsgsbase, smep, erms, invpcid, pdpe1gb};

/// A feature and what it cannot be without.
struct Need {
  Feature feature;
  Feature needed;
};
constexpr Need kNeeds[] = {
    {mce, msr},        {mca, mce},         {mtrr, msr},       {pat, mtrr},       {sep, msr},
    {sse, fxsr},       {fxsr, fpu},        {mmx, fpu},        {sse2, sse},       {sse3, sse2},
    {ssse3, sse3},     {sse4_1, ssse3},    {sse4_2, sse4_1},  {aes, sse2},       {pclmulqdq, sse2},
    {xsave, fxsr},     {xsaveopt, xsave},  {xsavec, xsave},   {xgetbv1, xsave},  {avx, xsave},
    {avx, sse4_2},     {avx2, avx},        {fma, avx},        {f16c, avx},       {lm, pae},
    {syscall, msr},    {nx, pae},          {lm, syscall},
    {lm, nx},          {lm, sse2},         {lm, cmov},        {lm, clflush},     {cx16, lm},
    {lahf_lm, lm},     {pdpe1gb, lm},      {la57, lm},        {pcid, lm},        {invpcid, pcid},
    {fsgsbase, lm},    {rdtscp, tsc},      {tsc_adjust, tsc}, {tsc_deadline, apic}, {x2apic, apic},
    {constant_tsc, tsc}, {pku, lm},        {pku, xsave},      {pcid, pge},       {pae, pse},
    {clflushopt, clflush},
};

enum class Level : u8 { I486, Pentium, Pentium3, V1, V2, V3, Max };

struct ModelRow {
  std::string_view name;
  Level level;
  unsigned family, model, stepping;
  u32 max_leaf, max_extended_leaf;
  std::string_view brand;
};
// The 64-bit models carry an identity of the in-order Atom (6, 1CH): systems know that processor as one
// that does not speculate, as doppel does not, and leave out costly mitigations.
constexpr ModelRow kModels[] = {
    {"486", Level::I486, 4, 8, 0, 1, 0, ""},
    {"pentium", Level::Pentium, 5, 2, 12, 1, 0, ""},
    {"pentium3", Level::Pentium3, 6, 8, 6, 2, 0x8000'0004, "doppel Pentium III processor"},
    {"x86-64-v1", Level::V1, 6, 0x1c, 10, 0xb, 0x8000'0008, "doppel processor, x86-64-v1"},
    {"x86-64-v2", Level::V2, 6, 0x1c, 10, 0x16, 0x8000'0008, "doppel processor, x86-64-v2"},
    {"x86-64-v3", Level::V3, 6, 0x1c, 10, 0x16, 0x8000'0008, "doppel processor, x86-64-v3"},
    {"max", Level::Max, 6, 0x1c, 10, 0x16, 0x8000'0008, "doppel processor"},
};

std::span<const Feature> features_of(Level level) {
  switch (level) {
    case Level::I486: return k486;
    case Level::Pentium: return kPentium;
    case Level::Pentium3: return kPentium3;
    case Level::V1: return kV1;
    case Level::V2: return kV2;
    case Level::V3: return kV3;
    case Level::Max: break;
  }
  return {};
}

/// Adds a feature with everything it needs.
void add(CpuModel& model, Feature feature) {
  if (model.has(feature)) return;
  model.set(feature, true);
  for (const Need& need : kNeeds) {
    if (need.feature == feature) add(model, need.needed);
  }
}

/// Removes a feature with everything that needs it.
void remove(CpuModel& model, Feature feature) {
  if (!model.has(feature)) return;
  model.set(feature, false);
  for (const Need& need : kNeeds) {
    if (need.needed == feature) remove(model, need.feature);
  }
}

const Feature* find_feature(std::string_view name) {
  for (const FeatureName& row : kNames) {
    if (row.name == name) return &row.feature;
  }
  return nullptr;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& one : words) text += (text.empty() ? "" : ", ") + one;
  return text;
}

/// "+name", "-name", "name=on", "name=off", "name". @errors a sentence
Result<void, Error> apply_change(CpuModel& model, std::string_view change) {
  bool on = true;
  std::string_view name = change;
  if (name.starts_with('+') || name.starts_with('-')) {
    on = name.starts_with('+');
    name.remove_prefix(1);
  } else if (const size_t equals = name.find('='); equals != std::string_view::npos) {
    const std::string_view value = name.substr(equals + 1);
    if (value != "on" && value != "off") {
      return Error{"-cpu: '" + std::string(change) + "' must end in =on or =off"};
    }
    on = value == "on";
    name = name.substr(0, equals);
  }
  std::string spelled(name);
  for (char& c : spelled) {
    if (c == '-' || c == '.') c = '_';
  }
  const Feature* feature = find_feature(spelled);
  if (feature == nullptr) {
    return Error{"-cpu: unknown feature '" + std::string(name) + "'; known: " +
                 list_of(CpuModel::feature_names())};
  }
  if (on) {
    add(model, *feature);
  } else {
    remove(model, *feature);
  }
  return {};
}

}  // namespace

Result<CpuModel, Error> CpuModel::parse(std::string_view text) {
  const size_t comma = text.find(',');
  const std::string_view name = text.substr(0, comma);
  const ModelRow* row = nullptr;
  for (const ModelRow& candidate : kModels) {
    if (candidate.name == name) row = &candidate;
  }
  if (row == nullptr) {
    return Error{"-cpu: unknown model '" + std::string(name) + "'; known: " + list_of(names())};
  }
  CpuModel model;
  model.name_ = row->name;
  model.family = row->family;
  model.model = row->model;
  model.stepping = row->stepping;
  model.brand = row->brand;
  model.max_leaf = row->max_leaf;
  model.max_extended_leaf = row->max_extended_leaf;
  if (row->level == Level::Max) {
    // LA57 costs a level of every walk: it is there for those who ask.
    for (const FeatureName& feature : kNames) model.set(feature.feature, feature.feature != la57);
  } else {
    for (u8 level = 0; level <= static_cast<u8>(row->level); ++level) {
      for (const Feature feature : features_of(static_cast<Level>(level))) model.set(feature, true);
    }
  }

  std::string_view rest = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  while (!rest.empty()) {
    const size_t end = rest.find(',');
    const std::string_view change = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (change.empty()) continue;
    const Result<void, Error> applied = apply_change(model, change);
    if (!applied.ok()) return applied.error();
  }
  // A feature must be findable: CPUID reaches at least to its leaf.
  for (const FeatureName& feature : kNames) {
    if (!model.has(feature.feature)) continue;
    u32& last = feature.leaf >= 0x8000'0000 ? model.max_extended_leaf : model.max_leaf;
    last = std::max(last, feature.leaf);
  }
  return model;
}

std::vector<std::string> CpuModel::names() {
  std::vector<std::string> result;
  for (const ModelRow& row : kModels) result.emplace_back(row.name);
  return result;
}

std::vector<std::string> CpuModel::feature_names() {
  std::vector<std::string> result;
  for (const FeatureName& row : kNames) result.emplace_back(row.name);
  return result;
}

}  // namespace doppel::cpu
