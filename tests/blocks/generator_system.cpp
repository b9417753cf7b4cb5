// Patterns of what the monitor has a hand in: flags, interrupts, segments, control registers, page tables.

#include "cpu/arch/paging.h"
#include "tests/blocks/generator.h"

namespace doppel::blocks {

void BlockGenerator::user_callout() {
  switch (random_.below(16)) {
    case 0: add({0x9c}); add({u64{0x58} | (roles_.free[0] & 7)}); break;  // PUSHF; POP
    case 1: add({0x9c}); add({0x9d}); break;
    case 2: add({0x6a, random_.below(128)}); add({0x9d}); break;  // PUSH imm; POPF
    case 3: load_immediate(RAX, static_cast<u32>(random_.below(4))); add({0x0f, 0xa2}); break;
    case 4: add({0x0f, 0x31}); break;        // RDTSC
    case 5: add({0xcd, 0x41}); break;        // INT 41h returns.
    case 6:
      if (random_.one_in(2)) add({0xcc});
      else add({0x0f, random_.one_in(2) ? u64{0xa0} : u64{0xa8}});  // PUSH FS or GS
      break;
    case 7: add({0x9f}); add({0x9e}); break;  // LAHF; SAHF
    case 8: add({0xcd, random_.below(256)}); break;
    case 9: load_immediate(RCX, 0); add({0x0f, 0x01, 0xd0}); break;  // XGETBV
    case 10: add({random_.one_in(2) ? u64{0xfc} : u64{0xfd}}); instruction(); break;  // CLD or STD
    case 11: add({0x0f, 0xc7, 0xf0}); break;  // RDRAND: the machine's own sequence.
    case 12: if (random_.one_in(6)) add({0x0f, random_.one_in(2) ? u64{0x05} : u64{0x34}}); break;
    case 13:
      if (!random_.one_in(4)) load_immediate(RCX, 0);
      add({0x0f, 0x01, 0xee});  // RDPKRU
      break;
    case 14:
      // RDFSBASE or RDGSBASE, of 32 or 64 bits; RDTSCP outside 64-bit code.
      if (bits64()) add({0xf3, random_.one_in(2) ? 0x48u : 0x40u, 0x0f, 0xae, 0xc0u | random_.below(2) << 3 | (roles_.free[0] & 7)});
      else add({0x0f, 0x01, 0xf9});
      break;
    default: add({random_.one_in(2) ? u64{0xfa} : u64{0xfb}}); break;  // CLI, STI
  }
}

void BlockGenerator::kernel_callout() {
  const auto from_control = [&](u64 number) { add({0x0f, 0x20, 0xc0 | number << 3}); };
  const auto to_control = [&](u64 number) { add({0x0f, 0x22, 0xc0 | number << 3}); };
  const auto toggle = [&](u64 number, u64 byte, u64 bit) {
    from_control(number);
    // BTC EAX, bit
    if (bits16()) add({0x66, 0x0f, 0xba, 0xf8, byte * 8 + bit});
    else add({0x0f, 0xba, 0xf8, byte * 8 + bit});
    to_control(number);
  };
  const bool real = block_.setting == Setting::Real;
  switch (random_.below(22)) {
    case 0: add({0xfa}); instruction(); add({0xfb}); break;
    case 1: add({0xfb}); break;
    case 2: add({0x0f, 0x06}); break;                       // CLTS
    case 3: add({0x0f, 0x01, 0x38u | (bits16() ? 5u : 6u)}); break;  // INVLPG [pointer]
    case 4: if (!real) { from_control(3); to_control(3); } break;
    case 5: toggle(0, 2, 0); break;                         // WP
    case 6: if (random_.one_in(3)) toggle(0, 0, 3); break;  // TS
    case 7: toggle(4, 0, 7); break;                         // PGE
    case 8: add({0x0f, 0x09}); break;                       // WBINVD
    case 9: if (!bits16()) { load_immediate(RCX, 0xc000'0080); add({0x0f, 0x32}); } break;  // RDMSR
    case 10:
      if (!bits64()) break;
      load_immediate(RCX, static_cast<u32>(0xc000'0100 + random_.below(3)));
      load_immediate(RDX, 0);
      add({0x0f, 0x30});  // WRMSR: FS.base, GS.base or KERNEL_GS_BASE
      break;
    case 11: if (bits64()) add({0x0f, 0x01, 0xf8}); break;  // SWAPGS
    case 12: add({0x8c, 0xd0}); add({0x8e, 0xd0}); instruction(); break;  // MOV SS, its own value
    case 13: add({0xec | random_.below(4)}); break;         // IN and OUT through DX
    case 14: if (random_.one_in(4)) add({0xf4}); break;
    case 15:
      if (bits64()) add({0x0f, 0x01, 0x15, 0, 0, 0, 0}, {{Fixup::Kind::Relative, 3, 4, 0, true, -1, static_cast<i64>(kSystem + kPseudoDescriptors)}});
      else if (!bits16()) add({0x65, 0x0f, 0x01, 0x15, 0, 0, 0, 0}, {{Fixup::Kind::Absolute, 4, 4, 0, true, -1, static_cast<i64>(kSystem + kPseudoDescriptors)}});
      break;  // LGDT with what is loaded
    case 17: toggle(4, 2, random_.one_in(4) ? 6 : 5); break;  // PKE or SMAP
    case 18:
    case 19: {
      // STAC or CLAC, a few instructions, and most times the other.
      const u64 first = random_.one_in(4) ? 0xca : 0xcb;
      add({0x0f, 0x01, first});
      for (u64 n = random_.below(4); n != 0; --n) instruction();
      if (!random_.one_in(4)) add({0x0f, 0x01, first ^ 1});
      break;
    }
    case 20: add({0x0f, 0x20, 0xc0u | random_.below(5) << 3 | (roles_.free[0] & 7)}); break;  // MOV from CR0 to CR4
    case 16:
      if (!bits64() || !random_.one_in(4)) break;
      // A data breakpoint in the window, for what is left of the run.
      load_immediate(RAX, static_cast<u32>(kData + random_.below(0x3000)));
      add({0x0f, 0x23, 0xc0});
      load_immediate(RAX, 0x000d'0702);
      add({0x0f, 0x23, 0xf8});
      break;
    default: add({0x9c}); add({0x9d}); break;
  }
}

void BlockGenerator::segment_load() {
  // DS and ES mostly: FS and GS serve other shapes.
  static constexpr u8 kTargets[] = {0, 0, 3, 3, 4, 5, 2};
  const u8 target = kTargets[random_.below(sizeof kTargets)];
  u16 selector;
  if (is_low(block_.setting)) {
    selector = random_.one_in(3) ? static_cast<u16>(random_.below(0x5000)) : block_.selectors[random_.below(6)];
  } else {
    static constexpr Segments kLoaded[] = {kFlat, kFlat, kData16, kOffset32, kShort32, kReadOnly, kDown32, kAbsent, kAlias16, kCode32};
    selector = random_.one_in(3) ? block_.selectors[target] : selector_of(kLoaded[random_.below(10)], random_.one_in(6) ? 0 : 3);
    if (random_.one_in(12)) selector = static_cast<u16>(random_.below(4));
  }
  switch (random_.below(6)) {
    case 0:
      // PUSH imm; POP segment
      if (!bits16() && !bits64()) {
        add({0x68, selector & 0xffu, selector >> 8 & 0xffu, 0, 0});
        add({target == 0 ? u64{0x07} : target == 2 ? u64{0x17} : u64{0x1f}});
        break;
      }
      [[fallthrough]];
    default:
      load_immediate(RAX, selector);
      add({0x8e, 0xc0u | target << 3});
      break;
    case 1:
      // A far jump to what comes next.
      if (bits64()) break;
      {
        const u16 code = block_.selectors[1];
        const u8 bytes = bits16() ? 2 : 4;
        const int target_id = next_id_[section_] + 1 + static_cast<int>(random_.below(2));
        if (bits16()) add({0xea, 0, 0, code & 0xffu, code >> 8 & 0xffu}, {{Fixup::Kind::Absolute, 1, bytes, 0, false, target_id, 0}});
        else add({0xea, 0, 0, 0, 0, code & 0xffu, code >> 8 & 0xffu}, {{Fixup::Kind::Absolute, 1, bytes, 0, false, target_id, 0}});
      }
      break;
    case 2:
      // A far return: the selector and the offset pushed first.
      if (bits64()) {
        add({0x68, block_.selectors[1] & 0xffu, block_.selectors[1] >> 8 & 0xffu, 0, 0});
        load_address(RAX, next_id_[section_] + 3, 0);
        add({0x50});
        add({0x48, 0xcb});
      } else {
        add({0x0e});
        load_address(RAX, next_id_[section_] + 3, 0);
        add({0x50});
        add({0xcb});
      }
      break;
  }
}

void BlockGenerator::return_from_interrupt() {
  if (bits64()) {
    add({0x48, 0x89, 0xe0});  // MOV RAX, RSP; MOV ECX, SS; PUSH RCX; PUSH RAX
    add({0x8c, 0xd1});
    add({0x51});
    add({0x50});
    add({0x9c});
    add({0x68, block_.selectors[1] & 0xffu, block_.selectors[1] >> 8 & 0xffu, 0, 0});
  } else {
    add({0x9c});
    add({0x0e});
  }
  load_address(RDX, next_id_[section_] + 3, 0);
  add({0x52});
  if (bits64()) add({0x48, 0xcf});
  else add({0xcf});
}

void BlockGenerator::remap() {
  if (bits16()) return;
  const bool code = random_.one_in(3);
  u64 frame;
  if (code) frame = code_frames(block_) + (random_.one_in(2) ? 2 : 3) * kPageSize;
  else frame = kDataFrames + (random_.one_in(2) ? 7 : 8) * kPageSize;
  u64 entry = frame | pte::P | pte::W | pte::U;
  if (random_.one_in(6)) entry &= ~pte::W;
  if (random_.one_in(12)) entry = 0;
  const u64* entries = code ? entries_.other_page : entries_.remapped_page;
  const i64 at = static_cast<i64>(kSystem + entries[is_long(block_.setting)]);
  const i64 page = static_cast<i64>(code ? kCode + kOtherPage : kData + kRemappedPage);
  const u64 e[4] = {entry & 0xff, entry >> 8 & 0xff, entry >> 16 & 0xff, entry >> 24 & 0xff};
  // One item, so that nothing comes between the store and INVLPG: a translation that should have been
  // dropped may or may not be used.
  if (bits64()) {
    add({0xc7, 0x05, 0, 0, 0, 0, e[0], e[1], e[2], e[3], 0x0f, 0x01, 0x3d, 0, 0, 0, 0},
        {{Fixup::Kind::Relative, 2, 4, 4, true, -1, at}, {Fixup::Kind::Relative, 13, 4, 0, true, -1, page}});
  } else {
    add({0x65, 0xc7, 0x05, 0, 0, 0, 0, e[0], e[1], e[2], e[3], 0x65, 0x0f, 0x01, 0x3d, 0, 0, 0, 0},
        {{Fixup::Kind::Absolute, 3, 4, 0, true, -1, at}, {Fixup::Kind::Absolute, 15, 4, 0, true, -1, page}});
  }
  if (code) {
    has_procedure_ = true;
    near_branch({0xe8}, kOtherSectionIds);
  } else if (bits64()) {
    // MOV EAX, [page]
    add({0x8b, 0x05, 0, 0, 0, 0}, {{Fixup::Kind::Relative, 2, 4, 0, true, -1, page + static_cast<i64>(random_.below(16))}});
  } else {
    add({0x65, 0x8b, 0x05, 0, 0, 0, 0}, {{Fixup::Kind::Absolute, 3, 4, 0, true, -1, page + static_cast<i64>(random_.below(16))}});
  }
}

}  // namespace doppel::blocks
