#include "jit/mode.h"

#include <array>

#include "cpu/interpreter/fpu_checks.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::jit {
namespace {

using cpu::CpuState;

using cpu::SegmentRegister;

constexpr SegmentShape shape_of(unsigned kind, bool is_cs) {
  using namespace cpu::segment_kind;
  const u8 needed = kFromZero | (is_cs ? kReadable : kWritable);
  if ((kind & needed) != needed) return SegmentShape::Other;
  if ((kind & kTo4GiB) != 0) return (kind & kBaseIsZero) != 0 ? SegmentShape::Flat : SegmentShape::Based;
  return (kind & kTo64KiB) != 0 ? SegmentShape::Small : SegmentShape::Other;
}

using ShapesByKind = std::array<u8, cpu::segment_kind::kCount>;
constexpr ShapesByKind shapes(bool is_cs) {
  ShapesByKind all{};
  for (unsigned kind = 0; kind < all.size(); ++kind) all[kind] = static_cast<u8>(shape_of(kind, is_cs));
  return all;
}
constexpr ShapesByKind kCodeShapes = shapes(true), kDataShapes = shapes(false);

constexpr u16 kX87Masks = cpu::fsw::kExceptions;
constexpr u32 kSseMasks = 0x1f80;

/// No exception can come of the unit's instructions. With one unmasked, the interpreter runs them.
bool x87_is_quiet(const CpuState& state) {
  return (state.x87.fcw & kX87Masks) == kX87Masks && (state.x87.fsw & cpu::fsw::ES) == 0;
}
bool sse_is_quiet(const CpuState& state) { return (state.x87.mxcsr & kSseMasks) == kSseMasks; }

}  // namespace

u64 Mode::float_controls(const cpu::Cpu& cpu) {
  const cpu::X87State& x87 = cpu.state.x87;
  return u64{x87.mxcsr & kSseMasks} << 32 | u32{static_cast<u16>(x87.fsw & cpu::fsw::ES)} << 16 | (x87.fcw & kX87Masks);
}

Mode Mode::of(const cpu::Cpu& cpu) {
  const CpuState& state = cpu.state;
  u32 key = cpu.mode_key();
  key |= static_cast<u32>(cpu.mmu.active_class()) << kPrivilege;
  const bool never_filled = cpu.mmu.active_class() == mmu::Mmu::PrivilegeClass::NeverFilled;
  bool never = never_filled;
  if (state.cpl == 0) key |= 1u << kRing0;
  if (state.cpl == 0 && !never_filled && (state.cr4 & cr4::SMAP) != 0) key |= 1u << kSmap;
  if (cpu.stack_mask() != 0xffff) key |= 1u << kWideStack;
  const bool available = (state.cr0 & cr0::TS) == 0;
  const bool emulated = (state.cr0 & cr0::EM) != 0;
  if (available && !emulated && x87_is_quiet(state)) key |= 1u << kX87;
  if (available && sse_is_quiet(state)) {
    if (!emulated && (state.cr4 & cr4::OSFXSR) != 0) key |= 1u << kSse;
    constexpr u64 kBoth = xcr0::SSE | xcr0::AVX;
    const bool enabled = (state.cr4 & cr4::OSXSAVE) != 0 && (state.xcr0 & kBoth) == kBoth;
    if (enabled && !state.real_or_v86()) key |= 1u << kAvx;
  }
  if (cpu.code64()) {
    key |= 1u << kFlatCode;
  } else {
    const SegmentRegister& cs = state.segment(Seg::CS);
    if (cs.base == 0) key |= 1u << kFlatCode;
    const bool whole = cs.limit == 0xffff'ffff || (!cs.big() && cs.limit >= 0xffff);
    never = never || !whole;
    for (unsigned i = 0; i < kSegCount; ++i) {
      if (Mode(key).checks_bound(static_cast<Seg>(i))) continue;
      const ShapesByKind& by_kind = i == static_cast<unsigned>(Seg::CS) ? kCodeShapes : kDataShapes;
      key |= u32{by_kind[cpu.segment_kind(i)]} << (kShapes + 2 * i);
    }
  }
  if (never) key |= 1u << kNever;
  return Mode(key);
}

}  // namespace doppel::jit
