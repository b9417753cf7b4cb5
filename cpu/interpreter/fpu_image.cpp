#include "cpu/interpreter/fpu_image.h"

namespace doppel::cpu {
namespace {

constexpr size_t kRegisterBytes = 10;

template <class T>
void put(u8* area, size_t offset, T value) {
  std::memcpy(area + offset, &value, sizeof value);
}

template <class T>
T get(const u8* area, size_t offset) {
  T value;
  std::memcpy(&value, area + offset, sizeof value);
  return value;
}

}  // namespace

void write_x87_image(const X87State& x87, bool wide, u8* area) {
  put<u16>(area, 0, x87.fcw);
  put<u16>(area, 2, x87.fsw);
  put<u16>(area, 4, x87.ftw);
  put<u16>(area, 6, x87.fop);
  if (wide) {
    put<u64>(area, 8, x87.fip);
    put<u64>(area, 16, x87.fdp);
  } else {
    put<u64>(area, 8, (x87.fip & 0xffff'ffff) | u64{x87.fcs} << 32);
    put<u64>(area, 16, (x87.fdp & 0xffff'ffff) | u64{x87.fds} << 32);
  }
  std::memcpy(area + fpu_image::kSt, x87.st, sizeof x87.st);
}

void write_mxcsr_image(const X87State& x87, u8* area) {
  put<u32>(area, fpu_image::kMxcsr, x87.mxcsr);
  put<u32>(area, fpu_image::kMxcsr + 4, kMxcsrDefined);
}

void write_xmm_image(const CpuState& state, unsigned registers, u8* area) {
  for (unsigned i = 0; i < registers; ++i) {
    std::memcpy(area + fpu_image::kXmm + i * size_t{16}, state.ymm[i], 16);
  }
}

void read_x87_image(Cpu& cpu, bool wide, const u8* area) {
  X87State& x87 = cpu.state.x87;
  x87.fcw = static_cast<u16>((get<u16>(area, 0) & kFcwDefined) | kFcwFixed);
  // The error summary follows from what was loaded, whatever the image says.
  x87.fsw = static_cast<u16>((get<u16>(area, 2) & ~(fsw::ES | fsw::B)) | (x87.fsw & fsw::ES));
  x87.ftw = get<u8>(area, 4);
  x87.fop = get<u16>(area, 6) & 0x7ff;
  if (wide) {
    x87.fip = get<u64>(area, 8);
    x87.fdp = get<u64>(area, 16);
    x87.fcs = x87.fds = 0;
  } else {
    x87.fip = get<u32>(area, 8);
    x87.fcs = get<u16>(area, 12);
    x87.fdp = get<u32>(area, 16);
    x87.fds = get<u16>(area, 20);
  }
  for (unsigned i = 0; i < 8; ++i) {
    std::memcpy(x87.st[i], area + fpu_image::kSt + i * size_t{16}, kRegisterBytes);
  }
  x87_update_summary(cpu);
}

void read_xmm_image(CpuState& state, unsigned registers, const u8* area) {
  for (unsigned i = 0; i < registers; ++i) {
    std::memcpy(state.ymm[i], area + fpu_image::kXmm + i * size_t{16}, 16);
  }
}

}  // namespace doppel::cpu
