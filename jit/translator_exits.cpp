// What translated code calls, and what happens after it was left.
//
// A callout runs an instruction's handler with everything in the CpuState, and decides whether
// translated code may go on behind it. An exit says why it was made: then RIP, flags and the count
// of retired instructions are put in order, and what only the interpreter can do is done.

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "cpu/instruction_table.h"
#include "jit/translator_impl.h"

namespace doppel::jit {

using cpu::CpuState;

namespace {

/// Blocks that are left to the interpreter this often for groups that straddle pages are translated again.
constexpr u32 kLeavesBeforeRetry = 32;

}  // namespace

/// Turns AC over. Nothing else that a mode is made of changes.
void Translator::Impl::switch_access() {
  const bool is_known = cpu_.translation_epoch() == entered_epoch_;
  cpu_.write_flags(~cpu_.state.system_flags, rflags::AC);
  if (is_known) entered_epoch_ = cpu_.translation_epoch();
}

u64 Translator::Impl::miss(u64 linear, MissInfo info) {
  if (!info.other_access) return miss_here(linear, info);
  switch_access();
  const u64 result = miss_here(linear, info);
  switch_access();
  return result;
}

u64 Translator::Impl::miss_here(u64 linear, MissInfo info) {
  ++statistics_.misses;
  const Access access = info.write ? Access::Write : Access::Read;
  const bool is_aligned = ((linear + info.first_offset) & info.alignment_mask) == 0;
  // A group's host address outlives other checks of its block, but not the entry that it came from.
  const std::span<const u64> held(&word(Word::Groups), kGroupWords);
  if (is_aligned) {
    const mmu::DirectAccess found = cpu_.mmu.make_direct(LinearAddr(linear), info.size, access, info.reads_first, held);
    if (found.hits) return kTryAgain;
    if (found.once != nullptr) return reinterpret_cast<u64>(found.once) - linear;
  }
  ++statistics_.slow_accesses;
  has_straddled_ = (linear & kPageOffsetMask) + info.size > kPageSize;
  return 0;
}

void Translator::Impl::spill_x87() {
  if (word(Word::X87Away) != 0) return;
  cpu::X87State& x87 = cpu_.state.x87;
  const u16 fop = x87.fop;
  const u64 fip = x87.fip;
  const u64 fdp = x87.fdp;
  asm volatile("xsave64 (%0); fninit" : : "r"(&x87), "a"(1), "d"(0) : "memory");
  x87.fop = fop;
  x87.fip = fip;
  x87.fdp = fdp;
  word(Word::X87Away) = 1;
}

/// The string instruction of `record` has more to do, and nothing else wants attention.
bool Translator::Impl::may_repeat(const CalloutRecord& record) {
  const CpuState& state = cpu_.state;
  if (!state.repeating || state.rip() != record.rip) return false;
  // Ports are devices.
  if (cpu::instruction_row(record.insn.mnemonic).klass == cpu::InstructionClass::Sensitive) return false;
  const bool has_budget = static_cast<i64>(word(Word::Budget)) > 0;
  const bool has_news = outside_events() != events_before_ || (cpu_.intr() && cpu_.interrupts_enabled());
  return has_budget && !has_news && !cpu_.needs_slow_mode() && !state.shutdown;
}

/// STI holds interrupts off for one instruction. While none waits nobody can tell: a new one would come of
/// that instruction itself, and time is not up before it, since the budget ends earlier (kBudgetSlack).
void Translator::Impl::settle_shadow() {
  CpuState& state = cpu_.state;
  if (state.interrupt_shadow && !state.mov_ss_shadow && !cpu_.intr()) state.interrupt_shadow = false;
}

/// Nobody has to look at anything, and what the translated code behind the instruction relies on still holds.
bool Translator::Impl::goes_on_behind(const CalloutRecord& record) {
  const CpuState& state = cpu_.state;
  // Most handlers change nothing that a mode is made of.
  const bool same_mode = !record.touches_fpu && cpu_.translation_epoch() == entered_epoch_;
  return state.rip() == record.next_rip && cpu_.mmu.generation() == entered_generation_ &&
         (same_mode || mode().key() == entered_mode_) &&
         (cpu_.code64() || state.segment(Seg::CS).base == entered_code_base_);
}

/// After a callout behind which translated code cannot go on: the place where it can, or 1 if the run loop
/// must look. Older host return addresses are never returned to: they may belong to another mode.
u64 Translator::Impl::go_on_elsewhere() {
  constexpr u64 kLeave = 1;
  if (is_sample_due()) return kLeave;
  const Mode now = mode();
  TranslatedBlock* const block = now.untranslatable() ? nullptr : find(now);
  if (block == nullptr || remaining() < static_cast<u64>(kBudgetSlack) + block->count) return kLeave;
  return prepare(*block, now);
}

u64 Translator::Impl::callout(const CalloutRecord& record) {
  ++statistics_.callouts;
  ++statistics_.callouts_by_mnemonic[record.insn.mnemonic];
  events_before_ = outside_events();
  CpuState& state = cpu_.state;
  state.retired = retired_now() - record.not_retired;
  state.rip() = record.next_rip;
  unpack_flags(word(Word::Flags), state.flags);
  if (record.clear_adjust) state.flags.carries &= ~cpu::LazyFlags::kAdjust;
  if (record.touches_fpu) spill_x87();
  if (record.other_access) switch_access();
  const cpu::LazyFlags flags = state.flags;
  Result<void> result = record.insn.handler(cpu_, record.insn);
  // A long string comes back after each stretch, so that interrupts may come between: none can, while
  // no time passes outside.
  while (result.ok() && may_repeat(record)) {
    cpu_.attention = false;
    state.rip() = record.next_rip;
    ++state.retired;
    --word(Word::Budget);
    result = record.insn.handler(cpu_, record.insn);
  }
  if (!result.ok()) {
    state.rip() = record.rip;
    cpu_.raise(result.error());
  }
  settle_shadow();
  const bool is_quiet = !cpu_.attention && !state.halted && !state.shutdown && !state.interrupt_shadow &&
                        !state.mov_ss_shadow && !cpu_.needs_slow_mode() &&
                        !(cpu_.intr() && cpu_.interrupts_enabled());
  if (is_quiet && result.ok()) {
    if (record.other_access) switch_access();
    if (goes_on_behind(record)) {
      // Most handlers leave the flags alone.
      const bool same = flags.result == state.flags.result && flags.carries == state.flags.carries;
      if (!same || record.clear_adjust) word(Word::Flags) = pack_flags(state.flags);
      return 0;
    }
    if (record.other_access) switch_access();
  }
  word(Word::ExitInfo) = ExitInfo{ExitInfo::Kind::Callout}.pack();
  return is_quiet ? go_on_elsewhere() : 1;
}

u64 Translator::Impl::resume_after_fault(u64 pc, u64 address, u64& stack) {
  if (!cache_.contains(pc)) return 0;
  const size_t offset = cache_.offset_of(pc);
  const u64 guard = reinterpret_cast<u64>(return_stack_) + kPageSize;
  if (address - guard < kPageSize) {
    if (offset >= CodeCache::kStubBytes) {
      // A call: older ones are forgotten, their returns will be looked up.
      stack = word(Word::ReturnStack);
    } else {
      mprotect(return_stack_ + kPageSize, kPageSize, PROT_READ | PROT_WRITE);
      guard_is_open_ = true;
    }
    return pc;
  }
  const TranslatedBlock* const block = blocks_.containing(offset);
  if (block == nullptr) return 0;
  for (const FaultSite& site : block->code.faults()) {
    if (site.at == offset) return cache_.address(site.cold);
  }
  return 0;
}

// ---- after an exit ------------------------------------------------------------------------------

void Translator::Impl::after_exit() {
  const ExitInfo info = ExitInfo::unpack(static_cast<u32>(word(Word::ExitInfo)));
  CpuState& state = cpu_.state;
  pending_ = {};
  if (info.kind == ExitInfo::Kind::Callout) return;
  if (info.other_access) switch_access();
  state.rip() = word(Word::ExitRip);
  unpack_flags(word(Word::Flags), state.flags);
  if (info.clear_adjust) state.flags.carries &= ~cpu::LazyFlags::kAdjust;
  state.retired = retired_now() - static_cast<u64>(i64{info.not_retired});
  switch (info.kind) {
    case ExitInfo::Kind::Lookup:
      ++statistics_.lookups;
      if (Mode(entered_mode_).code64() && !is_canonical(state.rip(), cpu_.mmu.linear_bits())) {
        undo_branch();
        return;
      }
      if (Mode(entered_mode_).flat_code()) pending_.kind = Pending::Kind::Lookup;
      return;
    case ExitInfo::Kind::Link:
      note_link(static_cast<u32>(word(Word::LinkNumber)));
      return;
    case ExitInfo::Kind::Interpret: {
      TranslatedBlock* const left = blocks_.by_number(static_cast<u32>(word(Word::LinkNumber)));
      const bool has_straddled = std::exchange(has_straddled_, false);
      if (left != nullptr && has_straddled && left->has_groups && ++left->left == kLeavesBeforeRetry) {
        splitting_.insert(left->key.physical);
        if (left->is_trace) make_anew(*left);
        else blocks_.kill(*left);
      }
      const cpu::Block* const block = interpreter_.find_block();
      if (block == nullptr) return;
      ++statistics_.interpreted_blocks;
      // What follows may have been translated, or will be.
      interpreter_.run_block(*block, std::min<u64>(remaining(), 1));
      return;
    }
    case ExitInfo::Kind::Often:
      stop_counting();
      return;
    case ExitInfo::Kind::Budget:
      if (reserve_ != 0) sample_at_exit();
      return;
    case ExitInfo::Kind::Callout:
      return;
  }
}

/// A jump asks for its target.
void Translator::Impl::note_link(u32 number) {
  const TranslatedBlock* const from = blocks_.by_number(number / kLinksPerBlock);
  const u32 which = number % kLinksPerBlock;
  const bool is_known = from != nullptr && which < from->code.links.size();
  pending_ = {Pending::Kind::Link, number, is_known ? from->code.links[which].variant() : BlockVariant{}};
}

/// RET or an indirect JMP led to an address that is not canonical: it faults, and has not happened.
void Translator::Impl::undo_branch() {
  CpuState& state = cpu_.state;
  const TranslatedBlock* const block = blocks_.by_number(static_cast<u32>(word(Word::BranchBlock)));
  if (block == nullptr) return;
  state.rip() = block->code.last_rip;
  state.gpr[RSP] -= block->code.stack_released;
  --state.retired;
  const cpu::Block* const branch = interpreter_.find_block();
  if (branch != nullptr) interpreter_.run_block(*branch, 1);
}

}  // namespace doppel::jit
