// XSAVE, XSAVEOPT, XSAVEC and XRSTOR: the state of several units at once.
//
//     0  legacy region (fpu_image.h)      512  header: XSTATE_BV, XCOMP_BV, zeros
//   576  the other components: at fixed places in the standard form, packed in the compacted form
//
// Whether a component is "in use" decides what XSAVEOPT writes, and XSTATE_BV. Processors may
// track it as they like; here it is a matter of the values alone, so that equal machines save
// equal bytes. XSAVEOPT's other optimisation, leaving out what has not changed since the last
// XRSTOR, is never made.
// @source Intel SDM Vol. 1, "Managing State Using the XSAVE Feature Set"

#include <algorithm>
#include <cstring>

#include "cpu/cpuid.h"
#include "cpu/instruction_table.h"
#include "cpu/interpreter/fpu_image.h"

namespace doppel::cpu {
namespace {

constexpr size_t kHeader = 512;
constexpr size_t kHeaderBytes = 64;
constexpr size_t kExtended = kHeader + kHeaderBytes;
constexpr u64 kCompacted = u64{1} << 63;
constexpr size_t kLargestArea = kXsavePkruOffset + kXsavePkruSize;
constexpr size_t kAlignment = 64;

/// XSAVE area of a component outside the legacy region; bit numbers as in XCR0.
struct Component {
  u64 bit;
  size_t offset;
  size_t size;
};
constexpr Component kComponents[] = {
    {xcr0::AVX, kXsaveAvxOffset, kXsaveAvxSize},
    {xcr0::PKRU, kXsavePkruOffset, kXsavePkruSize},
};

/// Where the component stands; `layout` is XCOMP_BV, or 0 for the standard form.
size_t place(const Component& component, u64 layout) {
  if ((layout & kCompacted) == 0) return component.offset;
  size_t at = kExtended;
  for (const Component& other : kComponents) {
    if (other.bit == component.bit) break;
    if ((layout & other.bit) != 0) at += other.size;
  }
  return at;
}

/// Bytes of the area up to the last component in `set`.
size_t area_bytes(u64 set, u64 layout) {
  size_t bytes = kExtended;
  for (const Component& component : kComponents) {
    if ((set & component.bit) != 0)
      bytes = std::max(bytes, place(component, layout) + component.size);
  }
  return bytes;
}

bool all_zero(const void* bytes, size_t size) {
  const u8* p = static_cast<const u8*>(bytes);
  return std::all_of(p, p + size, [](u8 byte) { return byte == 0; });
}

bool x87_in_use(const X87State& x87) {
  return x87.fcw != kFcwInitial || x87.fsw != 0 || x87.ftw != 0 || x87.fop != 0 || x87.fip != 0 ||
         x87.fdp != 0 || x87.fcs != 0 || x87.fds != 0 || !all_zero(x87.st, sizeof x87.st);
}

/// XINUSE.
u64 in_use(const CpuState& state) {
  u64 set = x87_in_use(state.x87) ? xcr0::X87 : 0;
  for (const auto& ymm : state.ymm) {
    if (!all_zero(ymm, 16)) set |= xcr0::SSE;
    if (!all_zero(ymm + 16, 16)) set |= xcr0::AVX;
  }
  if (state.pkru != 0) set |= xcr0::PKRU;
  return set;
}

Result<void> check_xsave(const Cpu& cpu) {
  if ((cpu.state.cr4 & cr4::OSXSAVE) == 0) return ud();
  if ((cpu.state.cr0 & cr0::TS) != 0) return Fault::make(Vector::NM);
  return {};
}

/// The requested-feature bitmap: XCR0 AND EDX:EAX.
u64 requested(const CpuState& state) {
  const u64 mask = (state.gpr[RDX] << 32) | (state.gpr[RAX] & 0xffff'ffff);
  return state.xcr0 & mask;
}

/// An area in the making: what the instruction writes, and which bytes that is.
class AreaWriter {
 public:
  AreaWriter(Cpu& cpu, const Instruction& insn)
      : cpu_(cpu), insn_(insn), base_(cpu.effective_address(insn)) {}

  Result<void> open(u64 set, u64 layout) {
    DOPPEL_TRY(check_alignment(cpu_, insn_, base_, kExtended, Access::Write, kAlignment - 1));
    return probe_store(cpu_, insn_, base_, area_bytes(set, layout));
  }
  u8* area() { return area_; }
  /// Writes part of the area to memory. After `open` it cannot fault.
  Result<void> flush(size_t offset, size_t size) {
    return cpu_.store_bytes(insn_.segment, base_ + offset, area_ + offset,
                            size);
  }

 private:
  Cpu& cpu_;
  const Instruction& insn_;
  const u64 base_;
  u8 area_[kLargestArea] = {};
};

Result<void> write_components(Cpu& cpu, const Instruction& insn, AreaWriter& out, u64 set,
                              bool mxcsr, u64 layout) {
  const CpuState& state = cpu.state;
  const unsigned registers = vector_registers(cpu);
  u8* area = out.area();
  if ((set & xcr0::X87) != 0) {
    write_x87_image(state.x87, insn.has(prefix::kRexW), area);
    DOPPEL_TRY(out.flush(0, fpu_image::kMxcsr));
    DOPPEL_TRY(out.flush(fpu_image::kSt, fpu_image::kXmm - fpu_image::kSt));
  }
  if (mxcsr) {
    write_mxcsr_image(state.x87, area);
    DOPPEL_TRY(out.flush(fpu_image::kMxcsr, fpu_image::kMxcsrBytes));
  }
  if ((set & xcr0::SSE) != 0) {
    write_xmm_image(state, registers, area);
    DOPPEL_TRY(out.flush(fpu_image::kXmm, registers * size_t{16}));
  }
  for (const Component& component : kComponents) {
    if ((set & component.bit) == 0) continue;
    const size_t at = place(component, layout);
    size_t size = component.size;
    if (component.bit == xcr0::AVX) {
      size = registers * size_t{16};
      for (unsigned i = 0; i < registers; ++i)
        std::memcpy(area + at + i * size_t{16}, state.ymm[i] + 16, 16);
    } else {
      std::memcpy(area + at, &state.pkru, sizeof state.pkru);
    }
    DOPPEL_TRY(out.flush(at, size));
  }
  return {};
}

/// XSAVE and XSAVEOPT; the second leaves out components in their initial state.
template <bool kOptimized>
Result<void> interpret_xsave(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_xsave(cpu));
  const u64 wanted = requested(cpu.state);
  const u64 used = in_use(cpu.state);
  AreaWriter out(cpu, insn);
  DOPPEL_TRY(out.open(wanted, 0));
  const u64 header = cpu.effective_address(insn) + kHeader;
  DOPPEL_TRY(const u64 old, cpu.load<u64>(insn.segment, header));
  const u64 set = kOptimized ? wanted & used : wanted;
  const bool mxcsr = (wanted & (xcr0::SSE | xcr0::AVX)) != 0;
  DOPPEL_TRY(write_components(cpu, insn, out, set, mxcsr, 0));
  return cpu.store<u64>(insn.segment, header, (old & ~wanted) | (used & wanted));
}

Result<void> interpret_xsavec(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_xsave(cpu));
  const u64 wanted = requested(cpu.state);
  const u64 layout = wanted | kCompacted;
  u64 used = in_use(cpu.state);
  if (cpu.state.x87.mxcsr != kMxcsrInitial) used |= xcr0::SSE;  // MXCSR belongs to SSE here.
  const u64 set = wanted & used;
  AreaWriter out(cpu, insn);
  DOPPEL_TRY(out.open(wanted, layout));
  DOPPEL_TRY(write_components(cpu, insn, out, set, (set & xcr0::SSE) != 0, layout));
  std::memcpy(out.area() + kHeader, &set, sizeof set);
  std::memcpy(out.area() + kHeader + 8, &layout, sizeof layout);
  return out.flush(kHeader, 16);
}

/// What XRSTOR finds in the header, and its rules.
struct XsaveHeader {
  u64 present = 0;  ///< XSTATE_BV
  u64 layout = 0;   ///< XCOMP_BV
  bool compacted() const { return (layout & kCompacted) != 0; }
};

Result<XsaveHeader> read_header(const Cpu& cpu, const u8* area) {
  XsaveHeader header;
  std::memcpy(&header.present, area + kHeader, sizeof header.present);
  std::memcpy(&header.layout, area + kHeader + 8, sizeof header.layout);
  const u64 allowed = cpu.state.xcr0;
  if (!header.compacted()) {
    if ((header.present & ~allowed) != 0) return gp();
    if (!all_zero(area + kHeader + 8, 16)) return gp();
    return header;
  }
  if (!cpu.has(Feature::xsavec)) return gp();
  if ((header.layout & ~(allowed | kCompacted)) != 0) return gp();
  if ((header.present & ~header.layout) != 0 || (header.present & kCompacted) != 0) return gp();
  if (!all_zero(area + kHeader + 16, kHeaderBytes - 16)) return gp();
  return header;
}

void restore_x87(Cpu& cpu, const Instruction& insn, bool present, const u8* area) {
  if (present) {
    read_x87_image(cpu, insn.has(prefix::kRexW), area);
    return;
  }
  x87_initialize(cpu);
  std::memset(cpu.state.x87.st, 0, sizeof cpu.state.x87.st);
}

void restore_component(Cpu& cpu, const Component& component, const u8* source) {
  const unsigned registers = vector_registers(cpu);
  if (component.bit == xcr0::AVX) {
    for (unsigned i = 0; i < registers; ++i) {
      if (source != nullptr) {
        std::memcpy(cpu.state.ymm[i] + 16, source + i * size_t{16}, 16);
      } else {
        std::memset(cpu.state.ymm[i] + 16, 0, 16);
      }
    }
    return;
  }
  u32 pkru = 0;
  if (source != nullptr) std::memcpy(&pkru, source, sizeof pkru);
  if (pkru == cpu.state.pkru) return;
  cpu.state.pkru = pkru;
  cpu.update_paging();
}

/// Past this line nothing faults: all was read and checked.
void restore(Cpu& cpu, const Instruction& insn, const XsaveHeader& header, u64 wanted,
             const u8* area) {
  const u64 loaded = wanted & header.present;
  CpuState& state = cpu.state;
  if ((wanted & xcr0::X87) != 0) restore_x87(cpu, insn, (loaded & xcr0::X87) != 0, area);
  if ((wanted & xcr0::SSE) != 0) {
    static constexpr u8 kInitial[fpu_image::kBytes] = {};
    read_xmm_image(state, vector_registers(cpu), (loaded & xcr0::SSE) != 0 ? area : kInitial);
  }
  if (!header.compacted()) {
    if ((wanted & (xcr0::SSE | xcr0::AVX)) != 0) state.x87.mxcsr = mxcsr_of_image(area);
  } else if ((wanted & xcr0::SSE) != 0) {
    state.x87.mxcsr = (loaded & xcr0::SSE) != 0 ? mxcsr_of_image(area) : kMxcsrInitial;
  }
  for (const Component& component : kComponents) {
    if ((wanted & component.bit) == 0) continue;
    const bool present = (loaded & component.bit) != 0;
    restore_component(cpu, component, present ? area + place(component, header.layout) : nullptr);
  }
}

Result<void> interpret_xrstor(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_xsave(cpu));
  const u64 wanted = requested(cpu.state);
  const u64 base = cpu.effective_address(insn);
  u8 area[kLargestArea];
  DOPPEL_TRY(check_alignment(cpu, insn, base, kExtended, Access::Read, kAlignment - 1));
  DOPPEL_TRY(cpu.load_bytes(insn.segment, base, area, kExtended));
  DOPPEL_TRY(const XsaveHeader header, read_header(cpu, area));
  const size_t bytes = area_bytes(wanted & header.present, header.layout);
  if (bytes > kExtended) {
    DOPPEL_TRY(cpu.load_bytes(insn.segment, base + kExtended,
                              area + kExtended, bytes - kExtended));
  }
  const u64 sse =
      header.compacted() ? wanted & header.present & xcr0::SSE : wanted & (xcr0::SSE | xcr0::AVX);
  if (sse != 0 && (mxcsr_of_image(area) & ~kMxcsrDefined) != 0) return gp();
  restore(cpu, insn, header, wanted, area);
  return {};
}

}  // namespace

Handler select_xsave(const Instruction&) { return interpret_xsave<false>; }
Handler select_xsaveopt(const Instruction&) { return interpret_xsave<true>; }
Handler select_xsavec(const Instruction&) { return interpret_xsavec; }
Handler select_xrstor(const Instruction&) { return interpret_xrstor; }

}  // namespace doppel::cpu
