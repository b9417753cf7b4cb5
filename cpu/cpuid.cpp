// CPUID.
//
// Feature bits come from the model and cpu/features.inc alone; this file adds what is no feature:
// names, sizes, caches, counters, and the bits that mirror the present state.
//
// @source Intel SDM Vol. 2A, "CPUID"

#include "cpu/cpuid.h"

#include <algorithm>
#include <cstring>

namespace doppel::cpu {
namespace {

enum Register : u8 { EAX, EBX, ECX, EDX };

struct FeatureRow {
  Feature feature;
  u32 leaf;
  u32 subleaf;
  Register reg;
  u8 bit;
};
constexpr FeatureRow kFeatures[] = {
#define FEATURE(name, leaf, subleaf, reg, bit) {Feature::name, leaf, subleaf, reg, bit},
#include "cpu/features.inc"
#undef FEATURE
};

constexpr u32 kHypervisorFirst = 0x4000'0000, kHypervisorLast = 0x4000'0010;
constexpr u32 kExtendedFirst = 0x8000'0000;
constexpr u32 kOsxsave = 1u << 27, kOspke = 1u << 4;
constexpr u32 kCacheLine = 64;

void add_features(const CpuModel& model, u32 leaf, u32 subleaf, u32 out[4]) {
  for (const FeatureRow& row : kFeatures) {
    if (row.leaf == leaf && row.subleaf == subleaf && model.has(row.feature)) out[row.reg] |= 1u << row.bit;
  }
}

u32 word(const char* text) {
  u32 value;
  std::memcpy(&value, text, sizeof value);
  return value;
}

/// Family, model and stepping as leaf 1 packs them.
u32 signature(const CpuModel& model) {
  const u32 family = std::min(model.family, 0xfu);
  const u32 extended_family = model.family - family;
  return model.stepping | (model.model & 0xf) << 4 | family << 8 | (model.model >> 4) << 16 |
         extended_family << 20;
}

void basic_leaf(const Cpu& cpu, u32 out[4]) {
  const CpuModel& model = cpu.model();
  char vendor[12] = {};
  std::memcpy(vendor, model.vendor.data(), std::min(model.vendor.size(), sizeof vendor));
  out[EAX] = model.max_leaf;
  out[EBX] = word(vendor);
  out[EDX] = word(vendor + 4);
  out[ECX] = word(vendor + 8);
}

void version_leaf(const Cpu& cpu, u32 out[4]) {
  out[EAX] = signature(cpu.model());
  if (cpu.has(Feature::clflush)) out[EBX] = kCacheLine / 8 << 8;
  if (cpu.has(Feature::apic)) out[EBX] |= 1u << 16;  // One processor, APIC id 0.
  if ((cpu.state.cr4 & cr4::OSXSAVE) != 0) out[ECX] |= kOsxsave;
}

/// Leaf 2: one byte a cache or TLB. Newer models point to leaf 4.
void cache_descriptor_leaf(const Cpu& cpu, u32 out[4]) {
  if (cpu.model().max_leaf >= 4) {
    out[EAX] = 0x035a'ff01;
    out[EDX] = 0x0000'00f0;
  } else {
    out[EAX] = 0x0302'0101;
    out[EDX] = 0x0c04'0843;
  }
}

/// Leaf 4: the caches of an ordinary processor, so that programs choose ordinary block sizes.
void cache_leaf(u32 subleaf, u32 out[4]) {
  struct Cache {
    u32 type, level, ways, sets;
  };
  constexpr Cache kCaches[] = {
      {1, 1, 8, 64},     // 32 KiB data
      {2, 1, 8, 64},     // 32 KiB instructions
      {3, 2, 8, 512},    // 256 KiB
      {3, 3, 16, 8192},  // 8 MiB
  };
  if (subleaf >= std::size(kCaches)) return;
  const Cache& cache = kCaches[subleaf];
  out[EAX] = cache.type | cache.level << 5 | 1u << 8;  // Self-initializing.
  out[EBX] = (kCacheLine - 1) | (cache.ways - 1) << 22;
  out[ECX] = cache.sets - 1;
}

u32 xsave_area(u64 components) {
  u32 size = kXsaveLegacyAndHeader;
  if ((components & xcr0::AVX) != 0) size = std::max(size, kXsaveAvxOffset + kXsaveAvxSize);
  if ((components & xcr0::PKRU) != 0) size = std::max(size, kXsavePkruOffset + kXsavePkruSize);
  return size;
}
u32 compacted_area(u64 components) {
  return kXsaveLegacyAndHeader + ((components & xcr0::AVX) != 0 ? kXsaveAvxSize : 0) +
         ((components & xcr0::PKRU) != 0 ? kXsavePkruSize : 0);
}

void xsave_leaf(const Cpu& cpu, u32 subleaf, u32 out[4]) {
  if (!cpu.has(Feature::xsave)) return;
  const u64 available = xcr0_bits(cpu.model());
  switch (subleaf) {
    case 0:
      out[EAX] = static_cast<u32>(available);
      out[EBX] = xsave_area(cpu.state.xcr0);
      out[ECX] = xsave_area(available);
      out[EDX] = static_cast<u32>(available >> 32);
      break;
    case 1:
      if (cpu.has(Feature::xsavec)) out[EBX] = compacted_area(cpu.state.xcr0);
      break;
    case 2:
      if ((available & xcr0::AVX) == 0) break;
      out[EAX] = kXsaveAvxSize;
      out[EBX] = kXsaveAvxOffset;
      break;
    case 9:
      if ((available & xcr0::PKRU) == 0) break;
      out[EAX] = kXsavePkruSize;
      out[EBX] = kXsavePkruOffset;
      break;
    default:
      break;
  }
}

/// Leaf 0BH: one thread, one core.
void topology_leaf(const Cpu& cpu, u32 subleaf, u32 out[4]) {
  if (!cpu.has(Feature::apic)) return;
  out[ECX] = subleaf & 0xff;
  if (subleaf > 1) return;
  out[EBX] = 1;
  out[ECX] |= (subleaf + 1) << 8;
}

void hypervisor_leaf(u32 leaf, u32 out[4]) {
  if (leaf == kHypervisorFirst) {
    constexpr char kSignature[] = "doppeldoppel";
    out[EAX] = kHypervisorLast;
    out[EBX] = word(kSignature);
    out[ECX] = word(kSignature + 4);
    out[EDX] = word(kSignature + 8);
  } else if (leaf == kHypervisorLast) {
    out[EAX] = out[EBX] = kTscHz / 1000;
  }
}

void brand_leaf(const Cpu& cpu, u32 leaf, u32 out[4]) {
  char brand[48] = {};
  const std::string& text = cpu.model().brand;
  std::memcpy(brand, text.data(), std::min(text.size(), sizeof brand - 1));
  std::memcpy(out, brand + (leaf - 0x8000'0002) * 16, 16);
}

void extended_leaf(const Cpu& cpu, u32 leaf, u32 out[4]) {
  switch (leaf) {
    case 0x8000'0000:
      out[EAX] = cpu.model().max_extended_leaf;
      break;
    case 0x8000'0001:
      // Intel's processors show SYSCALL to 64-bit code only, where alone it works.
      if (!cpu.code64()) out[EDX] &= ~(1u << 11);
      break;
    case 0x8000'0002:
    case 0x8000'0003:
    case 0x8000'0004:
      brand_leaf(cpu, leaf, out);
      break;
    case 0x8000'0006:
      out[ECX] = 256u << 16 | 6u << 12 | kCacheLine;  // L2: 256 KiB, 8 ways.
      break;
    case 0x8000'0008:
      out[EAX] = physical_bits(cpu.model()) | linear_bits(cpu.model()) << 8;
      break;
    default:
      break;
  }
}

}  // namespace

unsigned physical_bits(const CpuModel& model) {
  if (model.has(Feature::lm)) return kMaxPhysBits;
  return model.has(Feature::pae) || model.has(Feature::pse36) ? 36 : 32;
}

unsigned linear_bits(const CpuModel& model) {
  if (!model.has(Feature::lm)) return 32;
  return model.has(Feature::la57) ? 57 : 48;
}

u64 xcr0_bits(const CpuModel& model) {
  return xcr0::X87 | xcr0::SSE | (model.has(Feature::avx) ? xcr0::AVX : 0) |
         (model.has(Feature::pku) ? xcr0::PKRU : 0);
}

void cpuid(const Cpu& cpu, u32 leaf, u32 subleaf, u32 out[4]) {
  std::fill(out, out + 4, 0);
  const CpuModel& model = cpu.model();
  if (leaf >= kHypervisorFirst && leaf <= kHypervisorFirst + 0xff && cpu.has(Feature::hypervisor)) {
    hypervisor_leaf(leaf, out);
    return;
  }
  // Beyond the last leaf, Intel's processors repeat the last basic one.
  if (leaf >= kExtendedFirst ? leaf > model.max_extended_leaf && leaf != kExtendedFirst
                             : leaf > model.max_leaf) {
    leaf = model.max_leaf;
  }
  // Only these leaves look at ECX.
  const bool has_subleaves = leaf == 7 || leaf == 0xd;
  add_features(model, leaf, has_subleaves ? subleaf : 0, out);
  if (leaf >= kExtendedFirst) {
    extended_leaf(cpu, leaf, out);
    return;
  }
  switch (leaf) {
    case 0: basic_leaf(cpu, out); break;
    case 1: version_leaf(cpu, out); break;
    case 2: cache_descriptor_leaf(cpu, out); break;
    case 4: cache_leaf(subleaf, out); break;
    case 5:
      if (cpu.has(Feature::monitor)) out[EAX] = out[EBX] = kCacheLine;
      break;
    case 6:
      if (cpu.has(Feature::apic)) out[EAX] = 1u << 2;  // The APIC timer never stops.
      break;
    case 7:
      if (subleaf == 0 && (cpu.state.cr4 & cr4::PKE) != 0) out[ECX] |= kOspke;
      break;
    case 0xb: topology_leaf(cpu, subleaf, out); break;
    case 0xd: xsave_leaf(cpu, subleaf, out); break;
    case 0x15:
      // The counter runs at the crystal's rate: systems need not calibrate.
      out[EAX] = out[EBX] = 1;
      out[ECX] = kTscHz;
      break;
    case 0x16:
      out[EAX] = out[EBX] = kTscHz / 1'000'000;
      out[ECX] = 100;
      break;
    default:
      break;
  }
}

}  // namespace doppel::cpu
