#include "cpu/feature_gate.h"

namespace doppel::cpu {

FeatureGate::FeatureGate(const CpuModel& model) : allowed_(ZYDIS_ISA_SET_MAX_VALUE + 1, false) {
  const auto allow = [&](ZydisISASet set, bool on) { allowed_[static_cast<size_t>(set)] = on; };
  const auto has = [&](Feature feature) { return model.has(feature); };

  for (const ZydisISASet set :
       {ZYDIS_ISA_SET_I86, ZYDIS_ISA_SET_I186, ZYDIS_ISA_SET_I286PROTECTED, ZYDIS_ISA_SET_I286REAL,
        ZYDIS_ISA_SET_I386, ZYDIS_ISA_SET_I486, ZYDIS_ISA_SET_I486REAL}) {
    allow(set, true);
  }
  allow(ZYDIS_ISA_SET_X87, has(Feature::fpu));
  // CPUID, RDMSR, WRMSR, RDTSC, CMPXCHG8B; the handlers look at the single features.
  allow(ZYDIS_ISA_SET_PENTIUMREAL, true);
  allow(ZYDIS_ISA_SET_PENTIUMMMX, has(Feature::mmx));
  // UD2, hints and multi-byte NOPs came with the Pentium Pro.
  allow(ZYDIS_ISA_SET_PPRO, model.family >= 6);
  allow(ZYDIS_ISA_SET_FAT_NOP, model.family >= 6);
  allow(ZYDIS_ISA_SET_PREFETCH_NOP, model.family >= 6);
  allow(ZYDIS_ISA_SET_RDPMC, has(Feature::mmx));
  allow(ZYDIS_ISA_SET_CMOV, has(Feature::cmov));
  allow(ZYDIS_ISA_SET_FCMOV, has(Feature::cmov) && has(Feature::fpu));
  allow(ZYDIS_ISA_SET_FXSAVE, has(Feature::fxsr));
  allow(ZYDIS_ISA_SET_FXSAVE64, has(Feature::fxsr));
  allow(ZYDIS_ISA_SET_SSE, has(Feature::sse));
  allow(ZYDIS_ISA_SET_SSEMXCSR, has(Feature::sse));
  allow(ZYDIS_ISA_SET_SSE_PREFETCH, has(Feature::sse));
  allow(ZYDIS_ISA_SET_SSE2, has(Feature::sse2));
  allow(ZYDIS_ISA_SET_SSE2MMX, has(Feature::sse2));
  allow(ZYDIS_ISA_SET_CLFSH, has(Feature::clflush));
  allow(ZYDIS_ISA_SET_CLFLUSHOPT, has(Feature::clflushopt));
  allow(ZYDIS_ISA_SET_PAUSE, true);
  allow(ZYDIS_ISA_SET_SSE3, has(Feature::sse3));
  allow(ZYDIS_ISA_SET_SSE3X87, has(Feature::sse3));
  allow(ZYDIS_ISA_SET_MONITOR, has(Feature::monitor));
  allow(ZYDIS_ISA_SET_SSSE3, has(Feature::ssse3));
  allow(ZYDIS_ISA_SET_SSSE3MMX, has(Feature::ssse3));
  allow(ZYDIS_ISA_SET_SSE4, has(Feature::sse4_1));
  allow(ZYDIS_ISA_SET_SSE42, has(Feature::sse4_2));
  allow(ZYDIS_ISA_SET_POPCNT, has(Feature::popcnt));
  allow(ZYDIS_ISA_SET_AES, has(Feature::aes));
  allow(ZYDIS_ISA_SET_PCLMULQDQ, has(Feature::pclmulqdq));
  allow(ZYDIS_ISA_SET_CMPXCHG16B, has(Feature::cx16));
  allow(ZYDIS_ISA_SET_MOVBE, has(Feature::movbe));
  allow(ZYDIS_ISA_SET_XSAVE, has(Feature::xsave));
  allow(ZYDIS_ISA_SET_XSAVEOPT, has(Feature::xsaveopt));
  allow(ZYDIS_ISA_SET_XSAVEC, has(Feature::xsavec));
  allow(ZYDIS_ISA_SET_AVX, has(Feature::avx));
  allow(ZYDIS_ISA_SET_AVXAES, has(Feature::avx) && has(Feature::aes));
  allow(ZYDIS_ISA_SET_AVX2, has(Feature::avx2));
  allow(ZYDIS_ISA_SET_AVX2GATHER, has(Feature::avx2));
  allow(ZYDIS_ISA_SET_FMA, has(Feature::fma));
  allow(ZYDIS_ISA_SET_F16C, has(Feature::f16c));
  allow(ZYDIS_ISA_SET_BMI1, has(Feature::bmi1));
  allow(ZYDIS_ISA_SET_BMI2, has(Feature::bmi2));
  allow(ZYDIS_ISA_SET_LZCNT, has(Feature::lzcnt));
  allow(ZYDIS_ISA_SET_ADOX_ADCX, has(Feature::adx));
  allow(ZYDIS_ISA_SET_RDRAND, has(Feature::rdrand));
  allow(ZYDIS_ISA_SET_RDSEED, has(Feature::rdseed));
  allow(ZYDIS_ISA_SET_RDWRFSGS, has(Feature::fsgsbase));
  allow(ZYDIS_ISA_SET_RDTSCP, has(Feature::rdtscp));
  allow(ZYDIS_ISA_SET_RDPID, has(Feature::rdpid));
  allow(ZYDIS_ISA_SET_INVPCID, has(Feature::invpcid));
  allow(ZYDIS_ISA_SET_SMAP, has(Feature::smap));
  allow(ZYDIS_ISA_SET_PKU, has(Feature::pku));
  allow(ZYDIS_ISA_SET_LONGMODE, has(Feature::lm));
  allow(ZYDIS_ISA_SET_LAHF, true);
  allow(ZYDIS_ISA_SET_AMD3DNOW, false);
}

bool FeatureGate::allows(const ZydisDecodedInstruction& decoded) const {
  if (decoded.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
      decoded.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
    return false;
  }
  return allowed_[static_cast<size_t>(decoded.meta.isa_set)];
}

}  // namespace doppel::cpu
