#include "tests/guest/state_names.h"

#include <algorithm>
#include <charconv>

#include "cpu/arch/exception.h"

namespace doppel::guest {
namespace {

struct Name {
  std::string_view name;
  u64 value;
};

constexpr Name kFlags[] = {
    {"CF", rflags::CF},   {"PF", rflags::PF},      {"AF", rflags::AF},      {"ZF", rflags::ZF},
    {"SF", rflags::SF},   {"TF", rflags::TF},      {"IF", rflags::IF},      {"DF", rflags::DF},
    {"OF", rflags::OF},   {"IOPL", rflags::IOPL},  {"NT", rflags::NT},      {"RF", rflags::RF},
    {"VM", rflags::VM},   {"AC", rflags::AC},      {"VIF", rflags::VIF},    {"ID", rflags::ID},
    {"VIP", rflags::VIP}, {"IOPL1", u64{1} << 12}, {"IOPL2", u64{2} << 12},
};

constexpr Name kVectors[] = {
    {"#DE", 0},  {"#DB", 1},  {"#NMI", 2}, {"#BP", 3},  {"#OF", 4},  {"#BR", 5},
    {"#UD", 6},  {"#NM", 7},  {"#DF", 8},  {"#TS", 10}, {"#NP", 11}, {"#SS", 12},
    {"#GP", 13}, {"#PF", 14}, {"#MF", 16}, {"#AC", 17}, {"#MC", 18}, {"#XM", 19},
};

constexpr std::string_view kGprs[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                      "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                      "r12", "r13", "r14", "r15", "",    "rip"};
constexpr std::string_view kDwordGprs[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::string_view kWordGprs[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};

template <size_t N>
std::optional<unsigned> position(const std::string_view (&names)[N], std::string_view name) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (name.empty() || found == std::end(names)) return std::nullopt;
  return static_cast<unsigned>(found - std::begin(names));
}

template <size_t N>
std::optional<u64> value_of(const Name (&names)[N], std::string_view name) {
  for (const Name& row : names) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

/// "xmm12": 12 for the prefix "xmm".
std::optional<unsigned> numbered(std::string_view name, std::string_view prefix, unsigned count) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  unsigned index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc{} || end != name.data() + name.size() || index >= count)
    return std::nullopt;
  return index;
}

std::optional<StateField> segment_field(const cpu::SegmentRegister& segment,
                                        std::string_view part) {
  if (part.empty()) return StateField{segment.selector, 16};
  if (part == "base") return StateField{segment.base, 64};
  if (part == "limit") return StateField{segment.limit, 32};
  if (part == "attributes") return StateField{segment.attributes, 16};
  return std::nullopt;
}

std::optional<StateField> table_field(const cpu::TableRegister& table, std::string_view part) {
  if (part == "base") return StateField{table.base, 64};
  if (part == "limit") return StateField{table.limit, 16};
  return std::nullopt;
}

u64 load(const u8* bytes) {
  u64 value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::optional<StateField> vector_field(const cpu::CpuState& state, std::string_view stem,
                                       std::string_view part) {
  if (const auto index = numbered(stem, "xmm", 16)) {
    if (part.empty()) return StateField{load(state.ymm[*index]), 64};
    if (part == "high") return StateField{load(state.ymm[*index] + 8), 64};
  }
  if (const auto index = numbered(stem, "ymm", 16); index && part == "top") {
    return StateField{load(state.ymm[*index] + 24), 64};
  }
  if (const auto index = numbered(stem, "st", 8)) {
    if (part.empty()) return StateField{load(state.x87.st[*index]), 64};
    if (part == "exponent") return StateField{load(state.x87.st[*index] + 8), 16};
  }
  return std::nullopt;
}

}  // namespace

std::optional<u64> flag_by_name(std::string_view name) { return value_of(kFlags, name); }
std::optional<u64> vector_by_name(std::string_view name) { return value_of(kVectors, name); }

std::optional<StateField> state_field(const cpu::CpuState& state, std::string_view name) {
  if (const auto index = position(kGprs, name)) return StateField{state.gpr[*index], 64};
  if (const auto index = position(kDwordGprs, name)) return StateField{state.gpr[*index], 32};
  if (const auto index = position(kWordGprs, name)) return StateField{state.gpr[*index], 16};
  if (const auto index = numbered(name, "dr", 8)) return StateField{state.dr[*index], 64};

  const Name registers[] = {
      {"cr0", state.cr0},         {"cr2", state.cr2},
      {"cr3", state.cr3},         {"cr4", state.cr4},
      {"efer", state.efer},       {"cpl", state.cpl},
      {"xcr0", state.xcr0},       {"pkru", state.pkru},
      {"pat", state.pat},         {"star", state.star},
      {"mxcsr", state.x87.mxcsr}, {"fcw", state.x87.fcw},
      {"fsw", state.x87.fsw},     {"kernel_gs_base", state.kernel_gs_base},
  };
  if (const auto value = value_of(registers, name)) return StateField{*value, 64};

  const size_t dot = name.find('.');
  const std::string_view stem = name.substr(0, dot);
  const std::string_view part =
      dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  if (const auto index = position(kSegments, stem)) return segment_field(state.seg[*index], part);
  if (stem == "tr") return segment_field(state.tr, part);
  if (stem == "ldtr") return segment_field(state.ldtr, part);
  if (stem == "gdtr") return table_field(state.gdtr, part);
  if (stem == "idtr") return table_field(state.idtr, part);
  return vector_field(state, stem, part);
}

}  // namespace doppel::guest
