#include "tests/blocks/compare.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace doppel::blocks {
namespace {

constexpr const char* kGprNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi",  "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr const char* kSegNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

std::string hex(const void* bytes, size_t size) {
  std::string text;
  for (size_t i = size; i-- > 0;) text += format("%02x", static_cast<const u8*>(bytes)[i]);
  return text;
}

/// Calls `part(name, index, a, b, bytes)` for every part of the state that counts.
template <class Part>
void visit(const cpu::CpuState& a, const cpu::CpuState& b, Part&& part) {
  const auto one = [&](const char* name, const auto& x, const auto& y) { part(name, -1, &x, &y, sizeof x); };
  for (int i = 0; i < 16; ++i) part(kGprNames[i], -1, &a.gpr[i], &b.gpr[i], sizeof a.gpr[i]);
  one("zero register", a.gpr[cpu::kZeroRegister], b.gpr[cpu::kZeroRegister]);
  one("rip", a.gpr[cpu::kRipRegister], b.gpr[cpu::kRipRegister]);
  const u64 flags_a = a.rflags(), flags_b = b.rflags();
  one("rflags", flags_a, flags_b);
  one("retired", a.retired, b.retired);
  const auto segment = [&](const char* name, const cpu::SegmentRegister& x, const cpu::SegmentRegister& y) {
    one(name, x.selector, y.selector);
    one("  base", x.base, y.base);
    one("  limit", x.limit, y.limit);
    one("  attributes", x.attributes, y.attributes);
    one("  low", x.low, y.low);
    one("  high", x.high, y.high);
  };
  for (unsigned i = 0; i < kSegCount; ++i) segment(kSegNames[i], a.seg[i], b.seg[i]);
  segment("ldtr", a.ldtr, b.ldtr);
  segment("tr", a.tr, b.tr);
  one("gdtr base", a.gdtr.base, b.gdtr.base);
  one("gdtr limit", a.gdtr.limit, b.gdtr.limit);
  one("idtr base", a.idtr.base, b.idtr.base);
  one("idtr limit", a.idtr.limit, b.idtr.limit);
  one("cpl", a.cpl, b.cpl);
  one("cr0", a.cr0, b.cr0);
  one("cr2", a.cr2, b.cr2);
  one("cr3", a.cr3, b.cr3);
  one("cr4", a.cr4, b.cr4);
  one("efer", a.efer, b.efer);
  one("xcr0", a.xcr0, b.xcr0);
  for (int i = 0; i < 8; ++i) part("dr", i, &a.dr[i], &b.dr[i], sizeof a.dr[i]);
  one("pkru", a.pkru, b.pkru);
  one("star", a.star, b.star);
  one("lstar", a.lstar, b.lstar);
  one("cstar", a.cstar, b.cstar);
  one("sfmask", a.sfmask, b.sfmask);
  one("kernel_gs_base", a.kernel_gs_base, b.kernel_gs_base);
  one("sysenter_cs", a.sysenter_cs, b.sysenter_cs);
  one("sysenter_esp", a.sysenter_esp, b.sysenter_esp);
  one("sysenter_eip", a.sysenter_eip, b.sysenter_eip);
  one("pat", a.pat, b.pat);
  one("tsc_aux", a.tsc_aux, b.tsc_aux);
  one("misc_enable", a.misc_enable, b.misc_enable);
  one("debugctl", a.debugctl, b.debugctl);
  one("mtrr_def_type", a.mtrr_def_type, b.mtrr_def_type);
  one("mtrr_fixed", a.mtrr_fixed, b.mtrr_fixed);
  one("mtrr_variable", a.mtrr_variable, b.mtrr_variable);
  one("mcg_status", a.mcg_status, b.mcg_status);
  one("halted", a.halted, b.halted);
  one("shutdown", a.shutdown, b.shutdown);
  one("interrupt_shadow", a.interrupt_shadow, b.interrupt_shadow);
  one("mov_ss_shadow", a.mov_ss_shadow, b.mov_ss_shadow);
  one("repeating", a.repeating, b.repeating);
  one("nmi_blocked", a.nmi_blocked, b.nmi_blocked);
  one("random", a.random, b.random);
  one("fcw", a.x87.fcw, b.x87.fcw);
  one("fsw", a.x87.fsw, b.x87.fsw);
  one("ftw", a.x87.ftw, b.x87.ftw);
  one("fop", a.x87.fop, b.x87.fop);
  one("fip", a.x87.fip, b.x87.fip);
  one("fdp", a.x87.fdp, b.x87.fdp);
  one("fcs", a.x87.fcs, b.x87.fcs);
  one("fds", a.x87.fds, b.x87.fds);
  one("mxcsr", a.x87.mxcsr, b.x87.mxcsr);
  for (int i = 0; i < 8; ++i) part("st", i, a.x87.st[i], b.x87.st[i], sizeof a.x87.st[i]);
  for (int i = 0; i < 16; ++i) part("ymm", i, a.ymm[i], b.ymm[i], sizeof a.ymm[i]);
}

bool any(const void* bytes, size_t size) {
  const u8* at = static_cast<const u8*>(bytes);
  return std::any_of(at, at + size, [](u8 byte) { return byte != 0; });
}

/// Control words and the registers that are not zero.
template <class Float>
std::string describe_float(const Float& fp) {
  std::string text = format("    fcw %04x fsw %04x ftw %02x fop %03x fip %llx fdp %llx mxcsr %04x\n", fp.fcw, fp.fsw, fp.ftw, fp.fop,
                            static_cast<unsigned long long>(fp.fip), static_cast<unsigned long long>(fp.fdp), fp.mxcsr);
  for (unsigned i = 0; i < 8; ++i) {
    if (any(fp.st[i], sizeof fp.st[i])) text += format("    st%u %s\n", i, hex(fp.st[i], 10).c_str());
  }
  return text;
}

std::string describe_registers(const u64* gpr) {
  std::string text;
  for (unsigned i = 0; i < 16; ++i) {
    text += format("%s %-3s %016llx%s", i % 4 == 0 ? "   " : "", kGprNames[i], static_cast<unsigned long long>(gpr[i]), i % 4 == 3 ? "\n" : "");
  }
  return text;
}

}  // namespace

const std::vector<Exclusion>& exclusions() {
  static const std::vector<Exclusion> table = {
      {"x87.reserved, x87.mxcsr_mask, xsave_unused, xsave_header",
       "host scratch around the x87 image; not part of the saved state, no guest can see them"},
      {"flags (as words)", "the six flags are compared as RFLAGS; one value has many lazy forms"},
  };
  return table;
}

bool equal(const cpu::CpuState& a, const cpu::CpuState& b) {
  bool same = true;
  visit(a, b, [&](const char*, int, const void* x, const void* y, size_t size) { same = same && std::memcmp(x, y, size) == 0; });
  return same;
}

std::vector<std::string> differences(const cpu::CpuState& a, const cpu::CpuState& b, const std::string& name) {
  std::vector<std::string> lines;
  visit(a, b, [&](const char* field, int index, const void* x, const void* y, size_t size) {
    if (std::memcmp(x, y, size) == 0) return;
    const std::string number = index < 0 ? "" : std::to_string(index);
    lines.push_back(std::string(field) + number + ": interp " + hex(x, size) + ", " + name + " " + hex(y, size));
  });
  return lines;
}

std::vector<std::string> memory_differences(BlockMachine& a, BlockMachine& b, const BlockCase& block, const std::string& name, size_t limit) {
  std::vector<std::string> lines;
  for (const Window& window : a.windows(block)) {
    for (u64 at = window.first; at < window.first + window.bytes; at += kPageSize) {
      const u8* x = a.host(at);
      const u8* y = b.host(at);
      if (std::memcmp(x, y, kPageSize) == 0) continue;
      for (u64 i = 0; i < kPageSize && lines.size() < limit; i += 8) {
        if (std::memcmp(x + i, y + i, 8) == 0) continue;
        lines.push_back(format("memory %llx: interp ", static_cast<unsigned long long>(at + i)) + hex(x + i, 8) + ", " + name + " " + hex(y + i, 8));
      }
    }
  }
  return lines;
}

std::string describe(const cpu::CpuState& state) {
  std::string text = describe_registers(state.gpr);
  text += format("    rip %llx rflags %llx cr2 %llx cpl %u retired %llu%s%s\n", static_cast<unsigned long long>(state.rip()),
                 static_cast<unsigned long long>(state.rflags()), static_cast<unsigned long long>(state.cr2), state.cpl,
                 static_cast<unsigned long long>(state.retired), state.halted ? " halted" : "", state.shutdown ? " shut down" : "");
  text += describe_float(state.x87);
  for (unsigned i = 0; i < 16; ++i) {
    if (any(state.ymm[i], 32)) text += format("    ymm%-2u ", i) + hex(state.ymm[i], 32) + "\n";
  }
  return text;
}

std::string describe(const StartState& state) {
  std::string text = describe_registers(state.gpr);
  text += format("    rflags %llx fs.base %llx gs.base %llx\n", static_cast<unsigned long long>(state.rflags),
                 static_cast<unsigned long long>(state.fs_base), static_cast<unsigned long long>(state.gs_base));
  text += describe_float(state.fp);
  for (unsigned i = 0; i < 16; ++i) {
    if (!any(state.ymm_high[i], 16) && !any(state.fp.xmm[i], 16)) continue;
    text += format("    ymm%-2u ", i) + hex(state.ymm_high[i], 16) + hex(state.fp.xmm[i], 16) + "\n";
  }
  return text;
}

}  // namespace doppel::blocks
