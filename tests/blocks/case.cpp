#include "tests/blocks/case.h"

#include <cstdio>
#include <cstring>

namespace doppel::blocks {
namespace {

constexpr u64 kMainRoom = 2 * kPageSize;

/// Where each item stands, as a distance from the main page.
struct Places {
  std::vector<std::pair<int, u64>> by_id[2];
  u64 end[2] = {};

  /// The first item of the same section that is not before `target`.
  u64 of(int target, u8 section) const {
    for (const auto& [id, offset] : by_id[section]) {
      if (id >= target) return offset;
    }
    return end[section];
  }
};

u8 section_of(int target) { return target >= kOtherSectionIds ? 1 : 0; }

bool apply(const Fixup& fixup, u64 target, u64 field, std::vector<u8>& bytes, size_t at) {
  i64 value = static_cast<i64>(target);
  if (fixup.kind == Fixup::Kind::Relative) {
    value = static_cast<i64>(target - (field + fixup.bytes + fixup.tail));
    if (fixup.bytes == 1 && value != static_cast<i8>(value)) return false;
  }
  std::memcpy(bytes.data() + at, &value, fixup.bytes);
  return true;
}

}  // namespace

u64 code_frames(const BlockCase& block) {
  const u64 bytes = kSetFrames * kPageSize;
  return is_low(block.setting) ? kLowSets + block.set % kLowSetCount * bytes : kHighSets + block.set % kHighSetCount * bytes;
}

u64 code_linear(const BlockCase& block) { return is_low(block.setting) ? code_frames(block) : kCode; }

u64 code_segment_base(const BlockCase& block) {
  if (is_low(block.setting)) return code_frames(block);
  const unsigned index = (block.selectors[1] >> 3) - 1;
  const unsigned segment = index % kSegmentCount;
  return segment == kCode32Based || segment == kCode16 ? kCode : 0;
}

bool lay_out(const BlockCase& block, LaidOut& out) {
  Places places;
  u64 next[2] = {block.entry_offset, kOtherPage + block.other_offset};
  for (const Item& item : block.items) {
    places.by_id[item.section].emplace_back(item.id, next[item.section]);
    next[item.section] += item.bytes.size();
  }
  places.end[0] = next[0];
  places.end[1] = next[1];
  out.main.clear();
  out.other.clear();
  const u64 linear = code_linear(block);
  const u64 segment_base = code_segment_base(block);
  for (const Item& item : block.items) {
    std::vector<u8>& bytes = item.section == 0 ? out.main : out.other;
    const u64 start = item.section == 0 ? block.entry_offset : kOtherPage + block.other_offset;
    const size_t here = bytes.size();
    bytes.insert(bytes.end(), item.bytes.begin(), item.bytes.end());
    for (const Fixup& fixup : item.fixups) {
      u64 target = static_cast<u64>(fixup.addend);
      // Only a fixed address (`target` -1 with `linear`) is not counted from the main page.
      if (fixup.target >= 0) target += linear + places.of(fixup.target, section_of(fixup.target));
      const u64 field = linear + start + here + fixup.at;
      if (fixup.kind == Fixup::Kind::Absolute && !fixup.linear) target -= segment_base;
      if (!apply(fixup, target, field, bytes, here + fixup.at)) return false;
    }
  }
  // A HLT at either end.
  out.main.push_back(0xf4);
  out.other.push_back(0xf4);
  return block.entry_offset + out.main.size() <= kMainRoom && block.other_offset + out.other.size() <= kPageSize;
}

std::string listing(const BlockCase& block, const LaidOut& code, const cpu::Decoder& decoder) {
  std::string text;
  const u64 base = code_linear(block) - code_segment_base(block);
  const auto add = [&](const std::vector<u8>& bytes, u64 address) {
    for (size_t at = 0; at < bytes.size();) {
      unsigned length = 0;
      const std::string line = decoder.disassemble(block.size, bytes.data() + at, bytes.size() - at, address + at, &length);
      if (length == 0) length = 1;
      char start[32];
      std::snprintf(start, sizeof start, "    %8llx:", static_cast<unsigned long long>(address + at));
      text += start;
      for (unsigned i = 0; i < length && at + i < bytes.size(); ++i) {
        char byte[4];
        std::snprintf(byte, sizeof byte, " %02x", bytes[at + i]);
        text += byte;
      }
      text += "   " + line + "\n";
      at += length;
    }
  };
  add(code.main, base + block.entry_offset);
  if (code.other.size() > 1) {
    text += "    (other page)\n";
    add(code.other, base + kOtherPage + block.other_offset);
  }
  return text;
}

}  // namespace doppel::blocks
