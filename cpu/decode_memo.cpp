#include "cpu/decode_memo.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "cpu/base/check.h"

namespace doppel::cpu {
namespace {

enum class Opcode : u8 {
  Plain,        // No ModRM byte.
  ModRm,
  Count,        // ModRM and a count of one byte, which decides what happens to flags.
  Prefix,
  Rex,          // A prefix in 64-bit code.
  Escape,       // 0F
  Escape3,      // 0F 38 and 0F 3A: a third opcode byte, then ModRM.
  Vex2, Vex3,
  Other,
};

using OpcodeMap = std::array<Opcode, 256>;

// @source Intel SDM Vol. 2D, "Opcode Map"
constexpr OpcodeMap one_byte_map() {
  OpcodeMap map{};
  const auto range = [&](unsigned first, unsigned last, Opcode what) {
    for (unsigned i = first; i <= last; ++i) map[i] = what;
  };
  for (unsigned row = 0x00; row < 0x40; row += 8) range(row, row + 3, Opcode::ModRm);
  for (const unsigned prefix : {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3}) {
    map[prefix] = Opcode::Prefix;
  }
  map[0x0f] = Opcode::Escape;
  range(0x40, 0x4f, Opcode::Rex);
  map[0x62] = Opcode::Other;  // BOUND, or EVEX.
  map[0x63] = map[0x69] = map[0x6b] = Opcode::ModRm;
  range(0x80, 0x8e, Opcode::ModRm);
  map[0x8f] = Opcode::Other;  // POP, or XOP.
  map[0xc0] = map[0xc1] = Opcode::Count;
  map[0xc4] = Opcode::Vex3;
  map[0xc5] = Opcode::Vex2;
  map[0xc6] = map[0xc7] = Opcode::ModRm;
  range(0xd0, 0xd3, Opcode::ModRm);
  range(0xd8, 0xdf, Opcode::ModRm);
  map[0xf6] = map[0xf7] = map[0xfe] = map[0xff] = Opcode::ModRm;
  return map;
}

constexpr OpcodeMap two_byte_map() {
  OpcodeMap map{};
  const auto range = [&](unsigned first, unsigned last, Opcode what) {
    for (unsigned i = first; i <= last; ++i) map[i] = what;
  };
  range(0x00, 0xff, Opcode::ModRm);
  range(0x05, 0x09, Opcode::Plain);  // SYSCALL, CLTS, SYSRET, INVD, WBINVD
  map[0x0b] = map[0x0e] = Opcode::Plain;
  map[0x0f] = Opcode::Other;           // 3DNow!: the opcode stands at the end.
  range(0x20, 0x27, Opcode::Other);  // MOV CR and DR: mod is not heeded.
  range(0x30, 0x37, Opcode::Plain);
  map[0x38] = map[0x3a] = Opcode::Escape3;
  map[0x77] = Opcode::Plain;
  range(0x80, 0x8f, Opcode::Plain);
  for (const unsigned plain : {0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa}) map[plain] = Opcode::Plain;
  map[0xa4] = map[0xac] = Opcode::Count;
  range(0xc8, 0xcf, Opcode::Plain);
  return map;
}

constexpr OpcodeMap kOneByte = one_byte_map();
constexpr OpcodeMap kTwoBytes = two_byte_map();

u8 mode_of(CodeSize size, bool real) { return static_cast<u8>(static_cast<u8>(size) | (real ? 4 : 0)); }

/// Length of prefixes, opcode, ModRM and SIB; 0 where this cannot be told, or above `most`.
u8 head_length(CodeSize size, const u8* bytes, u8 most) {
  const bool code64 = size == CodeSize::Bits64;
  bool small_addresses = size == CodeSize::Bits16;
  u8 at = 0;
  Opcode kind = kOneByte[bytes[at]];
  while (kind == Opcode::Prefix || (code64 && kind == Opcode::Rex)) {
    if (bytes[at] == 0x67) small_addresses = size == CodeSize::Bits32;
    if (++at == most) return 0;
    kind = kOneByte[bytes[at]];
  }
  ++at;
  if (kind == Opcode::Escape) {
    kind = kTwoBytes[bytes[at++]];
    if (kind == Opcode::Escape3) {
      ++at;
      kind = Opcode::ModRm;
    }
  } else if (kind == Opcode::Vex2 || kind == Opcode::Vex3) {
    if (!code64) return 0;  // LDS, LES
    const u8 map = kind == Opcode::Vex3 ? bytes[at] & 31 : 1;
    at = static_cast<u8>(at + (kind == Opcode::Vex3 ? 2 : 1));
    kind = map == 1 && bytes[at] == 0x77 ? Opcode::Plain : Opcode::ModRm;
    ++at;
  } else if (kind == Opcode::Rex) {
    kind = Opcode::Plain;  // INC, DEC
  }
  if (kind == Opcode::Other) return 0;
  if (kind == Opcode::ModRm || kind == Opcode::Count) {
    const u8 modrm = bytes[at++];
    const bool is_register = modrm >> 6 == 3;
    if (!is_register && (modrm & 7) == 4 && !small_addresses) ++at;
    if (is_register && kind == Opcode::Count) ++at;
  }
  return at <= most ? at : 0;
}

u64 value_at(const u8* bytes, u8 size, bool is_signed) {
  u64 raw = 0;
  switch (size) {
    case 1: raw = bytes[0]; break;
    case 2: std::memcpy(&raw, bytes, 2); break;
    case 4: std::memcpy(&raw, bytes, 4); break;
    default: std::memcpy(&raw, bytes, 8); return raw;
  }
  if (!is_signed) return raw;
  const unsigned unused = 64 - 8 * size;
  return static_cast<u64>(static_cast<i64>(raw << unused) >> unused);
}

}  // namespace

// Zeros are free entries, and cost nothing until they are used.
DecodeMemo::DecodeMemo() : entries_(static_cast<Entry*>(std::calloc(size_t{1} << kSlotBits, sizeof(Entry)))) {
  static_assert(std::is_trivially_copyable_v<Entry>);
  DOPPEL_CHECK(entries_ != nullptr, "no memory to decode instructions");
}
void DecodeMemo::Release::operator()(Entry* entries) const { std::free(entries); }

DecodeMemo::Place DecodeMemo::place(CodeSize size, u8 mode, const u8* bytes) {
  Place place;
  place.head_bytes = head_length(size, bytes, kLongestHead);
  if (place.head_bytes == 0) return place;
  std::memcpy(&place.head, bytes, sizeof place.head);
  place.head &= ~u64{0} >> (64 - 8 * place.head_bytes);
  const u64 mixed = (place.head ^ (u64{mode} << 58) ^ (u64{place.head_bytes} << 52)) * 0x9e37'79b9'7f4a'7c15;
  place.slot = mixed >> (64 - kSlotBits);
  return place;
}

bool DecodeMemo::find(CodeSize size, bool real, const u8* bytes, Instruction& out) const {
  const u8 mode = mode_of(size, real);
  const Place where = place(size, mode, bytes);
  const Entry& entry = entries_[where.slot];
  if (where.head_bytes == 0 || entry.head_bytes != where.head_bytes || entry.head != where.head ||
      entry.mode != mode) {
    return false;
  }
  const Tail& tail = entry.tail;
  const u8 length = entry.insn.length;
  if (tail.values_matter) {
    if (std::memcmp(bytes, entry.insn.bytes, length) != 0) return false;
    out = entry.insn;
    return true;
  }
  out = entry.insn;
  for (u8 i = where.head_bytes; i < length; ++i) out.bytes[i] = bytes[i];
  if (tail.displacement_at != 0) {
    out.displacement = value_at(bytes + tail.displacement_at, tail.displacement_bytes, true);
  }
  if (tail.immediate_at != 0) {
    out.immediate = value_at(bytes + tail.immediate_at, tail.immediate_bytes, tail.immediate_is_signed);
  }
  return true;
}

void DecodeMemo::remember(CodeSize size, bool real, const u8* bytes, const Instruction& insn,
                          const Tail& tail) {
  const u8 mode = mode_of(size, real);
  const Place where = place(size, mode, bytes);
  if (where.head_bytes == 0) return;
  // The decoder must agree about where the head ends.
  u8 end = insn.length;
  if (tail.immediate_at != 0) end = tail.immediate_at;
  if (tail.displacement_at != 0 && tail.displacement_at < end) end = tail.displacement_at;
  const bool has_count = where.head_bytes == end + 1 && tail.immediate_at == end && tail.immediate_bytes == 1;
  if (where.head_bytes != end && !has_count) return;
  Entry& entry = entries_[where.slot];
  entry = {where.head, where.head_bytes, mode, tail, insn};
  if (has_count) {
    entry.tail.immediate_at = 0;
    entry.tail.values_matter = false;
  }
}

}  // namespace doppel::cpu
