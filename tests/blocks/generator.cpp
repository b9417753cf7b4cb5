#include "tests/blocks/generator.h"

#include <algorithm>

namespace doppel::blocks {

using differential::Form;

namespace {

struct SettingWeight {
  Setting setting;
  CodeSize size;
  unsigned weight;
};
constexpr SettingWeight kSettings[] = {
    {Setting::Long64User, CodeSize::Bits64, 30},      {Setting::Long64Kernel, CodeSize::Bits64, 16},
    {Setting::Compat32User, CodeSize::Bits32, 6},     {Setting::Compat32Kernel, CodeSize::Bits32, 2},
    {Setting::Compat16User, CodeSize::Bits16, 2},     {Setting::Legacy32User, CodeSize::Bits32, 12},
    {Setting::Legacy32Kernel, CodeSize::Bits32, 12},  {Setting::Protected16User, CodeSize::Bits16, 4},
    {Setting::Protected16Kernel, CodeSize::Bits16, 4}, {Setting::V86, CodeSize::Bits16, 5},
    {Setting::Real, CodeSize::Bits16, 7},
};

}  // namespace

BlockGenerator::BlockGenerator(u64 seed, const FormTable& forms, const TableEntries& entries, int mode)
    : seed_(seed), forms_(forms), entries_(entries), mode_(mode), assembler_(seed), values_(seed) {}

BlockCase BlockGenerator::make(u64 number) {
  for (u64 attempt = 0;; ++attempt) {
    random_ = Random(Random(seed_ ^ number * 0x2545'f491'4f6c'dd1d).next() + attempt);
    assembler_.reseed(random_.next());
    block_ = BlockCase{};
    block_.number = number;
    block_.set = static_cast<unsigned>(number % kHighSetCount);
    block_.replacement_seed = static_cast<u32>(random_.next());
    used_.clear();
    next_id_[0] = 0;
    next_id_[1] = kOtherSectionIds;
    section_ = 0;
    block_.warm = random_.one_in(2);
    choose_setting();
    choose_roles();
    choose_flavour();
    // Most blocks lie in one page, some go across into the second.
    block_.entry_offset = static_cast<u32>(random_.one_in(4) ? kPageSize - random_.below(120) : random_.below(kPageSize - 900));
    block_.other_offset = static_cast<u32>(random_.below(kPageSize - 400));
    fill();
    procedure();
    LaidOut code;
    if (!lay_out(block_, code)) continue;
    choose_runs();
    return block_;
  }
}

void BlockGenerator::choose_setting() {
  unsigned total = 0;
  for (const SettingWeight& row : kSettings) {
    if ((mode_ == 0 || mode_ == 16 << static_cast<int>(row.size)) && !forms_.empty(row.size)) total += row.weight;
  }
  u64 at = random_.below(total);
  for (const SettingWeight& row : kSettings) {
    if ((mode_ != 0 && mode_ != 16 << static_cast<int>(row.size)) || forms_.empty(row.size)) continue;
    block_.setting = row.setting;
    block_.size = row.size;
    if (at < row.weight) break;
    at -= row.weight;
  }
  const unsigned privilege = is_kernel(block_.setting) ? 0 : 3;
  u16* s = block_.selectors;
  const auto set = [&](Seg seg, Segments segment) { s[static_cast<unsigned>(seg)] = selector_of(segment, segment <= kCode16 || seg == Seg::SS ? privilege : 3); };
  const auto all = [&](Segments segment) {
    for (Seg seg : {Seg::ES, Seg::SS, Seg::DS, Seg::FS, Seg::GS}) set(seg, segment);
  };
  const auto any = [&](std::initializer_list<Segments> list) { return list.begin()[random_.below(list.size())]; };
  if (is_low(block_.setting)) {
    const u16 code = static_cast<u16>(code_frames(block_) >> 4);
    const u16 data = (kDataFrames - kData16Slack) >> 4;
    for (unsigned i = 0; i < 6; ++i) s[i] = data;
    s[static_cast<unsigned>(Seg::CS)] = s[static_cast<unsigned>(Seg::GS)] = code;
    s[static_cast<unsigned>(Seg::SS)] = (kStackFrames - kStack16Slack) >> 4;
  } else if (bits16()) {
    set(Seg::CS, kCode16);
    set(Seg::SS, random_.one_in(10) ? kFlat : kStack16);
    set(Seg::DS, random_.one_in(10) ? any({kShort16, kReadOnly, kFlat}) : kData16);
    set(Seg::ES, random_.one_in(10) ? any({kShort16, kDown16, kAlias16}) : kData16);
    set(Seg::FS, any({kShort16, kDown16, kReadOnly, kOffset32}));
    set(Seg::GS, kAlias16);
  } else {
    all(kFlat);
    set(Seg::CS, bits64() ? kCode64 : kCode32);
    if (!bits64() && random_.one_in(4)) {
      if (random_.one_in(3)) set(Seg::CS, kCode32Based);
      if (random_.one_in(6)) set(Seg::SS, kStack16);
      if (random_.one_in(2)) set(Seg::DS, any({kOffset32, kShort32}));
      if (random_.one_in(2)) set(Seg::ES, any({kOffset32, kShort32, kReadOnly}));
    }
    if (!bits64()) set(Seg::FS, any({kOffset32, kShort32, kDown32, kReadOnly, kFlat}));
  }
  if (!is_low(block_.setting) && random_.one_in(25)) {
    block_.second_page = static_cast<SecondPage>(1 + random_.below(is_long(block_.setting) ? 3 : 2));
  }
  if (block_.setting == Setting::V86 && random_.one_in(25)) block_.second_page = SecondPage::Absent;
}

void BlockGenerator::choose_roles() {
  roles_ = Addressing{};
  if (bits16()) {
    roles_.pointers = {RBX, RSI, RDI};
    roles_.small = {RCX};
    roles_.free = {RAX, RDX};
    roles_.wide = random_.one_in(3);
  } else {
    roles_.pointers = {RSI, RDI};
    roles_.free = {RAX, RDX};
    (random_.one_in(2) ? roles_.pointers : roles_.free).push_back(RBX);
    if (bits64()) {
      for (u8 reg = R8; reg <= R15; ++reg) {
        (random_.one_in(3) ? roles_.pointers : random_.one_in(4) ? roles_.small : roles_.free).push_back(reg);
      }
    }
  }
  const u64 window = is_low(block_.setting) ? kDataFrames : kData;
  roles_.absolute = static_cast<u32>(bits64() ? window : window - data_segment_base(static_cast<unsigned>(Seg::DS)));
  roles_.absolute_is_linear = bits64();
}

u64 BlockGenerator::data_segment_base(unsigned segment) const {
  const u16 selector = block_.selectors[segment];
  if (is_low(block_.setting)) return u64{selector} << 4;
  if (bits64()) return 0;
  switch ((selector >> 3) - 1u >= kSegmentCount ? (selector >> 3) - 1u - kSegmentCount : (selector >> 3) - 1u) {
    case kData16:
    case kShort16:
    case kDown16: return kData - kData16Slack;
    case kStack16: return kStack - kStack16Slack;
    case kCode16:
    case kCode32Based:
    case kAlias16: return kCode;
    case kOffset32: return kData - 0x10000;
    case kShort32:
    case kDown32:
    case kReadOnly:
    case kAbsent: return kData;
    default: return 0;
  }
}

void BlockGenerator::choose_flavour() {
  static constexpr Group kFlavours[] = {Group::Integer, Group::Integer, Group::Integer, Group::Integer, Group::Integer,
                                        Group::OtherInteger, Group::String, Group::Stack, Group::X87, Group::X87,
                                        Group::Mmx, Group::Sse, Group::Sse, Group::Avx, Group::System};
  flavour_ = kFlavours[random_.below(std::size(kFlavours))];
}

const Form* BlockGenerator::random_form() {
  for (;;) {
    Group group = Group::Integer;
    if (random_.one_in(2)) group = flavour_;
    else if (random_.one_in(4)) group = static_cast<Group>(random_.below(kGroupCount));
    // Branches with random targets leave the block; they are worth a few cases.
    if (group == Group::Branch && !random_.one_in(10)) group = Group::Integer;
    const auto* list = &forms_.of(block_.size, group);
    // Where only some forms are wanted the groups are mostly empty.
    while (list->empty()) list = &forms_.of(block_.size, static_cast<Group>(random_.below(kGroupCount)));
    const Form* form = (*list)[random_.below(list->size())];
    // There are sixteen conditions: they would crowd out the rest.
    const bool conditional = (form->mnemonic >= ZYDIS_MNEMONIC_CMOVB && form->mnemonic <= ZYDIS_MNEMONIC_CMOVZ) ||
                             (form->mnemonic >= ZYDIS_MNEMONIC_SETB && form->mnemonic <= ZYDIS_MNEMONIC_SETZ);
    if (conditional && list->size() > 64 && !random_.one_in(8)) continue;
    if (is_kernel(block_.setting) && is_disruptive(*form)) continue;
    return form;
  }
}

u8 BlockGenerator::free_register() { return pick(roles_.free); }

void BlockGenerator::fill() {
  const u64 wanted = random_.one_in(3) ? 1 + random_.below(6) : random_.one_in(2) ? 1 + random_.below(16) : 1 + random_.below(32);
  while (block_.items.size() < wanted) {
    switch (random_.below(64)) {
      case 0: case 1: case 2: forward_branch(); break;
      case 3: case 4: loop(); break;
      case 5: call_procedure(); break;
      case 6: random_.one_in(2) ? call_over() : loop_of_calls(); break;
      case 7: case 8: push_pop(); break;
      case 9: case 10: indirect(); break;
      case 11: unbalanced(); break;
      case 12: case 13: string(); break;
      case 14: change_code(); break;
      case 15: if (random_.one_in(3)) change_code_by_string(); break;
      case 16: user_callout(); break;
      case 17: if (is_kernel(block_.setting)) kernel_callout(); break;
      case 18: if (random_.one_in(2)) segment_load(); break;
      case 19: if (is_kernel(block_.setting)) remap(); break;
      case 20: if (random_.one_in(3)) noise(); break;
      case 21: if (random_.one_in(3)) return_from_interrupt(); break;
      case 22: overwritten_operand(); break;
      default: instruction(); break;
    }
  }
}

void BlockGenerator::procedure() {
  if (!has_procedure_ && !random_.one_in(8)) return;
  has_procedure_ = false;
  section_ = 1;
  for (u64 n = random_.below(4); n > 0; --n) instruction();
  ret();
  section_ = 0;
}

}  // namespace doppel::blocks
