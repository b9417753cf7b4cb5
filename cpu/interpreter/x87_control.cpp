// Control instructions of the x87 unit: control and status words, environments, whole images.
//
// None of them computes, so none of them needs the host. They leave the pointers to the last
// instruction alone. The N forms do not wait: they run with an error pending.
// @source Intel SDM Vol. 1, "x87 FPU Control Instructions", "Saving the x87 FPU's State with
//         FSTENV/FNSTENV and FSAVE/FNSAVE"

#include "cpu/instruction_table.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::cpu {
namespace {

constexpr unsigned kEnvironment16 = 14;
constexpr unsigned kEnvironment32 = 28;
constexpr unsigned kRegisterBytes = 10;

Result<void> interpret_fwait(Cpu& cpu, const Instruction&) {
  constexpr u64 kBoth = cr0::MP | cr0::TS;
  if ((cpu.state.cr0 & kBoth) == kBoth) return Fault::make(Vector::NM);
  return check_x87_error(cpu);
}

Result<void> interpret_fninit(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(check_x87_available(cpu));
  x87_initialize(cpu);
  return {};
}

Result<void> interpret_fnclex(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(check_x87_available(cpu));
  X87State& x87 = cpu.state.x87;
  x87.fsw = static_cast<u16>(x87.fsw & ~(fsw::kExceptions | fsw::SF));
  x87_update_summary(cpu);
  return {};
}

void set_control_word(Cpu& cpu, u16 value) {
  cpu.state.x87.fcw = static_cast<u16>((value & kFcwDefined) | kFcwFixed);
  x87_update_summary(cpu);
}

Result<void> interpret_fldcw(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  DOPPEL_TRY(const u16 value, cpu.load_operand<u16>(insn));
  set_control_word(cpu, value);
  return {};
}

Result<void> interpret_fnstcw(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87_available(cpu));
  return cpu.store_operand<u16>(insn, cpu.state.x87.fcw);
}

Result<void> interpret_fnstsw(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87_available(cpu));
  const u16 status = cpu.state.x87.fsw;
  if (insn.operand[0].kind == OperandKind::Memory) return cpu.store_operand<u16>(insn, status);
  cpu.state.set_at<u16>(RAX, status);
  return {};
}

/// FDISI, FENI and FSETPM mean nothing since the 387.
Result<void> interpret_old_fpu_nop(Cpu& cpu, const Instruction&) {
  return check_x87_available(cpu);
}

// ---- environments
// --------------------------------------------------------------------------------

/// The two-bit tags that FSTENV shows: valid, zero, special, empty.
u16 full_tags(const X87State& x87) {
  u16 tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    u64 mantissa;
    u16 exponent;
    std::memcpy(&mantissa, x87.st[i], sizeof mantissa);
    std::memcpy(&exponent, x87.st[i] + 8, sizeof exponent);
    exponent &= 0x7fff;
    unsigned tag = 0;
    if (!x87_valid(x87, i)) {
      tag = 3;
    } else if (exponent == 0 && mantissa == 0) {
      tag = 1;
    } else if (exponent == 0 || exponent == 0x7fff || (mantissa >> 63) == 0) {
      tag = 2;
    }
    tags = static_cast<u16>(tags | tag << (2 * x87_physical(x87, i)));
  }
  return tags;
}

u8 abridged_tags(u16 tags) {
  u8 valid = 0;
  for (unsigned i = 0; i < 8; ++i) {
    if ((tags >> (2 * i) & 3) != 3) valid = static_cast<u8>(valid | 1u << i);
  }
  return valid;
}

/// The seven words or doublewords of an environment, in either size.
struct Environment7 {
  u32 words[7] = {};
  bool wide = false;

  unsigned bytes() const { return wide ? kEnvironment32 : kEnvironment16; }
  void write(u8* out) const {
    for (unsigned i = 0; i < 7; ++i) std::memcpy(out + i * (wide ? 4 : 2), &words[i], wide ? 4 : 2);
  }
  void read(const u8* in) {
    for (unsigned i = 0; i < 7; ++i) std::memcpy(&words[i], in + i * (wide ? 4 : 2), wide ? 4 : 2);
  }
};

/// Word      protected mode               real and virtual-8086 mode
///   0-2     FCW, FSW, FTW
///   3       FIP                          linear FIP 15-0
///   4       FCS, (32-bit) FOP << 16      linear FIP 31-16 << 12, FOP 10-0
///   5       FDP                          linear FDP 15-0
///   6       FDS                          linear FDP 31-16 << 12
/// The 16-bit real form has room for linear bits 19-16 only, the 16-bit protected form has no FOP.
Environment7 make_environment(const Cpu& cpu, bool wide) {
  const X87State& x87 = cpu.state.x87;
  const u32 reserved = wide ? 0xffff'0000 : 0;
  Environment7 out;
  out.wide = wide;
  out.words[0] = reserved | x87.fcw;
  out.words[1] = reserved | x87.fsw;
  out.words[2] = reserved | full_tags(x87);
  if (cpu.state.real_or_v86()) {
    const u32 fip = static_cast<u32>(x87.fip) + (u32{x87.fcs} << 4);
    const u32 fdp = static_cast<u32>(x87.fdp) + (u32{x87.fds} << 4);
    out.words[3] = reserved | (fip & 0xffff);
    out.words[4] = (fip >> 16) << 12 | (x87.fop & 0x7ffu);
    out.words[5] = reserved | (fdp & 0xffff);
    out.words[6] = (fdp >> 16) << 12;
  } else {
    out.words[3] = static_cast<u32>(x87.fip);
    out.words[4] = x87.fcs | (wide ? u32{x87.fop & 0x7ffu} << 16 : 0);
    out.words[5] = static_cast<u32>(x87.fdp);
    out.words[6] = reserved | x87.fds;
  }
  return out;
}

void load_environment(Cpu& cpu, const Environment7& in) {
  X87State& x87 = cpu.state.x87;
  const u16 status = static_cast<u16>(in.words[1]);
  x87_set_top(x87, status >> fsw::kTopShift & 7);
  x87.fsw = static_cast<u16>((status & ~(fsw::ES | fsw::B)) | (x87.fsw & fsw::ES));
  x87.ftw = abridged_tags(static_cast<u16>(in.words[2]));
  const u32 mask = in.wide ? 0xffff'ffff : 0xffff;
  if (cpu.state.real_or_v86()) {
    x87.fip = (in.words[3] & 0xffff) | (in.words[4] >> 12 & 0xffff) << 16;
    x87.fdp = (in.words[5] & 0xffff) | (in.words[6] >> 12 & 0xffff) << 16;
    x87.fop = static_cast<u16>(in.words[4] & 0x7ff);
    x87.fcs = x87.fds = 0;
  } else {
    x87.fip = in.words[3] & mask;
    x87.fdp = in.words[5] & mask;
    x87.fcs = static_cast<u16>(in.words[4]);
    x87.fds = static_cast<u16>(in.words[6]);
    x87.fop = in.wide ? static_cast<u16>(in.words[4] >> 16 & 0x7ff) : 0;
  }
  set_control_word(cpu, static_cast<u16>(in.words[0]));
}

bool is_wide(const Instruction& insn) {
  return insn.operand[0].bytes != kEnvironment16 &&
         insn.operand[0].bytes != kEnvironment16 + 8 * kRegisterBytes;
}

Result<void> interpret_fnstenv(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87_available(cpu));
  const Environment7 environment = make_environment(cpu, is_wide(insn));
  u8 image[kEnvironment32];
  environment.write(image);
  DOPPEL_TRY(
      cpu.store_bytes(insn.segment, cpu.effective_address(insn), image, environment.bytes()));
  set_control_word(cpu, cpu.state.x87.fcw | fsw::kExceptions);
  return {};
}

Result<void> interpret_fldenv(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  Environment7 environment;
  environment.wide = is_wide(insn);
  u8 image[kEnvironment32];
  DOPPEL_TRY(cpu.load_bytes(insn.segment, cpu.effective_address(insn), image, environment.bytes()));
  environment.read(image);
  load_environment(cpu, environment);
  return {};
}

Result<void> interpret_fnsave(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87_available(cpu));
  const Environment7 environment = make_environment(cpu, is_wide(insn));
  u8 image[kEnvironment32 + 8 * kRegisterBytes];
  environment.write(image);
  u8* out = image + environment.bytes();
  for (const auto& st : cpu.state.x87.st) {
    std::memcpy(out, st, kRegisterBytes);
    out += kRegisterBytes;
  }
  DOPPEL_TRY(cpu.store_bytes(insn.segment, cpu.effective_address(insn), image,
                             static_cast<size_t>(out - image)));
  x87_initialize(cpu);
  return {};
}

Result<void> interpret_frstor(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  Environment7 environment;
  environment.wide = is_wide(insn);
  u8 image[kEnvironment32 + 8 * kRegisterBytes];
  DOPPEL_TRY(cpu.load_bytes(insn.segment, cpu.effective_address(insn), image,
                            environment.bytes() + 8 * kRegisterBytes));
  environment.read(image);
  load_environment(cpu, environment);
  const u8* in = image + environment.bytes();
  for (auto& st : cpu.state.x87.st) {
    std::memcpy(st, in, kRegisterBytes);
    in += kRegisterBytes;
  }
  return {};
}

}  // namespace

Handler select_fwait(const Instruction&) { return interpret_fwait; }
Handler select_fninit(const Instruction&) { return interpret_fninit; }
Handler select_fnclex(const Instruction&) { return interpret_fnclex; }
Handler select_fldcw(const Instruction&) { return interpret_fldcw; }
Handler select_fnstcw(const Instruction&) { return interpret_fnstcw; }
Handler select_fnstsw(const Instruction&) { return interpret_fnstsw; }
Handler select_old_fpu_nop(const Instruction&) { return interpret_old_fpu_nop; }
Handler select_fnstenv(const Instruction&) { return interpret_fnstenv; }
Handler select_fldenv(const Instruction&) { return interpret_fldenv; }
Handler select_fnsave(const Instruction&) { return interpret_fnsave; }
Handler select_frstor(const Instruction&) { return interpret_frstor; }

}  // namespace doppel::cpu
