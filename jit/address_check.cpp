// From a guest address to the host's.
//
//     lea   r14, [offset]                    linear address
//     pext  r13, r14, [index mask]           slot of the shadow TLB
//     mov   rcx, [tags + r13 * 8]            minus the page number, if it is there
//     mov   r13, [addends + r13 * 8]
//     lea   r13, [r13 + r14]                 host address
//     lea   r14, [r14 + size - 1]            last byte,
//     shrx  r14, r14, r15                    its page
//     lea   rcx, [rcx + r14]                 0: a hit, and the access lies in one page
//     jrcxz hit
//     jmp   cold
//
// Nothing of it touches a flag. Where the flags of the moment will not be looked at, unless the block
// is left, and could then be computed again (jit/flag_source.cpp), an addition of the page and the tag
// takes the place of the last three instructions. Cold code computes the address again, asks C++ to make it a hit, and
// tries again; if that cannot be, it leaves the block before the instruction. A store beside code may be made once though
// the shadow TLB must not let the next one pass.

#include <bit>
#include <cstddef>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;
using Bound = mmu::ShadowTlb::Bound;
using Site = mmu::ShadowTlb::Site;

namespace {

/// Of displacements in 32-bit code: larger ones are addresses themselves.
constexpr i64 kFar = 0x1'0000;

constexpr i32 segment_base(Seg segment) { return segment_offset(segment) + static_cast<i32>(offsetof(cpu::SegmentRegister, base)); }

}  // namespace

void Emitter::emit_offset(const Gpq& to, const AddressForm& form) {
  constexpr u8 kNone = cpu::kZeroRegister;
  const i64 displacement = form.displacement;
  if (form.base == kNone && form.index == kNone) {
    const u64 mask = form.bytes == 8 ? ~u64{0} : form.bytes == 4 ? 0xffff'ffff : 0xffff;
    set(to, static_cast<u64>(displacement) & mask);
    return;
  }
  const auto host_of = [&](u8 guest, const Gpq& scratch) {
    if (home_[guest] != kNoHome) return x86::gpq(home_[guest]);
    a_.mov(scratch, ptr(x86::r15, gpr_offset(guest)));
    return scratch;
  };
  const i32 part = static_cast<i32>(displacement);
  Mem address;
  if (form.base == kNone) {
    address = x86::ptr_abs(static_cast<u64>(i64{part}), host_of(form.index, to), form.scale);
  } else if (form.index == kNone) {
    address = ptr(host_of(form.base, to), part);
  } else {
    const Gpq base = host_of(form.base, to);
    const Gpq index = form.index == form.base ? base : host_of(form.index, x86::rcx);
    address = ptr(base, index, form.scale, part);
  }
  if (form.bytes == 8) {
    a_.lea(to, address);
  } else {
    a_.lea(to.r32(), address);
    if (form.bytes == 2) a_.movzx(to.r32(), to.r16());
  }
}

void Emitter::emit_linear(const AddressForm& form, unsigned size, std::vector<u32>* outside) {
  if (form.bit_index != cpu::kZeroRegister) return emit_bit_linear(form);
  emit_offset(x86::r14, form);
  const Mode mode = request_->mode;
  if (mode.code64()) {
    if (form.segment != Seg::FS && form.segment != Seg::GS) return;
    a_.mov(x86::rcx, ptr(x86::r15, segment_base(form.segment)));
    a_.lea(x86::r14, ptr(x86::r14, x86::rcx));
    return;
  }
  const SegmentShape shape = mode.shape(form.segment);
  if (shape == SegmentShape::Flat) return;
  // Of 16-bit offsets only the end of the access can lie outside.
  if (shape == SegmentShape::Small && (size > 1 || form.bytes != 2) && outside != nullptr) {
    a_.lea(x86::rcx, ptr(x86::r14, static_cast<i32>(size) - 1));
    a_.rorx(x86::rcx, x86::rcx, 16);
    a_.mov(x86::ecx, x86::ecx);
    unless_rcx_zero([&] { outside->push_back(jump_placeholder()); });
  }
  if (shape == SegmentShape::Checked && outside != nullptr) {
    a_.mov(x86::rcx, ptr(x86::r15, facts_offset(cpu_, form.segment) + static_cast<i32>(offsetof(cpu::SegmentFacts, bound))));
    a_.lea(x86::rcx, ptr(x86::rcx, x86::r14, 0, static_cast<i32>(size) - 1));
    a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(Word::SignMask)));
    unless_rcx_zero([&] { outside->push_back(jump_placeholder()); });
  }
  a_.mov(x86::rcx, ptr(x86::r15, segment_base(form.segment)));
  a_.lea(x86::r14d, ptr(x86::r14, x86::rcx));
}

/// Bits are counted in both directions.
void Emitter::emit_bit_linear(const AddressForm& form) {
  const Mem spare = ptr(x86::r15, word_offset(Word::Spare));
  const unsigned scale = form.bit_bytes == 8 ? 3 : 2;
  load_guest(x86::r14, form.bit_index);
  if (form.bit_bytes == 4) a_.movsxd(x86::r14, x86::r14d);
  a_.mov(x86::ecx, scale + 3);
  a_.sarx(x86::rcx, x86::r14, x86::rcx);
  a_.mov(spare, x86::rcx);
  emit_offset(x86::r14, form);
  a_.mov(x86::rcx, spare);
  const Mem operand = ptr(x86::r14, x86::rcx, scale);
  if (form.bytes == 8) {
    a_.lea(x86::r14, operand);
  } else {
    a_.lea(x86::r14d, operand);
  }
}

/// `folds`: r13 becomes the host address. Else it is what is to be added to the linear address.
void Emitter::emit_check(size_t i, const AddressForm& form, MissInfo info, bool folds, bool splits) {
  Miss miss;
  miss.splits = splits;
  miss.retry = here();
  miss.place = place_of(i);
  miss.form = form;
  miss.info = info;
  miss.is_direct = is_direct(form, info.write);
  if (!miss.is_direct) {
    std::vector<u32> outside;
    emit_linear(form, info.size, &outside);
    for (const u32 jump : outside) tail_jumps_.push_back({jump, place_of(i)});
  }
  switch (memory_of_check(info.write)) {
    case Memory::None: emit_index_check(i, info, folds, miss); break;
    case Memory::Page: emit_page_check(i, info, folds, miss); break;
    case Memory::Run: emit_run_check(i, info, folds, miss); break;
  }
  miss.folds = folds;
  miss.done = here();
  misses_.push_back(miss);
}

/// What the check at hand remembers, for a load or a store.
Emitter::Memory Emitter::memory_of_check(bool is_store) const {
  if (has_other_access()) return Memory::None;
  const SiteUses& sites = request_->sites;
  const auto has = [this](const std::array<u64, 2>& bits, Bound bound) {
    return (bits[static_cast<size_t>(bound)] >> at_hand_ & 1) != 0;
  };
  const bool is_same = has(sites.pages, Bound::Limit) == has(sites.pages, Bound::Mask) &&
                       has(sites.runs, Bound::Limit) == has(sites.runs, Bound::Mask);
  const Bound bound = is_same || may_spoil_flags(at_hand_) ? Bound::Limit : Bound::Mask;
  if (has(sites.pages, bound)) return Memory::Page;
  const bool is_left = run_sites_used_[is_store] < sites.run_sites[is_store].size();
  return has(sites.runs, bound) && is_left ? Memory::Run : Memory::None;
}

/// Compares with what this place found last. The address of the data needs nothing that depends on
/// the linear address, so it does not wait for the comparison.
void Emitter::emit_page_check(size_t i, MissInfo info, bool folds, Miss& miss) {
  const size_t privilege = static_cast<size_t>(request_->mode.privilege());
  u16& next = next_site_[privilege][info.write];
  const u16 number = static_cast<u16>(2 * next + info.write);
  next = static_cast<u16>((next + 1) % (mmu::ShadowTlb::kPageSites / 2));
  const bool may_spoil = may_spoil_flags(i);
  const Mem added = begin_site_check(i, number, may_spoil ? Bound::Limit : Bound::Mask, info, miss);
  if (may_spoil) {
    a_.cmp(x86::rcx, static_cast<i32>(kPageSize) - info.size);
    miss.jump = jump_if_placeholder(7);  // Above.
    note_spoilt(i);
  } else if (std::has_single_bit(info.size) && info.size <= 32) {
    // Misaligned accesses may cross a page: they go the long way.
    const i32 mask = word_offset(Word::AlignMasks) + 8 * std::countr_zero(info.size);
    a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, mask));
    unless_rcx_zero([&] { miss.jump = jump_placeholder(); });
  } else {
    // Neither the first byte nor the last may be outside: the sum of two page numbers must be 0.
    a_.lea(x86::r13, ptr(x86::rcx, info.size - 1));
    a_.shrx(x86::rcx, x86::rcx, x86::r15);
    a_.shrx(x86::r13, x86::r13, x86::r15);
    a_.lea(x86::rcx, ptr(x86::rcx, x86::r13));
    unless_rcx_zero([&] { miss.jump = jump_placeholder(); });
  }
  end_site_check(added, folds, miss);
}

/// The same, where it may be one of many pages: the site has the bound, too.
void Emitter::emit_run_check(size_t i, MissInfo info, bool folds, Miss& miss) {
  const u16 number = request_->sites.run_sites[info.write][run_sites_used_[info.write]++];
  const bool may_spoil = may_spoil_flags(i);
  const Mem added = begin_site_check(i, number, may_spoil ? Bound::Limit : Bound::Mask, info, miss);
  const Mem bound = ptr(x86::r15, miss.site + static_cast<i32>(offsetof(Site, bound)));
  if (may_spoil) {
    a_.cmp(x86::rcx, bound);
    miss.jump = jump_if_placeholder(7);
    note_spoilt(i);
  } else {
    const bool has_last = info.size > 1;
    if (has_last) {
      a_.lea(x86::r13, ptr(x86::rcx, info.size - 1));
      a_.pext(x86::r13, x86::r13, bound);
    }
    a_.pext(x86::rcx, x86::rcx, bound);
    if (has_last) a_.lea(x86::rcx, ptr(x86::rcx, x86::r13));
    unless_rcx_zero([&] { miss.jump = jump_placeholder(); });
  }
  end_site_check(added, folds, miss);
}

/// RCX: the distance from the beginning of what the site holds. Returns the address of the data without its addend, which
/// will be R13.
x86::Mem Emitter::begin_site_check(size_t i, u16 number, Bound bound, MissInfo info, Miss& miss) {
  draft_.tlb_sites.push_back({number, static_cast<u16>(i), bound, info.size});
  miss.site = tlb_.sites + static_cast<i32>(number * sizeof(Site));
  miss.is_for_run = mmu::ShadowTlb::is_for_run(number);
  a_.mov(x86::r13, ptr(x86::r15, miss.site + static_cast<i32>(offsetof(Site, minus_begin))));
  const AddressForm& form = miss.form;
  const Mem added = miss.is_direct ? ptr(x86::r13, x86::gpq(home_[form.base]), 0, static_cast<i32>(form.displacement))
                                   : ptr(x86::r13, x86::r14);
  a_.lea(x86::rcx, added);
  return added;
}

void Emitter::end_site_check(const Mem& added, bool folds, Miss& miss) {
  // An empty site lets addresses pass that are not canonical: their access faults on the host.
  is_suspect_ = request_->mode.code64();
  miss.hit = here();
  a_.mov(x86::r13, ptr(x86::r15, miss.site + static_cast<i32>(offsetof(Site, addend))));
  if (folds) a_.lea(x86::r13, added);
}

/// The linear address is a register at home, with a displacement: host instructions can use it as it stands. Where it wraps
/// at 4 GiB, what they compute lies beyond all that a site holds.
bool Emitter::is_direct(const AddressForm& form, bool is_store) const {
  if (form.index != cpu::kZeroRegister || form.bit_index != cpu::kZeroRegister) return false;
  if (form.base >= 16 || home_[form.base] == kNoHome) return false;
  if (memory_of_check(is_store) == Memory::None && form.displacement != 0) return false;
  const Mode mode = request_->mode;
  if (mode.code64()) return form.bytes == 8 && form.segment != Seg::FS && form.segment != Seg::GS;
  const bool hardly_wraps = form.displacement > -kFar && form.displacement < kFar;
  return form.bytes == 4 && hardly_wraps && mode.shape(form.segment) == SegmentShape::Flat;
}

/// Looks into the shadow TLB.
void Emitter::emit_index_check(size_t i, MissInfo info, bool folds, Miss& miss) {
  const TlbOffsets& tlb = info.other_access ? other_tlb_ : tlb_;
  const Mem tag = ptr(x86::r15, x86::r13, 3, info.write ? tlb.write_tags : tlb.read_tags);
  const Mem addend = ptr(x86::r15, x86::r13, 3, tlb.addends);
  const Gpq linear = miss.is_direct ? x86::gpq(home_[miss.form.base]) : x86::r14;
  const i32 last = info.size - 1;
  a_.pext(x86::r13, linear, ptr(x86::r15, tlb.mask));
  if (may_spoil_flags(i)) {
    if (last != 0) a_.lea(x86::rcx, ptr(linear, last));
    a_.shrx(x86::rcx, last != 0 ? x86::rcx : linear, x86::r15);
    a_.add(x86::rcx, tag);
    miss.jump = jump_if_placeholder(5);  // Not zero.
    a_.mov(x86::r13, addend);
    if (folds) a_.lea(x86::r13, ptr(x86::r13, linear));
    note_spoilt(i);
  } else {
    a_.mov(x86::rcx, tag);
    a_.mov(x86::r13, addend);
    if (folds) a_.lea(x86::r13, ptr(x86::r13, linear));
    if (last != 0) a_.lea(x86::r14, ptr(linear, last));
    a_.shrx(x86::r14, last != 0 ? x86::r14 : linear, x86::r15);
    a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
    unless_rcx_zero([&] { miss.jump = jump_placeholder(); });
  }
}

void Emitter::note_spoilt(size_t i) {
  now_.flags_are_spoilt = true;
  tail_states_[place_of(i)].flags_of = now_.flag_source;
}

void Emitter::emit_miss(const Miss& miss) {
  patch_here(miss.jump);
  if (miss.site == 0 || miss.is_direct) emit_linear(miss.form, miss.info.size, nullptr);
  if (miss.is_direct && miss.form.bytes == 4 && miss.form.displacement != 0) {
    // The site would help nobody who wraps.
    a_.lea(x86::rcx, ptr(x86::gpq(home_[miss.form.base]), static_cast<i32>(miss.form.displacement)));
    a_.rorx(x86::rcx, x86::rcx, 32);
    a_.mov(x86::ecx, x86::ecx);
    unless_rcx_zero([&] { tail_jumps_.push_back({jump_placeholder(), miss.place}); });
  }
  if (miss.splits) {
    a_.pext(x86::rcx, x86::r14, ptr(x86::r15, word_offset(Word::OffsetMask)));
    a_.lea(x86::rcx, ptr(x86::rcx, miss.info.size - 1));
    a_.shrx(x86::rcx, x86::rcx, x86::r15);
    unless_rcx_zero([&] { splits_.push_back({jump_placeholder(), miss.place}); });
  }
  if (miss.site != 0) {
    a_.mov(x86::r13d, miss.site);
    a_.mov(x86::ecx, miss.info.pack());
    a_.call_far(base_, stubs_.site[static_cast<size_t>(request_->mode.privilege())][miss.info.write][miss.is_for_run]);
    emit_jump_to(miss.hit);
  } else {
    a_.mov(x86::ecx, miss.info.pack());
  }
  a_.call_far(base_, stubs_.miss);
  emit_jump_to(miss.retry);
  tail_jumps_.push_back({jump_placeholder(), miss.place});
  // For stores, this once, r13 is what is to be added.
  if (!miss.info.write) return;
  if (miss.folds) a_.lea(x86::r13, ptr(x86::r13, x86::r14));
  emit_jump_to(miss.done);
}

HostMemory Emitter::emit_access(size_t i, const MemoryUse& use, bool spares_r14) {
  HostMemory host;
  host.base = kR13;
  if (use.group < 0) {
    const AddressForm form = with_owed(use.form);
    const bool stands_in_home = is_direct(form, use.write);
    // Without flags the index form spends R14 itself.
    const bool folds = !stands_in_home && (spares_r14 || (memory_of_check(use.write) == Memory::None && !may_spoil_flags(i)));
    emit_check(i, form, {use.size, use.write, false, use.alignment_mask, 0, has_other_access()}, folds);
    group_at_hand_ = -1;
    if (folds) return host;
    host.index = stands_in_home ? home_[form.base] : u8{kR14};
    if (stands_in_home) host.displacement = static_cast<i32>(form.displacement);
    return host;
  }
  Group& group = groups_[static_cast<size_t>(use.group)];
  const i32 slot = group_offset(static_cast<unsigned>(use.group));
  const u8 home = home_of_group(use.group);
  if (!group.is_begun) {
    AddressForm form = use.form;
    form.displacement = group.low_from_base;
    emit_check(i, with_owed(form), {group.span, group.write, group.reads_first, use.alignment_mask,
                         static_cast<u16>(use.offset), has_other_access()}, true, request_->splits && !has_other_access());
    // A miss looks there for addresses that are held.
    if (group.returns != 0) a_.mov(ptr(x86::r15, slot), x86::r13);
    if (home != kNoHome) a_.mov(x86::gpq(home), x86::r13);
    group.is_begun = true;
    group_at_hand_ = use.group;
  } else if (home != kNoHome) {
    host.base = home;
  } else if (group_at_hand_ != use.group) {
    a_.mov(x86::r13, ptr(x86::r15, slot));
    group_at_hand_ = use.group;
  }
  host.displacement = use.offset;
  return host;
}

void Emitter::note_site(bool is_store) {
  draft_.memory_sites.push_back({here(), is_store});
  if (is_suspect_) draft_.faults.push_back({here(), static_cast<u32>(place_of(at_hand_))});
  is_suspect_ = false;
}

}  // namespace doppel::jit
