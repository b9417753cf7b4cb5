#include "frontend/machine_difference.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <sstream>

namespace doppel::frontend {
namespace {

void save(std::vector<u8>& bytes, auto&& part) {
  bytes.clear();
  Archive archive = Archive::saver(bytes);
  part(archive);
}

/// The name of the section that holds byte `at`: sections follow each other, each a name and its
/// bytes, both behind their lengths.
std::string section_at(const std::vector<u8>& bytes, size_t at) {
  size_t position = 0;
  const auto number = [&] {
    u64 value = 0;
    if (position + sizeof value <= bytes.size())
      std::memcpy(&value, bytes.data() + position, sizeof value);
    position += sizeof value;
    return value;
  };
  while (position < bytes.size()) {
    const u64 stored = number();
    const u64 name_size = std::min<u64>(stored, bytes.size() - std::min(position, bytes.size()));
    const std::string name(reinterpret_cast<const char*>(bytes.data()) + position, name_size);
    position += name_size;
    const u64 size = number();
    if (at < position + size) return name;
    position += size;
  }
  return "board";
}

size_t first_difference(const std::vector<u8>& left, const std::vector<u8>& right) {
  const size_t common = std::min(left.size(), right.size());
  return static_cast<size_t>(
      std::mismatch(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(common), right.begin())
          .first -
      left.begin());
}

const u8* page_or_zeros(const Machine& machine, PhysAddr page) {
  static constexpr u8 kZeros[kPageSize] = {};
  const u8* const bytes = machine.pmap().peek(page);
  return bytes == nullptr ? kZeros : bytes;
}

std::string hex_bytes(const u8* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    char hex[4];
    std::snprintf(hex, sizeof hex, " %02x", bytes[i]);
    text += hex;
  }
  return text;
}

/// The first general register, RIP or RFLAGS that differs.
std::string first_register(const cpu::CpuState& left, const cpu::CpuState& right) {
  static constexpr const char* kNames[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8",
                                           "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
  const auto pair = [](const char* name, u64 a, u64 b) {
    char text[80];
    std::snprintf(text, sizeof text, "%s is 0x%" PRIx64 ", not 0x%" PRIx64, name, a, b);
    return std::string(text);
  };
  if (left.rip() != right.rip()) return pair("RIP", left.rip(), right.rip());
  for (unsigned i = 0; i < std::size(kNames); ++i) {
    if (left.gpr[i] != right.gpr[i]) return pair(kNames[i], left.gpr[i], right.gpr[i]);
  }
  if (left.rflags() != right.rflags()) return pair("RFLAGS", left.rflags(), right.rflags());
  return {};
}

std::optional<std::string> in_memory(const Machine& left, const Machine& right) {
  u64 pages = 0;
  std::optional<PhysAddr> first;
  const auto compare = [&](PhysAddr page) {
    if (std::memcmp(page_or_zeros(left, page), page_or_zeros(right, page), kPageSize) == 0) return;
    ++pages;
    if (!first || page.value < first->value) first = page;
  };
  left.pmap().for_each_present([&](PhysAddr page, const u8*) { compare(page); });
  right.pmap().for_each_present([&](PhysAddr page, const u8*) {
    if (left.pmap().peek(page) == nullptr) compare(page);
  });
  if (!first) return std::nullopt;
  const u8* const a = page_or_zeros(left, *first);
  const u8* const b = page_or_zeros(right, *first);
  const size_t at = static_cast<size_t>(std::mismatch(a, a + kPageSize, b).first - a);
  const size_t count = std::min<size_t>(8, kPageSize - at);
  char text[80];
  std::snprintf(text, sizeof text, "memory at physical 0x%" PRIx64, first->value + at);
  return text + (":" + hex_bytes(a + at, count)) + ", not" + hex_bytes(b + at, count) + " (" +
         std::to_string(pages) + (pages == 1 ? " page differs)" : " pages differ)");
}

}  // namespace

std::optional<std::string> MachineDifference::in_processor(const Machine& left,
                                                           const Machine& right) {
  const u64 counts[] = {left.cpu().state.retired, right.cpu().state.retired};
  if (counts[0] != counts[1]) {
    return "instructions retired: " + std::to_string(counts[0]) + ", not " +
           std::to_string(counts[1]);
  }
  // Saving changes nothing; the function is not const because it loads too.
  save(left_, [&](Archive& archive) { const_cast<cpu::Cpu&>(left.cpu()).serialize(archive); });
  save(right_, [&](Archive& archive) { const_cast<cpu::Cpu&>(right.cpu()).serialize(archive); });
  if (left_ != right_) {
    const std::string name = first_register(left.cpu().state, right.cpu().state);
    if (!name.empty()) return name;
    return "the processor (byte " + std::to_string(first_difference(left_, right_)) +
           " of its saved state)";
  }
  if (left.pending_request() != right.pending_request()) return "what chips ask of the machine";
  return std::nullopt;
}

// The chip that was spoken to says more than the time that this took.
std::optional<std::string> MachineDifference::in_chips(Machine& left, Machine& right) {
  save(left_, [&](Archive& archive) { left.board().serialize(archive); });
  save(right_, [&](Archive& archive) { right.board().serialize(archive); });
  if (left_ != right_) return "chip " + section_at(left_, first_difference(left_, right_));
  const auto time = [](Machine& machine) {
    return [&machine](Archive& archive) {
      bool a20 = machine.memory().a20();
      machine.scheduler().serialize(archive);
      archive(a20);
    };
  };
  save(left_, time(left));
  save(right_, time(right));
  if (left_ == right_) return std::nullopt;
  return "virtual time, or when events are due";
}

std::optional<std::string> MachineDifference::in_anything(Machine& left, Machine& right) {
  if (auto found = in_processor(left, right)) return found;
  if (auto found = in_chips(left, right)) return found;
  return in_memory(left, right);
}

std::string differing_lines(const std::string& left_name, const std::string& left,
                            const std::string& right_name, const std::string& right) {
  const size_t width = std::max(left_name.size(), right_name.size());
  const auto label = [&](const std::string& name) {
    return "  " + name + std::string(width - name.size() + 2, ' ');
  };
  std::istringstream left_lines(left);
  std::istringstream right_lines(right);
  std::string a;
  std::string b;
  std::string out;
  for (;;) {
    const bool more_left = static_cast<bool>(std::getline(left_lines, a));
    const bool more_right = static_cast<bool>(std::getline(right_lines, b));
    if (!more_left && !more_right) return out;
    if (!more_left) a.clear();
    if (!more_right) b.clear();
    if (a != b) out += label(left_name) + a + "\n" + label(right_name) + b + "\n";
  }
}

}  // namespace doppel::frontend
