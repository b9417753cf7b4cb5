// Values that instructions find interesting.

#include <array>
#include <cstring>

#include "tests/differential/generator.h"

namespace doppel::differential {

void Generator::random_bytes(u8* out, size_t size) {
  for (size_t i = 0; i < size; i += 8) {
    const u64 value = random_.next();
    std::memcpy(out + i, &value, size - i < 8 ? size - i : 8);
  }
}

u64 Generator::random_integer() {
  switch (random_.below(10)) {
    case 0: return random_.below(256);
    case 1: return ~u64{0} - random_.below(16);
    case 2: return u64{1} << random_.below(64);
    case 3: return (u64{1} << random_.below(64)) - 1;
    case 4: return 0;
    case 5: {
      // The edges of every width, with anything above them.
      static constexpr u64 kEdges[] = {0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff'ffff, 0x8000'0000, 0xffff'ffff};
      const u64 edge = kEdges[random_.below(9)];
      return random_.one_in(2) ? edge : edge | random_.next() << 32;
    }
    default: return random_.next();
  }
}

void Generator::random_element(u8* out, unsigned bytes, bool floating) {
  u64 value = random_integer();
  if (floating && bytes == 4) {
    static constexpr u32 kSpecial[] = {
        0x0000'0000, 0x8000'0000, 0x3f80'0000, 0xbf80'0000, 0x7f80'0000, 0xff80'0000, 0x7fc0'0000,
        0xffc0'0000, 0x7f80'0001, 0xffbf'ffff, 0x0000'0001, 0x807f'ffff, 0x0080'0000, 0x7f7f'ffff,
        0x4f00'0000, 0xcf00'0000, 0x5f00'0000, 0x3f00'0000, 0x3fc0'0000, 0x4eff'ffff};
    if (random_.one_in(2)) value = kSpecial[random_.below(std::size(kSpecial))];
    else if (random_.one_in(2)) value = (value & 0x807f'ffff) | (120 + random_.below(16)) << 23;
  } else if (floating && bytes == 8) {
    static constexpr u64 kSpecial[] = {
        0, 0x8000'0000'0000'0000, 0x3ff0'0000'0000'0000, 0xbff0'0000'0000'0000, 0x7ff0'0000'0000'0000,
        0xfff0'0000'0000'0000, 0x7ff8'0000'0000'0000, 0xfff8'0000'0000'0000, 0x7ff0'0000'0000'0001,
        0x0000'0000'0000'0001, 0x800f'ffff'ffff'ffff, 0x0010'0000'0000'0000, 0x7fef'ffff'ffff'ffff,
        0x41e0'0000'0000'0000, 0xc1e0'0000'0020'0000, 0x43e0'0000'0000'0000, 0x3fe0'0000'0000'0000,
        0x36a0'0000'0000'0000, 0x47ef'ffff'e000'0000, 0x3690'0000'0000'0000};
    if (random_.one_in(2)) value = kSpecial[random_.below(std::size(kSpecial))];
    else if (random_.one_in(2)) value = (value & 0x800f'ffff'ffff'ffff) | (1016 + random_.below(16)) << 52;
  }
  std::memcpy(out, &value, bytes);
}

void Generator::random_extended(u8* out) {
  u64 significand = random_.next() | u64{1} << 63;
  u16 exponent = static_cast<u16>(random_.next());
  switch (random_.below(16)) {
    case 0: significand = 0; exponent &= 0x8000; break;                       // Zero.
    case 1: exponent &= 0x8000; significand &= ~(u64{1} << 63); break;        // Denormal.
    case 2: exponent &= 0x8000; break;                                        // Pseudo-denormal.
    case 3: exponent |= 0x7fff; significand = u64{1} << 63; break;            // Infinity.
    case 4: exponent |= 0x7fff; significand |= u64{1} << 62; break;           // Quiet NaN.
    case 5: exponent |= 0x7fff; significand &= ~(u64{1} << 62); break;        // Signalling NaN.
    case 6: significand &= ~(u64{1} << 63); break;                            // Unnormal.
    case 7: exponent |= 0x7fff; significand = 0; break;                       // Pseudo-infinity.
    case 8: significand = u64{1} << 63; exponent = static_cast<u16>((exponent & 0x8000) | 0x3fff); break;
    default:
      // Near one: sums cancel, products stay in range, integers convert.
      exponent = static_cast<u16>((exponent & 0x8000) | (0x3fff - 20 + random_.below(90)));
      if (random_.one_in(2)) significand &= ~u64{0} << random_.below(63);
      significand |= u64{1} << 63;
      break;
  }
  std::memcpy(out, &significand, 8);
  std::memcpy(out + 8, &exponent, 2);
}

void Generator::random_float(TestCase& test, const Decoded& decoded) {
  FloatImage& fp = test.before.fp;
  // Register contents lean towards what the operands are said to be.
  bool floating = random_.one_in(4);
  unsigned element = random_.one_in(2) ? 4 : 8;
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    const ZydisElementType type = decoded.operands[i].element_type;
    if (type == ZYDIS_ELEMENT_TYPE_FLOAT32 || type == ZYDIS_ELEMENT_TYPE_FLOAT64) {
      floating = !random_.one_in(8);
      element = type == ZYDIS_ELEMENT_TYPE_FLOAT32 ? 4 : 8;
    }
  }
  for (unsigned reg = 0; reg < 16; ++reg) {
    for (unsigned at = 0; at < 16; at += element) {
      random_element(fp.xmm[reg] + at, element, floating);
      random_element(test.before.ymm_high[reg] + at, element, floating);
    }
  }
  fp.mxcsr = 0x1f80;
  if (!random_.one_in(4)) fp.mxcsr |= static_cast<u32>(random_.below(4) << 13);
  if (random_.one_in(4)) fp.mxcsr |= static_cast<u32>(random_.next() & 0x8040);         // FZ, DAZ
  if (random_.one_in(4)) fp.mxcsr |= static_cast<u32>(random_.next() & 0x3f);           // Sticky flags.
  if (random_.one_in(4)) fp.mxcsr &= ~static_cast<u32>(random_.next() & 0x1f80);        // Unmasked.

  fp.fcw = static_cast<u16>(0x37f | random_.below(4) << 10);
  if (random_.one_in(3)) fp.fcw = static_cast<u16>((fp.fcw & ~0x300u) | random_.below(4) << 8);
  if (random_.one_in(4)) fp.fcw = static_cast<u16>(fp.fcw & ~(random_.next() & 0x3f));
  fp.fsw = static_cast<u16>(random_.next() & 0x7f00);
  if (random_.one_in(3)) fp.fsw = static_cast<u16>(fp.fsw & ~0x3800u);
  if (random_.one_in(4)) fp.fsw = static_cast<u16>(fp.fsw | (random_.next() & 0x7f));
  // A pending error is rare: it stops nearly every instruction.
  if ((fp.fsw & ~fp.fcw & 0x3f) != 0) {
    if (random_.one_in(4)) fp.fsw |= 0x8080;
    else fp.fsw = static_cast<u16>(fp.fsw & (fp.fcw | ~0x3fu));
  }
  switch (random_.below(4)) {
    case 0: fp.ftw = 0xff; break;
    case 1: fp.ftw = static_cast<u8>(random_.next()); break;
    case 2: fp.ftw = 0; break;
    default: fp.ftw = static_cast<u8>(random_.next() | random_.next() | random_.next()); break;
  }
  const bool mmx = decoded.insn.meta.category == ZYDIS_CATEGORY_MMX || random_.one_in(8);
  for (auto& st : fp.st) {
    if (mmx) {
      random_element(st, 8, false);
      st[8] = st[9] = 0xff;
    } else {
      random_extended(st);
    }
  }
}

void Generator::fill_background(const MemoryView& memory) {
  random_ = Random(seed_);
  for (u64 at = 0; at < kDataBytes; at += 8) random_element(memory.data + at, 8, random_.one_in(2));
  for (u64 at = 0; at < kStackBytes; at += 8) random_element(memory.stack + at, 8, false);
  std::memset(memory.code, 0x90, kCodePages * kPageSize);
}

}  // namespace doppel::differential
