#include "frontend/cpu_dump.h"

#include <cstdarg>
#include <cstdio>

namespace doppel::frontend {
namespace {

using cpu::CpuState;
using cpu::SegmentRegister;

void append(std::string& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
void append(std::string& out, const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
}

unsigned long long wide(u64 value) { return value; }
unsigned narrow(u64 value) { return static_cast<unsigned>(value); }

/// Names of system descriptor types, 32-bit and 64-bit reading.
/// @source Intel SDM Vol. 3A, "System-Segment and Gate-Descriptor Types"
const char* system_type_name(unsigned type, bool long_mode) {
  static constexpr const char* kLegacy[] = {"Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
                                            "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
                                            "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
                                            "CallGate32", "Reserved",  "IntGate32", "TrapGate32"};
  static constexpr const char* kLong[] = {"<hiword>",   "Reserved",  "LDT",       "Reserved",
                                          "Reserved",   "Reserved",  "Reserved",  "Reserved",
                                          "Reserved",   "TSS64-avl", "Reserved",  "TSS64-busy",
                                          "CallGate64", "Reserved",  "IntGate64", "TrapGate64"};
  return long_mode ? kLong[type & 15] : kLegacy[type & 15];
}

void append_segment(std::string& out, const char* name, const SegmentRegister& segment,
                    const CpuState& state) {
  const u16 attributes = segment.attributes;
  const u32 descriptor_flags =
      (attributes & 0xffu) << 8 | (attributes & 0xf00u) << 12 |
      ((segment.limit >> ((attributes & attr::G) != 0 ? 12 : 0)) & 0xf0000u);
  if (state.long_mode()) {
    append(out, "%-3s=%04x %016llx %08x %08x", name, segment.selector, wide(segment.base),
           segment.limit, descriptor_flags);
  } else {
    append(out, "%-3s=%04x %08x %08x %08x", name, segment.selector, narrow(segment.base),
           segment.limit, descriptor_flags);
  }
  if (state.protected_mode() && segment.usable()) {
    append(out, " DPL=%u ", segment.dpl());
    if ((attributes & attr::S) == 0) {
      out += system_type_name(attributes & 15u, state.long_mode());
    } else if (segment.is_code()) {
      out += (attributes & attr::L) != 0 ? "CS64" : (attributes & attr::DB) != 0 ? "CS32" : "CS16";
      append(out, " [%c%c%c]", (attributes & attr::EC) != 0 ? 'C' : '-',
             (attributes & attr::RW) != 0 ? 'R' : '-', (attributes & attr::A) != 0 ? 'A' : '-');
    } else {
      out += (attributes & attr::DB) != 0 || state.long_mode() ? "DS  " : "DS16";
      append(out, " [%c%c%c]", (attributes & attr::EC) != 0 ? 'E' : '-',
             (attributes & attr::RW) != 0 ? 'W' : '-', (attributes & attr::A) != 0 ? 'A' : '-');
    }
  }
  out += '\n';
}

void append_general(std::string& out, const CpuState& state, bool a20) {
  static constexpr const char* kNames[] = {"AX", "BX", "CX", "DX", "SI", "DI", "BP", "SP"};
  static constexpr Gpr kOrder[] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP};
  const u64 flags = state.rflags();
  const auto mark = [&](u64 flag, char letter) { return (flags & flag) != 0 ? letter : '-'; };
  const bool long_mode = state.long_mode();
  for (unsigned i = 0; i < 8; ++i) {
    const char end = i % 4 == 3 ? '\n' : ' ';
    if (long_mode) {
      append(out, "R%s=%016llx%c", kNames[i], wide(state.gpr[kOrder[i]]), end);
    } else {
      append(out, "E%s=%08x%c", kNames[i], narrow(state.gpr[kOrder[i]]), end);
    }
  }
  if (long_mode) {
    for (unsigned i = 8; i < 16; ++i) {
      append(out, "R%-2u=%016llx%c", i, wide(state.gpr[i]), i % 4 == 3 ? '\n' : ' ');
    }
    append(out, "RIP=%016llx RFL=%08x", wide(state.rip()), narrow(flags));
  } else {
    append(out, "EIP=%08x EFL=%08x", narrow(state.rip()), narrow(flags));
  }
  append(out, " [%c%c%c%c%c%c%c] CPL=%d II=%d A20=%d SMM=0 HLT=%d\n", mark(rflags::DF, 'D'),
         mark(rflags::OF, 'O'), mark(rflags::SF, 'S'), mark(rflags::ZF, 'Z'), mark(rflags::AF, 'A'),
         mark(rflags::PF, 'P'), mark(rflags::CF, 'C'), state.cpl, state.interrupt_shadow, a20,
         state.halted);
}

}  // namespace

std::string dump_registers(const CpuState& state, bool a20) {
  std::string out;
  append_general(out, state, a20);
  static constexpr const char* kSegments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
  for (unsigned i = 0; i < kSegCount; ++i) append_segment(out, kSegments[i], state.seg[i], state);
  append_segment(out, "LDT", state.ldtr, state);
  append_segment(out, "TR", state.tr, state);
  if (state.long_mode()) {
    append(out, "GDT=     %016llx %08x\nIDT=     %016llx %08x\n", wide(state.gdtr.base),
           state.gdtr.limit, wide(state.idtr.base), state.idtr.limit);
    append(out, "CR0=%08x CR2=%016llx CR3=%016llx CR4=%08x\n", narrow(state.cr0), wide(state.cr2),
           wide(state.cr3), narrow(state.cr4));
    append(out, "DR0=%016llx DR1=%016llx DR2=%016llx DR3=%016llx\nDR6=%016llx DR7=%016llx\n",
           wide(state.dr[0]), wide(state.dr[1]), wide(state.dr[2]), wide(state.dr[3]),
           wide(state.dr[6]), wide(state.dr[7]));
  } else {
    append(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n", narrow(state.gdtr.base),
           state.gdtr.limit, narrow(state.idtr.base), state.idtr.limit);
    append(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", narrow(state.cr0), narrow(state.cr2),
           narrow(state.cr3), narrow(state.cr4));
    append(out, "DR0=%08x DR1=%08x DR2=%08x DR3=%08x\nDR6=%08x DR7=%08x\n", narrow(state.dr[0]),
           narrow(state.dr[1]), narrow(state.dr[2]), narrow(state.dr[3]), narrow(state.dr[6]),
           narrow(state.dr[7]));
  }
  append(out, "EFER=%016llx\n", wide(state.efer));
  return out;
}

std::string dump_float_registers(const CpuState& state) {
  std::string out;
  const cpu::X87State& x87 = state.x87;
  append(out, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n", x87.fcw, x87.fsw,
         x87.fsw >> 11 & 7, x87.ftw, x87.mxcsr);
  for (unsigned i = 0; i < 8; ++i) {
    u64 mantissa = 0;
    u16 exponent = 0;
    std::memcpy(&mantissa, x87.st[i], 8);
    std::memcpy(&exponent, x87.st[i] + 8, 2);
    append(out, "ST%u=%016llx %04x%c", i, wide(mantissa), exponent, i % 2 == 1 ? '\n' : ' ');
  }
  const unsigned count = state.long_mode() ? 16 : 8;
  for (unsigned i = 0; i < count; ++i) {
    u64 parts[2] = {};
    std::memcpy(parts, state.ymm[i], 16);
    append(out, "XMM%02u=%016llx %016llx%c", i, wide(parts[1]), wide(parts[0]),
           i % 2 == 1 ? '\n' : ' ');
  }
  return out;
}

const char* mode_name(const CpuState& state) {
  if (!state.protected_mode()) return "real";
  if (state.v86()) return "virtual-8086";
  if (state.code64()) return "64-bit";
  if (state.long_mode()) return "compatibility";
  return state.segment(Seg::CS).big() ? "protected 32-bit" : "protected 16-bit";
}

}  // namespace doppel::frontend
