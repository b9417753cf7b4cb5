#include "tests/differential/generator.h"

#include <algorithm>
#include <cstring>

#include "cpu/arch/registers.h"
#include "cpu/arch/rflags.h"
#include "cpu/instruction_table.h"

namespace doppel::differential {

bool Generator::make(const Form& form, u64 index, TestCase& test, Decoded& decoded) {
  u64 mixed = seed_;
  for (char c : form.text) mixed = Random(mixed ^ static_cast<u8>(c)).next();
  random_ = Random(mixed + index);
  for (int attempt = 0; attempt < 20; ++attempt) {
    test = TestCase{};
    test.size = form.size;
    if (!assemble(form, test, decoded)) continue;
    random_segments(test);
    random_registers(test, decoded);
    random_float(test, decoded);
    random_flags(test, decoded);
    // Code stands anywhere in its first page, some of it across into the second.
    const u64 at = random_.one_in(4) ? kPageSize - random_.below(15) : random_.below(kPageSize);
    const bool flat = test.size != CodeSize::Bits16 && test.before.selectors[1] != ldt_selector(kCode32Based);
    test.before.rip = (flat ? kCode : 0) + at;
    solve_memory(test, decoded);
    suit_mnemonic(test, decoded);
    prepare_far_frame(test, decoded);
    keep_branch_canonical(test, decoded);
    // Displacements and selectors have been written since.
    if (!decode(test.size, test.bytes, test.length, decoded)) continue;
    if (wraps_around(test, decoded)) continue;
    if (random_.one_in(200)) forbid_lock(test);
    patch(test, kCode + at, test.bytes, test.length);
    const u8 nop = 0x90;
    patch(test, kCode + at + test.length, &nop, 1);
    return true;
  }
  return false;
}

bool Generator::assemble(const Form& form, TestCase& test, Decoded& decoded) {
  u8 bytes[40];
  size_t n = 0;
  const bool bits64 = form.size == CodeSize::Bits64;
  // Legacy prefixes: those the form is made of, and some that may stand anywhere.
  u8 prefixes[6];
  size_t count = 0;
  if (random_.one_in(6)) {
    static constexpr u8 kSegments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    prefixes[count++] = kSegments[bits64 ? 4 + random_.below(2) : random_.below(6)];
  }
  if (random_.one_in(8)) prefixes[count++] = 0x67;
  if (!form.vex) {
    static constexpr u8 kBytes[] = {0, 0x66, 0xf3, 0xf2};
    if (form.prefix != OpcodePrefix::None) prefixes[count++] = kBytes[static_cast<unsigned>(form.prefix)];
    const bool can_repeat = form.map == OpcodeMap::OneByte &&
                            ((form.opcode & 0xfc) == 0x6c || ((form.opcode & 0xf4) == 0xa4 && form.opcode != 0xa8 && form.opcode != 0xa9));
    const bool repeated = form.prefix == OpcodePrefix::HasF3 || form.prefix == OpcodePrefix::HasF2;
    if (can_repeat && !repeated && random_.one_in(2)) prefixes[count++] = random_.one_in(2) ? 0xf2 : 0xf3;
    if (random_.one_in(form.memory ? 8 : 100)) prefixes[count++] = 0xf0;
  }
  for (size_t i = count; i > 1; --i) std::swap(prefixes[i - 1], prefixes[random_.below(i)]);
  for (size_t i = 0; i < count; ++i) bytes[n++] = prefixes[i];

  u8 reg = static_cast<u8>(form.fixed_reg >= 0 ? form.fixed_reg : static_cast<int>(random_.below(8)));
  u8 rm = static_cast<u8>(form.fixed_rm >= 0 ? form.fixed_rm : static_cast<int>(random_.below(8)));
  if (form.vex) {
    const auto map = static_cast<unsigned>(form.map);
    const auto pp = static_cast<unsigned>(form.prefix);
    const unsigned vvvv = random_.one_in(2) ? 15 : static_cast<unsigned>(random_.below(bits64 ? 16 : 8)) | (bits64 ? 0u : 8u);
    const bool r = bits64 && random_.one_in(2);
    const bool short_form = map == 1 && !form.w && random_.one_in(2);
    if (short_form) {
      bytes[n++] = 0xc5;
      bytes[n++] = static_cast<u8>((r ? 0 : 0x80) | vvvv << 3 | (form.l ? 4 : 0) | pp);
    } else {
      const unsigned xb = bits64 ? static_cast<unsigned>(random_.below(4)) : 3;
      bytes[n++] = 0xc4;
      bytes[n++] = static_cast<u8>((r ? 0 : 0x80) | xb << 5 | map);
      bytes[n++] = static_cast<u8>((form.w ? 0x80 : 0) | vvvv << 3 | (form.l ? 4 : 0) | pp);
    }
  } else {
    u8 rex = form.w ? 0x48 : 0;
    if (bits64 && random_.one_in(2)) rex = static_cast<u8>(rex | 0x40 | random_.below(8));
    if (rex != 0) bytes[n++] = rex;
    if (form.map != OpcodeMap::OneByte) bytes[n++] = 0x0f;
    if (form.map == OpcodeMap::Map0F38) bytes[n++] = 0x38;
    if (form.map == OpcodeMap::Map0F3A) bytes[n++] = 0x3a;
  }
  bytes[n++] = static_cast<u8>(form.opcode | (form.register_in_opcode ? random_.below(8) : 0));
  if (form.has_modrm) {
    unsigned mod = form.memory ? static_cast<unsigned>(random_.below(3)) : 3;
    if (form.is_vsib) rm = 4;
    bytes[n++] = static_cast<u8>(mod << 6 | reg << 3 | rm);
  }
  random_bytes(bytes + n, 16);
  if (random_.one_in(3)) bytes[n + (form.has_modrm ? random_.below(6) : 0)] = static_cast<u8>(random_.below(40));
  if (!decode(form.size, bytes, std::min<size_t>(n + 16, 15), decoded)) return false;
  const cpu::InstructionRow& row = cpu::instruction_row(static_cast<u16>(decoded.insn.mnemonic));
  if (row.klass == cpu::InstructionClass::None || !reason_not_covered(decoded).empty()) return false;
  // Processors disagree: AMD truncates the target of a near branch with 66 in 64-bit code, Intel ignores the prefix.
  const bool near = decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR || decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT;
  if (bits64 && near && std::find(prefixes, prefixes + count, 0x66) != prefixes + count) return false;
  test.length = decoded.insn.length;
  std::memcpy(test.bytes, bytes, test.length);
  // A gather may take the trap between two elements, as a repeated instruction between two iterations.
  test.repeats = form.is_vsib || decoded.has_attribute(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
  return true;
}

void Generator::forbid_lock(TestCase& test) {
  // A LOCK that may not stand there: both sides must refuse it.
  u8 bytes[15] = {0xf0};
  Decoded refused;
  if (test.length >= 14) return;
  // On AMD's processors LOCK MOV CR0 is MOV CR8, whatever other prefixes stand; some ignore LOCK before VERW.
  Decoded plain;
  if (decode(test.size, test.bytes, test.length, plain)) {
    const auto& insn = plain.insn;
    if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F && (insn.opcode & 0xfc) == 0x20) return;
    if (insn.mnemonic == ZYDIS_MNEMONIC_VERW) return;
  }
  std::memcpy(bytes + 1, test.bytes, test.length);
  if (decode(test.size, bytes, test.length + 1, refused)) return;
  std::memcpy(test.bytes, bytes, ++test.length);
}

u16 Generator::random_selector(bool code) {
  if (random_.one_in(8)) return static_cast<u16>(random_.below(4));
  if (random_.one_in(6)) return static_cast<u16>(0x08 + 8 * random_.below(3) + random_.below(4));
  if (random_.one_in(12)) return static_cast<u16>(random_.next() | 0x1000);
  if (code && random_.one_in(2)) return random_.one_in(2) ? kFlatCode64 : kFlatCode32;
  if (random_.one_in(5)) return static_cast<u16>(0x20 + 8 * random_.below(3) + random_.below(4));
  return static_cast<u16>(random_.below(kLdtEntries + 1) << 3 | 4 | (random_.one_in(8) ? random_.below(4) : 3));
}

void Generator::random_segments(TestCase& test) {
  u16* s = test.before.selectors;
  const auto set = [&](Seg seg, u16 selector) { s[static_cast<unsigned>(seg)] = selector; };
  const auto pick = [&](std::initializer_list<u16> selectors) { return selectors.begin()[random_.below(selectors.size())]; };
  switch (test.size) {
    case CodeSize::Bits64:
      set(Seg::CS, kFlatCode64);
      set(Seg::SS, kFlatData);
      test.before.fs_base = random_.one_in(2) ? kData - 0x1000 : random_.next() >> 18;
      test.before.gs_base = random_.one_in(2) ? kStack : sign_extend(random_.next(), 47);
      break;
    case CodeSize::Bits32: {
      set(Seg::CS, random_.one_in(8) ? ldt_selector(kCode32Based) : kFlatCode32);
      set(Seg::SS, random_.one_in(16) ? ldt_selector(kStack16) : kFlatData);
      set(Seg::DS, random_.one_in(8) ? pick({ldt_selector(kOffset32), ldt_selector(kShort32)}) : kFlatData);
      set(Seg::ES, random_.one_in(8) ? pick({ldt_selector(kOffset32), ldt_selector(kShort32), 0}) : kFlatData);
      set(Seg::FS, pick({ldt_selector(kOffset32), ldt_selector(kShort32), ldt_selector(kDown32), ldt_selector(kReadOnly16)}));
      set(Seg::GS, pick({ldt_selector(kOffset32), kFlatData, kFlatCode32, 0}));
      break;
    }
    case CodeSize::Bits16: {
      set(Seg::CS, ldt_selector(kCode16));
      set(Seg::SS, random_.one_in(8) ? kFlatData : ldt_selector(kStack16));
      set(Seg::DS, random_.one_in(6) ? pick({ldt_selector(kShort16), ldt_selector(kReadOnly16), kFlatData}) : ldt_selector(kData16));
      set(Seg::ES, random_.one_in(6) ? pick({ldt_selector(kShort16), ldt_selector(kDown16), 0}) : ldt_selector(kData16));
      set(Seg::FS, pick({ldt_selector(kShort16), ldt_selector(kReadOnly16), ldt_selector(kDown16), ldt_selector(kOffset32)}));
      set(Seg::GS, pick({ldt_selector(kData16), ldt_selector(kCode16), 0}));
      break;
    }
  }
}

void Generator::random_registers(TestCase& test, const Decoded& decoded) {
  for (u64& reg : test.before.gpr) {
    reg = random_integer();
    if (test.size != CodeSize::Bits64) reg &= 0xffff'ffff;
  }
  (void)decoded;
}

void Generator::random_flags(TestCase& test, const Decoded& decoded) {
  u64 flags = random_.next() & rflags::kArithmetic;
  const bool string = decoded.insn.meta.category == ZYDIS_CATEGORY_STRINGOP;
  if (random_.one_in(string ? 2 : 8)) flags |= rflags::DF;
  // Alignment checks of vectors differ between vendors, those of up to 10 bytes do not: left out,
  // as are masked stores, and pushed selectors, which are 2 bytes or more.
  const ZydisMnemonic mnemonic = decoded.insn.mnemonic;
  bool wide = mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
              (mnemonic == ZYDIS_MNEMONIC_PUSH && decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
               ZydisRegisterGetClass(decoded.operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT);
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    wide = wide || (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && (operand.size > 80 || operand.size == 0));
    wide = wide || (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB);
  }
  if (!wide && random_.one_in(64)) flags |= rflags::AC;
  test.before.rflags = flags;
}

void Generator::patch(TestCase& test, u64 address, const void* bytes, size_t size) {
  const u8* first = static_cast<const u8*>(bytes);
  test.patches.push_back({address, std::vector<u8>(first, first + size)});
}

}  // namespace doppel::differential
