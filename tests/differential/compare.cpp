#include "tests/differential/compare.h"

#include <cstdarg>
#include <cstdio>

#include "cpu/arch/registers.h"
#include "cpu/arch/rflags.h"
#include "tests/differential/addresses.h"
#include "tests/differential/compare_rules.h"

namespace doppel::differential {

namespace {

constexpr const char* kGprNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr const char* kSegNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

std::string hex(const u8* bytes, size_t size) {
  std::string text;
  for (size_t i = size; i-- > 0;) text += format("%02x", bytes[i]);
  return text;
}

/// Where the host's kernel begins for user code, with 4-level paging. @source Linux arch/x86/include/asm/page_64.h
constexpr u64 kHostUserEnd = 0x7fff'ffff'f000;

class Comparison {
 public:
  std::vector<std::string> take() { return std::move(lines_); }

  void number(const char* name, u64 host, u64 guest) {
    if (host != guest) lines_.push_back(format("%s: host %#llx, doppel %#llx", name, static_cast<unsigned long long>(host),
                                               static_cast<unsigned long long>(guest)));
  }
  void bytes(const std::string& name, const u8* host, const u8* guest, size_t size) {
    if (std::memcmp(host, guest, size) != 0) {
      lines_.push_back(name + ": host " + hex(host, size) + ", doppel " + hex(guest, size));
    }
  }
  /// `ignored` holds linear addresses.
  void memory(u64 address, const u8* host, const u8* guest, size_t size, const std::vector<Ignored>& ignored) {
    if (std::memcmp(host, guest, size) == 0) return;
    unsigned shown = 0;
    for (size_t i = 0; i < size; ++i) {
      if (host[i] == guest[i]) continue;
      bool skip = false;
      for (const Ignored& range : ignored) skip = skip || address + i - range.first < range.size;
      if (skip) continue;
      if (++shown > 12) return;
      lines_.push_back(format("[%#llx]: host %02x, doppel %02x", static_cast<unsigned long long>(address + i), host[i], guest[i]));
    }
  }

 private:
  std::vector<std::string> lines_;
};

void compare_outcome(Comparison& result, const Outcome& host, const Outcome& guest, bool any_fault) {
  if (any_fault && host.faulted && guest.faulted) return;
  result.number("exception", host.faulted ? host.vector : 0x100u, guest.faulted ? guest.vector : 0x100u);
  if (!host.faulted || !guest.faulted || host.vector != guest.vector) return;
  u64 mask = ~u64{0};
  // The host's kernel reports every fault in its own half as a protection fault.
  if (host.vector == static_cast<u8>(Vector::PF) && host.cr2 >= kHostUserEnd) mask = ~u64{1};
  if (has_error_code(static_cast<Vector>(host.vector))) {
    result.number("error code", host.error_code & mask, guest.error_code & mask);
  }
  result.number("cr2", host.cr2, guest.cr2);
}

void compare_float(Comparison& result, const MachineState& host, const MachineState& guest, const Partial& partial) {
  result.number("mxcsr", host.fp.mxcsr, guest.fp.mxcsr);
  if (!partial.x87) {
    result.number("fcw", host.fp.fcw, guest.fp.fcw);
    result.number("fsw", host.fp.fsw, guest.fp.fsw);
    result.number("ftw", host.fp.ftw, guest.fp.ftw);
    for (unsigned i = 0; i < 8; ++i) result.bytes("st" + std::to_string(i), host.fp.st[i], guest.fp.st[i], 10);
  }
  for (unsigned i = 0; i < 16; ++i) {
    result.bytes("xmm" + std::to_string(i), host.fp.xmm[i], guest.fp.xmm[i], 16);
    result.bytes("ymm" + std::to_string(i) + " upper", host.ymm_high[i], guest.ymm_high[i], 16);
  }
}

/// Gathers that fault: the manual has the mask's elements filled with their sign bits beforehand; AMD's
/// processors leave those they did not get to as they were.
void normalise_gather_mask(MachineState& state, const Decoded& decoded) {
  const unsigned number = static_cast<unsigned>(ZydisRegisterGetId(decoded.operands[2].reg.value)) & 15;
  const unsigned element = decoded.operands[2].element_size / 8u;
  if (element != 4 && element != 8) return;
  for (unsigned at = 0; at < 32; at += element) {
    u8* first = at < 16 ? state.fp.xmm[number] + at : state.ymm_high[number] + (at - 16);
    std::memset(first, (first[element - 1] & 0x80) != 0 ? 0xff : 0, element);
  }
}

}  // namespace

std::vector<std::string> compare(const TestCase& test, const Decoded& decoded, const Side& host, const Side& guest) {
  Comparison result;
  // Whether the addresses of bytes that a mask leaves out are looked at is the implementation's choice.
  if (host.outcome.faulted && !guest.outcome.faulted && is_masked_out(test, decoded)) return {};
  // MXCSR's bit 17 (misaligned operands) exists on AMD's processors alone.
  constexpr u32 kMisalignedMode = 1u << 17;
  if ((host.state.fp.mxcsr & kMisalignedMode) != 0) return {};
  const auto by_segment = [](const Outcome& outcome) {
    const bool is_segment = outcome.vector == static_cast<u8>(Vector::GP) || outcome.vector == static_cast<u8>(Vector::SS);
    return outcome.faulted && is_segment;
  };
  const bool is_one_sided = by_segment(host.outcome) ? !guest.outcome.faulted : by_segment(guest.outcome) && !host.outcome.faulted;
  if (is_one_sided && test.size != CodeSize::Bits64 && is_masked_avx(decoded)) return {};
  if (host.outcome.unfinished || guest.outcome.unfinished) {
    result.number("unfinished", host.outcome.unfinished, guest.outcome.unfinished);
    return result.take();
  }
  compare_outcome(result, host.outcome, guest.outcome, is_fault_order_open(decoded));
  if (is_result_undefined(test, decoded) && !host.outcome.faulted) return result.take();

  const bool bits64 = test.size == CodeSize::Bits64;
  // Leaving 64-bit code makes the upper halves undefined.
  const u64 mask = bits64 && host.state.selectors[1] == kFlatCode64 ? ~u64{0} : 0xffff'ffff;
  const Partial partial = host.outcome.faulted && guest.outcome.faulted ? partial_progress(decoded) : Partial{};
  // The upper half of a 16-bit stack pointer does not survive the kernel's way back.
  const auto is_stack16 = [](u16 selector) { return (selector & 4) != 0 && !kLdt[(selector >> 3) % kLdtEntries].is_32bit; };
  const bool stack16 = !bits64 && (is_stack16(test.before.selectors[2]) || is_stack16(host.state.selectors[2]));
  for (unsigned i = 0; i < (bits64 ? 16u : 8u); ++i) {
    if (partial.registers) break;
    const u64 m = (i == RSP && stack16 ? 0xffff : mask) & ~undefined_result_bits(decoded, i);
    result.number(kGprNames[i], host.state.gpr[i] & m, guest.state.gpr[i] & m);
  }
  u64 host_rip = host.state.rip;
  // Loading SS holds the trap off for one instruction: the NOP behind.
  if (host_rip == guest.state.rip + 1 && guest.state.rip == test.before.rip + test.length &&
      (decoded.insn.mnemonic == ZYDIS_MNEMONIC_MOV || decoded.insn.mnemonic == ZYDIS_MNEMONIC_POP ||
       decoded.insn.mnemonic == ZYDIS_MNEMONIC_LSS)) {
    --host_rip;
  }
  result.number("rip", host_rip, guest.state.rip);
  u64 flags = rflags::kDefined & ~(rflags::RF | rflags::VIF | rflags::VIP);
  if (!host.outcome.faulted) flags &= ~undefined_flags(test, decoded);
  result.number("rflags", host.state.rflags & flags, guest.state.rflags & flags);
  // The kernel's way back (IRET) clears the privilege level of a null selector.
  const auto shown = [](u16 selector) { return selector < 4 ? u16{0} : selector; };
  for (unsigned i = 0; i < kSegCount; ++i) {
    result.number(kSegNames[i], shown(host.state.selectors[i]), shown(guest.state.selectors[i]));
  }
  if (bits64) {
    result.number("fs base", host.state.fs_base, guest.state.fs_base);
    result.number("gs base", host.state.gs_base, guest.state.gs_base);
  }
  if (host.outcome.faulted && is_gather(decoded)) {
    MachineState host_state = host.state;
    MachineState guest_state = guest.state;
    normalise_gather_mask(host_state, decoded);
    normalise_gather_mask(guest_state, decoded);
    compare_float(result, host_state, guest_state, partial);
  } else {
    compare_float(result, host.state, guest.state, partial);
  }
  if (partial.memory) return result.take();
  std::vector<Ignored> ignored;
  for (const Ignored& range : ignored_bytes(decoded)) ignored.push_back({operand_address(test, decoded) + range.first, range.size});
  for (const Ignored& range : ignored_stack_bytes(decoded)) {
    ignored.push_back({stack_address(test, guest.state.gpr[RSP]) + range.first, range.size});
  }
  result.memory(kData, host.memory.data, guest.memory.data, kDataBytes, ignored);
  result.memory(kStack, host.memory.stack, guest.memory.stack, kStackBytes, ignored);
  return result.take();
}

namespace {

void describe_state(std::string& out, const char* name, const MachineState& state) {
  out += format("  %s:\n", name);
  for (unsigned i = 0; i < 16; ++i) {
    out += format("    %-3s=%016llx%s", kGprNames[i], static_cast<unsigned long long>(state.gpr[i]), i % 4 == 3 ? "\n" : "");
  }
  out += format("    rip=%016llx rflags=%08llx", static_cast<unsigned long long>(state.rip), static_cast<unsigned long long>(state.rflags));
  for (unsigned i = 0; i < kSegCount; ++i) out += format(" %s=%04x", kSegNames[i], state.selectors[i]);
  out += format(" fs.base=%llx gs.base=%llx\n", static_cast<unsigned long long>(state.fs_base), static_cast<unsigned long long>(state.gs_base));
  out += format("    fcw=%04x fsw=%04x ftw=%02x mxcsr=%08x\n", state.fp.fcw, state.fp.fsw, state.fp.ftw, state.fp.mxcsr);
  for (unsigned i = 0; i < 8; ++i) out += format("    st%u=%s%s", i, hex(state.fp.st[i], 10).c_str(), i % 4 == 3 ? "\n" : "");
  for (unsigned i = 0; i < 16; ++i) {
    out += format("    ymm%-2u=%s_%s%s", i, hex(state.ymm_high[i], 16).c_str(), hex(state.fp.xmm[i], 16).c_str(), i % 2 == 1 ? "\n" : "");
  }
}

std::string describe_outcome(const Outcome& outcome) {
  if (outcome.unfinished) return "not finished";
  if (!outcome.faulted) return "completed";
  return format("exception %u, error code %#x, cr2 %#llx", outcome.vector, outcome.error_code, static_cast<unsigned long long>(outcome.cr2));
}

}  // namespace

std::string reproduction(const TestCase& test, const Side& host, const Side& guest) {
  std::string out = format("  mode: %u bits, bytes:", 16u << static_cast<unsigned>(test.size));
  for (unsigned i = 0; i < test.length; ++i) out += format(" %02x", test.bytes[i]);
  out += "\n";
  for (const Patch& patch : test.patches) {
    out += format("  memory %#llx:", static_cast<unsigned long long>(patch.address));
    for (size_t i = 0; i < patch.bytes.size() && i < 64; ++i) out += format(" %02x", patch.bytes[i]);
    out += patch.bytes.size() > 64 ? " ...\n" : "\n";
  }
  describe_state(out, "before", test.before);
  describe_state(out, ("host: " + describe_outcome(host.outcome)).c_str(), host.state);
  describe_state(out, ("doppel: " + describe_outcome(guest.outcome)).c_str(), guest.state);
  return out;
}

}  // namespace doppel::differential
