// Where time goes, and what is done about it.
//
// Translated code comes back after a number of instructions. The block that then stands at its beginning is
// one that runs much, and one that was found so again becomes a *trace*: the interpreter runs on from
// there and notes the way that the guest takes, through branches, until it is back at the beginning or
// something else ends it. What was noted is translated as one block. A branch that went the
// noted way costs nothing but itself; the other way leaves the trace, for a block that counts how often it runs
// until it becomes a trace as well.

#include <algorithm>

#include <Zydis/Zydis.h>

#include "jit/translator_impl.h"

namespace doppel::jit {
namespace {

/// Transfers of control that a trace may go on behind.
constexpr size_t kMostSideExits = 16;
constexpr size_t kMostRounds = 8;
constexpr u32 kMostRenoted = 3;
/// Instructions until a trace that goes into a call's target is noted anew because the call has another by now.
constexpr u64 kShortestWait = 500'000;
constexpr u64 kLongestWait = 8'000'000;
/// A trace has too many other targets if it meets one in so many runs.
constexpr u64 kRunsForOneGuardMiss = 4;
/// Hot places remembered: a bound, not a tuning.
constexpr size_t kMostHot = 100'000;

}  // namespace

/// Forgets a block; when the guest comes there again, it becomes a trace.
void Translator::Impl::make_anew(TranslatedBlock& block, HotBy by) {
  if (hot_.size() >= kMostHot) hot_.clear();
  hot_.insert_or_assign(hot_key(block.key.physical, block.key.variant.context), by);
  blocks_.kill(block);
}

/// The jump taken last goes out of the middle of a trace.
bool Translator::Impl::follows_side_exit() const {
  if (pending_.kind != Pending::Kind::Link) return false;
  const TranslatedBlock* const from = blocks_.by_number(pending_.number / kLinksPerBlock);
  const u32 which = pending_.number % kLinksPerBlock;
  return from != nullptr && from->is_trace && which >= from->code.first_side_exit && which < from->code.end_side_exits;
}

/// A trace is charged for all of its instructions until it is left, so the budget hardly ever runs out in what follows
/// a branch out of its middle. Samples do not find that; it counts how often it runs.
TranslatedBlock* Translator::Impl::make_counting(TranslatedBlock& block, Mode mode) {
  if (block.is_trace || block.counts_runs || block.key.variant.is_single || block.is_straddling()) return &block;
  const Trace trace = guest_of(block);
  blocks_.kill(block);
  return translate(trace, mode, Kind::Counting);
}

/// A block has run as often as it was to count.
void Translator::Impl::stop_counting() {
  const u32 number = static_cast<u32>(word(Word::LinkNumber));
  cpu_.engine_area.counters[run_counter(number)] = options_.hot_runs;
  TranslatedBlock* const counting = blocks_.by_number(number);
  if (counting != nullptr) make_anew(*counting, HotBy::Count);
  // It may have spoilt flags that it sets anew.
  const cpu::Block* const block = interpreter_.find_block();
  if (block == nullptr) return;
  ++statistics_.interpreted_blocks;
  interpreter_.run_block(*block, remaining());
}

/// Translates a loop again, with several rounds of it: one budget, and one check of accesses that move on, serve for all.
void Translator::Impl::unroll(TranslatedBlock& loop) {
  const Mode mode(loop.key.mode);
  if (mode.key() != this->mode().key() || loop.key.code_base != key_here(mode).code_base) return;
  Trace trace = guest_of(loop);
  trace.remembers = loop.remembers;
  const size_t length = trace.instructions.size();
  const auto branches = static_cast<size_t>(std::count_if(trace.instructions.begin(), trace.instructions.end(),
                                                          [](const cpu::Instruction& insn) { return insn.ends_block; }));
  const size_t rounds = std::min({kMaxBlockInstructions / length, kMostSideExits / std::max<size_t>(branches, 1), kMostRounds});
  loop.may_unroll = false;
  if (rounds < 2) return;
  for (size_t i = length; i < length * rounds; ++i) {
    const size_t before = i - length;
    trace.add(cpu::Instruction(trace.instructions[before]), trace.rips[before], trace.physical_of(before));
  }
  blocks_.kill(loop);
  translate(trace, mode, Kind::UnrolledTrace);
}

/// A trace runs much. If the loop it began in goes on another way than was noted, perhaps the way out was: it is noted
/// anew, but not for ever, for some loops have two ways round.
void Translator::Impl::improve(TranslatedBlock& trace) {
  if (trace.code.is_left_for_itself) {
    if (renoted_.size() >= kMostHot) renoted_.clear();
    u32& times = renoted_[trace.key.physical];
    if (times < kMostRenoted) {
      ++times;
      return make_anew(trace);
    }
  }
  if (trace.may_unroll) unroll(trace);
}

/// `call` runs where a trace that begins with the same indirect call finds another target than was noted. If that
/// is so often, the trace is noted anew.
void Translator::Impl::follow_call(TranslatedBlock& call) {
  if (++call.heat < options_.hot_samples) return;
  call.heat = 0;
  BlockKey key = call.key;
  key.variant.is_single = false;
  TranslatedBlock* const trace = blocks_.find(key);
  if (trace == nullptr || !trace->code.has_guards) return;
  if (may_note_anew(*trace)) make_anew(*trace);
}

/// Each time it must wait longer: some targets are others each time.
bool Translator::Impl::may_note_anew(const TranslatedBlock& trace) {
  if (next_notes_.size() >= kMostHot) next_notes_.clear();
  NextNote& next = next_notes_[hot_key(trace.key.physical, trace.key.variant.context)];
  if (cpu_.state.retired < next.at) return false;
  next.wait = std::clamp(2 * next.wait, kShortestWait, kLongestWait);
  next.at = cpu_.state.retired + next.wait;
  return true;
}

/// Programs sort by one order, then by another: what was noted of calls grows old.
bool Translator::Impl::misses_guards(const TranslatedBlock& trace, u64 runs) {
  if (!trace.code.has_guards) return false;
  u64& misses = (&word(Word::GuardMisses))[trace.guard_counter];
  const bool are_many = misses > std::max<u64>(runs / kRunsForOneGuardMiss, kFewMisses);
  misses /= 2;
  return are_many && may_note_anew(trace);
}

/// The budget ran out before its time.
void Translator::Impl::sample_at_exit() {
  TranslatedBlock* const block = blocks_.by_number(static_cast<u32>(word(Word::LinkNumber)));
  const bool is_inside = block != nullptr && block->key.rip != cpu_.state.rip();
  sample(block);
  // The budget is charged somewhere near the beginning: no block begins there.
  const cpu::Block* const rest = is_inside ? interpreter_.find_block() : nullptr;
  if (rest == nullptr) return;
  ++statistics_.interpreted_blocks;
  interpreter_.run_block(*rest, remaining());
}

/// `block` runs now, if there is one. It may be forgotten for that.
void Translator::Impl::sample(TranslatedBlock* block) {
  sample_at_ = cpu_.state.retired + options_.sample_interval;
  if (block != nullptr && block->key.variant.is_single) {
    follow_call(*block);
  } else if (block != nullptr && !block->is_straddling()) {
    ++block->heat;
    if (block->is_trace) {
      if (block->heat == 1) sampled_.push_back(block->number);
      // One that was only counted turns out to run much.
      if (!block->remembers && block->heat >= options_.hot_samples) make_anew(*block);
      else if (block->heat >= options_.unroll_samples) improve(*block);
    } else if (block->heat == options_.hot_samples) {
      make_anew(*block);
    }
  }
}

/// Adds a block to the trace. False if not all of it: the trace is full, or back at its beginning.
bool Translator::Impl::note(const cpu::Block& block, u64 rip) {
  u64 physical = block.physical;
  for (const cpu::Instruction& insn : block.instructions) {
    const bool is_back = !trace_.instructions.empty() && rip == trace_.rip && activations_.is_outermost();
    if (is_back || trace_.instructions.size() == kMaxBlockInstructions) return false;
    trace_.add(insn, rip, physical);
    rip += insn.length;
    physical += insn.length;
  }
  activations_.note_instructions(trace_.instructions.size());
  return true;
}

/// Whether the trace may go on behind its last instruction, which has run.
bool Translator::Impl::passes_last(Mode mode) {
  const cpu::Instruction& last = trace_.instructions.back();
  if (!last.ends_block) return true;
  if (!may_be_passed_by(last, mode)) return false;
  if (last.mnemonic == ZYDIS_MNEMONIC_CALL) return activations_.call(mode.mask_code(trace_.rips.back() + last.length));
  return last.mnemonic != ZYDIS_MNEMONIC_RET || activations_.come_back(cpu_.state.rip());
}

/// Whether the interpreter, which has run what was noted last, stands where the trace may go on.
bool Translator::Impl::trace_goes_on(Mode mode) {
  const CpuState& state = cpu_.state;
  const bool has_news = cpu_.attention || state.halted || state.shutdown || state.interrupt_shadow ||
                        cpu_.needs_slow_mode() || (cpu_.intr() && cpu_.interrupts_enabled());
  if (has_news) return false;
  const u32 now = Mode::of(cpu_).key();
  // Between STAC and CLAC.
  const bool has_other_access = mode.has_smap() && now == mode.with_other_access().key();
  if (now != mode.key() && !has_other_access) return false;
  if (!passes_last(mode)) return false;
  trace_.closes = !has_other_access && state.rip() == trace_.rip && activations_.is_outermost();
  // A loop inside is a trace of its own.
  for (size_t i = 0; i < trace_.rips.size(); ++i) {
    if (trace_.rips[i] == state.rip() && activations_.is_present(i)) return false;
  }
  return may_enter_page(mode);
}

/// The page where the guest stands is one of the trace's, or may become one: pages that meet in a slot of the fetch
/// table would evict each other.
bool Translator::Impl::may_enter_page(Mode mode) const {
  const LinearAddr page = linear_rip(mode).page();
  bool is_free = trace_.code.parts.size() < kMostPages;
  for (const TraceCode::Part& part : trace_.code.parts) {
    const LinearAddr other = page_of(part, mode);
    if (other.value == page.value) return true;
    if (mmu::ShadowTlb::fetch_slot(other) == mmu::ShadowTlb::fetch_slot(page)) is_free = false;
  }
  return is_free;
}

/// Runs on from the hot place where the guest is, and translates the way it takes.
void Translator::Impl::record_trace(Mode mode, u16 context, HotBy by) {
  const CpuState& state = cpu_.state;
  const u64 changes = outside_events();
  const u64 generation = cpu_.mmu.generation();
  const u64 deliveries = cpu_.deliveries();
  trace_.begin(state.rip(), context);
  // An access of a trace that runs little would forget its page before it comes there again.
  trace_.remembers = by == HotBy::Samples;
  activations_.begin(contexts_.calls_of(context));
  size_t branches = 0;
  bool is_whole = true;
  bool is_open = true;
  do {
    const u64 before = state.retired;
    const u64 rip = state.rip();
    const cpu::Block* const block = interpreter_.find_block();
    if (block == nullptr || interpreter_.is_straddling(*block)) break;
    const u32 count = block->count;
    is_open = note(*block, rip);
    ++statistics_.interpreted_blocks;
    interpreter_.run_block(*block, remaining());
    // A fault retires its instruction, too, perhaps the last one, and leads elsewhere.
    is_whole = state.retired - before == count && cpu_.deliveries() == deliveries && outside_events() == changes &&
               cpu_.mmu.generation() == generation;
    ++branches;
  } while (is_whole && is_open && branches < kMostSideExits && remaining() != 0 && trace_goes_on(mode));
  if (trace_.instructions.empty()) return;
  hot_.erase(hot_key(trace_.physical, context));
  if (is_whole) translate(trace_, mode, Kind::Trace);
}

}  // namespace doppel::jit
