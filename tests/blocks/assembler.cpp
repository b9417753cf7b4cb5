#include "tests/blocks/assembler.h"

#include <algorithm>
#include <cstring>

#include "cpu/instruction_table.h"

namespace doppel::blocks {

using differential::Decoded;
using differential::Form;
using differential::OpcodeMap;
using differential::OpcodePrefix;

namespace {

constexpr u8 kR = 4, kX = 2, kB = 1;

bool can_repeat(const Form& form) {
  return form.map == OpcodeMap::OneByte && !form.vex &&
         ((form.opcode & 0xfc) == 0x6c || ((form.opcode & 0xf4) == 0xa4 && form.opcode != 0xa8 && form.opcode != 0xa9));
}

}  // namespace

u8 Assembler::pick_register(const Addressing& addressing, bool bits64) {
  switch (random_.below(16)) {
    case 0: return pick(addressing.pointers);
    case 1:
    case 2: return pick(addressing.small);
    case 3: return static_cast<u8>(random_.below(bits64 ? 16 : 8));
    default: return pick(addressing.free);
  }
}

void Assembler::prefixes(const Form& form, bool wide) {
  u8 made[6];
  size_t count = 0;
  const bool bits64 = form.size == CodeSize::Bits64;
  if (form.memory && random_.one_in(8)) {
    static constexpr u8 kSegments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    made[count++] = kSegments[bits64 ? 4 + random_.below(2) : random_.below(6)];
  }
  has_67_ = wide ? !random_.one_in(4) : random_.one_in(40);
  if (has_67_) made[count++] = 0x67;
  if (!form.vex) {
    static constexpr u8 kBytes[] = {0, 0x66, 0xf3, 0xf2};
    if (form.prefix != OpcodePrefix::None) made[count++] = kBytes[static_cast<unsigned>(form.prefix)];
    const bool repeated = form.prefix == OpcodePrefix::HasF3 || form.prefix == OpcodePrefix::HasF2;
    if (can_repeat(form) && !repeated && random_.one_in(2)) made[count++] = random_.one_in(2) ? 0xf2 : 0xf3;
    if (random_.one_in(form.memory ? 10 : 300)) made[count++] = 0xf0;
  }
  for (size_t i = count; i > 1; --i) std::swap(made[i - 1], made[random_.below(i)]);
  for (size_t i = 0; i < count; ++i) byte(made[i]);
}

void Assembler::displacement(unsigned bytes) {
  u64 value = random_.below(0x80);
  if (random_.one_in(4)) value = ~value + 1;
  // Vectors want alignment.
  if (!random_.one_in(3)) value &= ~u64{15};
  else if (random_.one_in(2)) value &= ~u64{3};
  if (bytes > 1 && random_.one_in(4)) value += random_.below(0x800);
  for (unsigned i = 0; i < bytes; ++i) byte(value >> (i * 8));
}

void Assembler::memory16(const Addressing& addressing, u8 reg) {
  // bx+si bx+di bp+si bp+di si di bp bx; what may stand alone stands alone mostly.
  static constexpr u8 kRm[] = {7, 7, 7, 4, 4, 5, 5, 6, 6, 6, 0, 1, 2, 3};
  if (random_.one_in(10)) {
    byte(reg << 3 | 6);
    const u32 at = addressing.absolute + static_cast<u32>(random_.below(0x2ff0));
    byte(at);
    byte(at >> 8);
    return;
  }
  const u8 rm = kRm[random_.below(sizeof kRm)];
  const unsigned mod = rm == 6 ? 1 + static_cast<unsigned>(random_.below(2)) : static_cast<unsigned>(random_.below(3));
  byte(mod << 6 | (reg & 7) << 3 | rm);
  if (mod != 0) displacement(mod);
}

void Assembler::memory(const Form& form, const Addressing& addressing, u8 reg) {
  const bool address16 = form.size == CodeSize::Bits16 ? !has_67_ : form.size == CodeSize::Bits32 && has_67_;
  if (address16) return memory16(addressing, reg & 7);
  const bool bits64 = form.size == CodeSize::Bits64;
  const u8 low_reg = static_cast<u8>((reg & 7) << 3);
  if (!form.is_vsib && random_.one_in(10)) {
    // No base: absolute, or relative to RIP.
    byte(low_reg | 5);
    const u32 at = addressing.absolute + static_cast<u32>(align_down(random_.below(0x2ff0), random_.one_in(2) ? 16 : 1));
    if (bits64) fixup_ = {Fixup::Kind::Relative, static_cast<u8>(bytes_.size()), 4, 0, true, -1, at};
    for (unsigned i = 0; i < 4; ++i) byte(at >> (i * 8));
    return;
  }
  const u8 base = random_.one_in(6) ? (random_.one_in(2) ? u8{RSP} : addressing.frame)
                  : random_.one_in(60) ? static_cast<u8>(random_.below(bits64 ? 16 : 8))
                                       : pick(addressing.pointers);
  const bool indexed = form.is_vsib || random_.one_in(6);
  unsigned mod = random_.one_in(3) ? 0 : random_.one_in(6) ? 2 : 1;
  if ((base & 7) == 5 && mod == 0) mod = 1;
  if ((base & 8) != 0) rex_ |= kB;
  if (indexed || (base & 7) == 4) {
    const u8 index = form.is_vsib ? static_cast<u8>(random_.below(bits64 ? 16 : 8)) : indexed ? pick(addressing.small) : u8{4};
    if ((index & 8) != 0) rex_ |= kX;
    byte(mod << 6 | low_reg | 4);
    byte(random_.below(4) << 6 | (index & 7) << 3 | (base & 7));
  } else {
    byte(mod << 6 | low_reg | (base & 7));
  }
  if (mod != 0) displacement(mod == 1 ? 1 : 4);
}

bool Assembler::encode(const Form& form, const Addressing& addressing, std::vector<u8>& out, Decoded& decoded) {
  bytes_.clear();
  fixup_ = {};
  rex_ = 0;
  const bool bits64 = form.size == CodeSize::Bits64;
  prefixes(form, addressing.wide);
  const u8 reg = form.fixed_reg >= 0 ? static_cast<u8>(form.fixed_reg) : pick_register(addressing, bits64);
  const u8 rm = form.fixed_rm >= 0 ? static_cast<u8>(form.fixed_rm) : pick_register(addressing, bits64);
  const u8 in_opcode = form.register_in_opcode ? pick_register(addressing, bits64) : u8{0};

  // ModRM and what follows come first, because they decide R, X and B.
  std::vector<u8> head = bytes_;
  bytes_.clear();
  if (form.has_modrm) {
    if ((reg & 8) != 0) rex_ |= kR;
    if (form.memory) {
      memory(form, addressing, reg);
    } else {
      if ((rm & 8) != 0) rex_ |= kB;
      byte(0xc0 | (reg & 7) << 3 | (rm & 7));
    }
  } else if ((in_opcode & 8) != 0) {
    rex_ |= kB;
  }
  const std::vector<u8> operands = bytes_;
  bytes_ = head;
  if (form.vex) {
    const auto map = static_cast<unsigned>(form.map);
    const auto pp = static_cast<unsigned>(form.prefix);
    const unsigned vvvv = random_.one_in(2) ? 15 : static_cast<unsigned>(random_.below(bits64 ? 16 : 8)) | (bits64 ? 0u : 8u);
    if (map == 1 && !form.w && (rex_ & (kX | kB)) == 0 && random_.one_in(2)) {
      byte(0xc5);
      byte(((rex_ & kR) != 0 ? 0 : 0x80) | vvvv << 3 | (form.l ? 4 : 0) | pp);
    } else {
      byte(0xc4);
      byte((~rex_ & 7) << 5 | map);
      byte((form.w ? 0x80 : 0) | vvvv << 3 | (form.l ? 4 : 0) | pp);
    }
  } else {
    u8 rex = static_cast<u8>((form.w ? 8 : 0) | rex_);
    if (rex != 0 || (bits64 && random_.one_in(6))) rex |= 0x40;
    if (rex != 0 && !bits64) return false;
    if (rex != 0) byte(rex);
    if (form.map != OpcodeMap::OneByte) byte(0x0f);
    if (form.map == OpcodeMap::Map0F38) byte(0x38);
    if (form.map == OpcodeMap::Map0F3A) byte(0x3a);
  }
  byte(form.opcode | (in_opcode & 7));
  fixup_.at = static_cast<u8>(fixup_.at + bytes_.size());
  bytes_.insert(bytes_.end(), operands.begin(), operands.end());
  const size_t fixed = bytes_.size();
  // Immediates: small, all ones, or anything.
  const u64 immediate = random_.one_in(2) ? random_.below(40) : random_.one_in(4) ? ~u64{0} - random_.below(9) : random_.next();
  for (unsigned i = 0; i < 8; ++i) byte(immediate >> (i * 8));
  while (bytes_.size() < 15) byte(random_.next());
  if (!differential::decode(form.size, bytes_.data(), std::min<size_t>(bytes_.size(), 15), decoded)) return false;
  if (cpu::instruction_row(static_cast<u16>(decoded.insn.mnemonic)).klass == cpu::InstructionClass::None) return false;
  if (decoded.insn.length < fixed) return false;
  fixup_.tail = static_cast<u8>(decoded.insn.length - fixup_.at - 4);
  out.assign(bytes_.begin(), bytes_.begin() + decoded.insn.length);
  return true;
}

}  // namespace doppel::blocks
