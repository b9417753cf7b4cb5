// The engine: find, translate, run, leave.
//
// One loop, as in the interpreter: what must be looked at between instructions is looked at, then a
// block runs. If it has been translated, control goes into the code cache and comes back when
// something needs C++; else the interpreter runs it and counts. Time is exact: translated code
// subtracts a block's instructions from its budget before the first of them, and whoever leaves
// early says how many have not retired.

#include "jit/translator.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include <Zydis/Zydis.h>

#include "cpu/base/check.h"
#include "jit/translator_impl.h"

namespace doppel::jit {
namespace {

using cpu::CpuState;
using cpu::ExitReason;

constexpr size_t kReturnStackBytes = 256 * 1024;
/// Cold blocks kept by the interpreter: what is hot is translated.
constexpr u64 kColdInstructions = 40'000;
/// Never translated: there is nothing to gain.
constexpr u32 kHopeless = ~u32{0};
/// A bound of what is remembered by address.
constexpr size_t kMostStraddling = 20'000;

i64 clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

LinearAddr next_page(LinearAddr address, Mode mode) {
  const u64 next = address.page().value + kPageSize;
  return LinearAddr(mode.code64() ? next : next & 0xffff'ffff);
}

}  // namespace

Translator::Impl::~Impl() {
  interpreter_.cache().set_keeper(nullptr);
  if (return_stack_ != nullptr) munmap(return_stack_, kReturnStackBytes);
}

Result<void, Error> Translator::Impl::set_up() {
  catch_host_faults();
  sample_at_ = cpu_.state.retired + options_.sample_interval;
  DOPPEL_TRY(cache_.map(options_.cache_bytes));
  void* const stack = mmap(nullptr, kReturnStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) return Error{"translator: no memory for its stack"};
  return_stack_ = static_cast<u8*>(stack);
  // One page in reserve, then the one that stops a guest which calls and never returns.
  mprotect(return_stack_ + kPageSize, kPageSize, PROT_NONE);

  holder_.init(asmjit::Environment::host(), cache_.address(0));
  asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
  buffer._data = cache_.writable(0);
  buffer._capacity = buffer._size = cache_.size();
  buffer._flags |= asmjit::CodeBufferFlags::kIsExternal | asmjit::CodeBufferFlags::kIsFixed;
  holder_.attach(&assembler_);
  assembler_.setOffset(0);
  using Class = mmu::Mmu::PrivilegeClass;
  const std::array<TlbOffsets, kClasses> tlbs = {tlb_offsets(cpu_, Class::Supervisor), tlb_offsets(cpu_, Class::User),
                                                 tlb_offsets(cpu_, Class::SupervisorAc)};
  const CpuOffsets offsets = cpu_offsets(cpu_);
  stubs_ = emit_stubs(assembler_, cache_.address(0), {&Impl::miss_entry, &Impl::callout_entry}, tlbs, offsets);
  DOPPEL_CHECK(cache_.offset_of(stubs_.end) < CodeCache::kStubBytes, "the stubs need more room");

  emitter_ = std::make_unique<Emitter>(assembler_, cache_.address(0), stubs_, host_flags_, contexts_);
  emitter_->set_offsets(tlbs, offsets);

  const u64 bottom = reinterpret_cast<u64>(return_stack_) + kReturnStackBytes - 64;
  word(Word::ReturnStack) = bottom;
  word(Word::JumpMask) = 0x3ffc;
  word(Word::VectorAway) = 1;
  word(Word::X87Away) = 1;
  word(Word::HostMxcsr) = 0x1f80;
  word(Word::Engine) = reinterpret_cast<u64>(this);
  word(Word::PkeMask) = cr4::PKE;
  word(Word::FsGsBaseMask) = cr4::FSGSBASE;
  word(Word::CountMask) = 31;
  word(Word::CountMask64) = 63;
  word(Word::SignMask) = u64{1} << 63;
  word(Word::DirectionMask) = rflags::DF;
  word(Word::OtherFlagsMask) = ~rflags::DF;
  word(Word::NoInterruptMask) = ~rflags::IF;
  word(Word::AdjustMask) = 0xef;
  word(Word::SizeMask) = 0x3ff;
  word(Word::OffsetMask) = kPageOffsetMask;
  word(Word::CopyMask) = mmu::ShadowTlb::kCopies - 1;
  for (unsigned i = 0; i < 6; ++i) {
    const auto mask = static_cast<Word>(static_cast<unsigned>(Word::AlignMasks) + i);
    word(mask) = kPageMask | ((u64{1} << i) - 1);
  }

  statistics_.callouts_by_mnemonic.resize(ZYDIS_MNEMONIC_MAX_VALUE + 1);
  interpreter_.cache().set_keeper(this);
  interpreter_.cache().set_limit(kColdInstructions);
  blocks_.set_death_hook([this](TranslatedBlock& block) {
    u64& entry = cpu_.engine_area.tables[block.table][table_slot(block.key.rip)];
    if (entry == cache_.address(block.code.indirect_entry)) entry = stubs_.exit_lookup;
    if (found_at(block.key.rip).block == &block) found_at(block.key.rip) = {};
  });
  return {};
}

size_t Translator::Impl::table_slot(u64 rip) const { return rip >> 2 & (cpu::EngineArea::kTableEntries - 1); }

void Translator::Impl::flush() {
  ++statistics_.flushes;
  blocks_.free_all();
  cache_.reset();
  tables_used_ = 0;
  splitting_.clear();
  wandering_.clear();
  holding_runs_.clear();
  chances_.clear();
  hot_.clear();
  contexts_.clear();
  renoted_.clear();
  next_notes_.clear();
  cold_counts_.clear();
  sample_at_ = cpu_.state.retired + options_.sample_interval;
  interpreter_.flush();
  pending_ = {};
}

// ---- the loop -----------------------------------------------------------------------------------

ExitReason Translator::Impl::run(u64 budget) {
  ensure_signal_stack();
  const HostFaultScope scope(*this);
  CpuState& state = cpu_.state;
  end_ = state.retired + budget;
  tsc_base_ = cpu_.environment.tsc_base();
  cpu_.attention = false;
  interpreter_.cache().bury();
  cpu_.take_pending_events();
  pending_ = {};
  check_sites();
  while (state.retired < end_) {
    if (state.shutdown) return ExitReason::Shutdown;
    if (state.halted) return ExitReason::Halted;
    if (cpu_.attention) return ExitReason::Attention;
    if (cpu_.needs_slow_mode() || state.interrupt_shadow || cpu_.trace != nullptr) [[unlikely]] {
      interpreter_.step_carefully();
      if (interpreter_.is_outside_memory()) return ExitReason::OutsideMemory;
      pending_ = {};
      continue;
    }
    if (cpu_.intr() && cpu_.interrupts_enabled()) [[unlikely]] {
      cpu_.take_pending_events();
      pending_ = {};
      continue;
    }
    const Mode mode = this->mode();
    TranslatedBlock* block = mode.untranslatable() ? nullptr : find_wanted(mode);
    const bool had_none = block == nullptr && !mode.untranslatable();
    const cpu::Block* cold = nullptr;
    if (block == nullptr) {
      cpu::Block* const found = interpreter_.find_block();
      if (found == nullptr) {
        if (interpreter_.is_outside_memory()) return ExitReason::OutsideMemory;
        pending_ = {};
        continue;
      }
      const bool is_new = found->runs == 0;
      const BlockVariant variant = pending_.variant;
      const bool may_be_hot = had_none && !variant.is_single && (is_new || variant.context != 0);
      const auto hot = may_be_hot ? hot_.find(hot_key(found->physical, variant.context)) : hot_.end();
      if (hot != hot_.end() && !interpreter_.is_straddling(*found)) {
        record_trace(mode, variant.context, hot->second);
        pending_ = {};
        continue;
      }
      if (had_none && (variant.is_single || is_hot(*found))) {
        block = translate(*found, mode, variant);
        if (interpreter_.is_straddling(*found)) {
          if (block == nullptr) straddling_runs_[found->physical] = kHopeless;
        } else if (block == nullptr) {
          found->runs = kHopeless;
        } else {
          interpreter_.cache().drop(*found);
          interpreter_.cache().bury();
        }
      }
      if (block == nullptr) cold = found;
    }
    if (block != nullptr && is_sample_due()) {
      // It has not been long in translated code, and perhaps never is.
      sample(block);
      continue;
    }
    if (block != nullptr && remaining() >= static_cast<u64>(kBudgetSlack) + block->count) {
      if (follows_side_exit()) block = make_counting(*block, mode);
      settle_pending(*block);
      enter(*block, mode);
      after_exit();
      continue;
    }
    pending_ = {};
    if (cold == nullptr) {
      // The end is near: the interpreter goes there to the instruction.
      cold = interpreter_.find_block();
      if (cold == nullptr) continue;
    }
    ++statistics_.interpreted_blocks;
    interpreter_.run_block(*cold, remaining());
  }
  return state.shutdown ? ExitReason::Shutdown
         : state.halted ? ExitReason::Halted
                        : ExitReason::BudgetSpent;
}

/// Mode::of, asked again only if something it looks at may have changed.
Mode Translator::Impl::mode() {
  const u64 controls = Mode::float_controls(cpu_);
  if (known_mode_.epoch != cpu_.translation_epoch() || known_mode_.float_controls != controls) {
    known_mode_ = {cpu_.translation_epoch(), controls, Mode::of(cpu_)};
  }
  return known_mode_.mode;
}

BlockKey Translator::Impl::key_here(Mode mode) const {
  BlockKey key;
  key.rip = cpu_.state.rip();
  key.mode = mode.key();
  if (!mode.code64()) key.code_base = cpu_.state.segment(Seg::CS).base;
  return key;
}

/// The block that the jump wants which was taken last.
TranslatedBlock* Translator::Impl::find_wanted(Mode mode) {
  if (pending_.variant.is_plain()) return find(mode);
  BlockKey key = key_here(mode);
  key.variant = pending_.variant;
  return find_by_page(key, linear_rip(mode), mode);
}

TranslatedBlock* Translator::Impl::find(Mode mode) {
  const BlockKey key = key_here(mode);
  const LinearAddr address = linear_rip(mode);
  if (!mode.code64() && key.rip > cpu_.state.segment(Seg::CS).limit) return nullptr;
  const Found& known = found_at(key.rip);
  if (known.rip == key.rip && known.mode == key.mode && known.code_base == key.code_base && known.fetch_id != 0 &&
      cpu_.mmu.table(mode.privilege()).fetch_ids[mmu::ShadowTlb::fetch_slot(address)] == known.fetch_id) {
    return known.block;
  }
  TranslatedBlock* const block = find_by_page(key, address, mode);
  // One number says nothing of a second page.
  const bool is_kept = block != nullptr && !block->is_straddling();
  if (is_kept) found_at(key.rip) = {key.rip, key.code_base, block, key.mode, block->fetch_id};
  return block;
}

/// Finds a block by what is behind its address now.
TranslatedBlock* Translator::Impl::find_by_page(const BlockKey& wanted, LinearAddr address, Mode mode) {
  BlockKey key = wanted;
  const Result<mmu::Mmu::FetchPage> page = cpu_.mmu.fetch_page(address);
  if (!page.ok() || page.value().host == nullptr) return nullptr;
  key.physical = page.value().page.value | address.page_offset();
  TranslatedBlock* const block = blocks_.find(key);
  if (block != nullptr || address.page_offset() <= kPageSize - kLongestInstruction) return block;
  // The next page must not be touched unless the instruction goes on in it.
  if (!blocks_.has_straddling(key.physical, mode)) return nullptr;
  key.second_page = second_page(address, mode);
  return key.second_page == 0 ? nullptr : blocks_.find(key);
}

/// As BlockKey::second_page, for an instruction at `address`; 0 where there is no such page.
u64 Translator::Impl::second_page(LinearAddr address, Mode mode) {
  const Result<mmu::Mmu::FetchPage> page = cpu_.mmu.fetch_page(next_page(address, mode));
  return page.ok() && page.value().host != nullptr ? page.value().page.value + 1 : 0;
}

bool Translator::Impl::is_hot(cpu::Block& block) {
  if (!interpreter_.is_straddling(block)) {
    if (block.runs == kHopeless) return false;
    if (block.runs == 0) block.runs = cold_counts_.count(block);
    return ++block.runs >= options_.threshold;
  }
  // The interpreter keeps one of these, and makes it anew each time.
  if (straddling_runs_.size() > kMostStraddling) straddling_runs_.clear();
  u32& runs = straddling_runs_[block.physical];
  return runs != kHopeless && ++runs >= options_.threshold;
}

void Translator::Impl::settle_pending(TranslatedBlock& block) {
  if (pending_.kind == Pending::Kind::Lookup) {
    cpu_.engine_area.tables[block.table][table_slot(block.key.rip)] = cache_.address(block.code.indirect_entry);
  } else if (pending_.kind == Pending::Kind::Link) {
    TranslatedBlock* const from = blocks_.by_number(pending_.number / kLinksPerBlock);
    const u8 which = pending_.number % kLinksPerBlock;
    if (from != nullptr && which < from->code.links.size() && from->key.mode == block.key.mode &&
        from->code.links[which].target == block.key.rip && from->key.code_base == block.key.code_base &&
        pending_.variant == block.key.variant) {
      // Within a page the mapping that holds for the one block holds for the other.
      const bool same_page = from->key.physical >> kPageShift == block.key.physical >> kPageShift &&
                             from->linear() >> kPageShift == block.linear() >> kPageShift;
      blocks_.link(*from, which, block, same_page ? block.code.linked_entry : block.code.page_entry);
      ++statistics_.links;
    }
  }
  pending_ = {};
}

/// Makes everything ready for translated code to begin with `block`; where that is.
u64 Translator::Impl::prepare(const TranslatedBlock& block, Mode mode) {
  ++statistics_.entries;
  if (guard_is_open_) {
    mprotect(return_stack_ + kPageSize, kPageSize, PROT_NONE);
    guard_is_open_ = false;
  }
  entered_mode_ = mode.key();
  entered_epoch_ = cpu_.translation_epoch();
  entered_generation_ = cpu_.mmu.generation();
  entered_code_base_ = block.key.code_base;
  const u64 bottom = word(Word::ReturnStack);
  *reinterpret_cast<u64*>(bottom) = mode.flat_code() ? stubs_.sentinel[block.table] : stubs_.exit_lookup;
  const u64 budget = remaining() - static_cast<u64>(kBudgetSlack);
  // The longest block must fit.
  const u64 until_sample = sample_at_ > cpu_.state.retired ? sample_at_ - cpu_.state.retired : 0;
  reserve_ = budget - std::min<u64>(budget, std::max<u64>(until_sample, kMaxBlockInstructions));
  word(Word::Budget) = budget - reserve_;
  word(Word::TscBase) = tsc_base_.value_or(0) + end_ - reserve_ - static_cast<u64>(kBudgetSlack);
  const bool is_forbidden = (cpu_.state.cr4 & cr4::TSD) != 0 && cpu_.state.cpl != 0;
  word(Word::TscRefused) = tsc_base_.has_value() && !is_forbidden && cpu_.has(cpu::Feature::tsc) ? 0 : 1;
  word(Word::Flags) = pack_flags(cpu_.state.flags);
  return cache_.address(block.code.linked_entry);
}

void Translator::Impl::enter(const TranslatedBlock& block, Mode mode) {
  stubs_.enter(state_register(), prepare(block, mode));
}

// ---- translating --------------------------------------------------------------------------------

unsigned Translator::Impl::table_of(Mode mode) {
  for (unsigned i = 0; i < tables_used_; ++i) {
    if (table_owner_[i] == mode.key()) return i;
  }
  return tables_used_;
}

/// The jump table of a mode. If all are somebody's, the next one in turn loses its own, with its blocks.
unsigned Translator::Impl::take_table(Mode mode) {
  unsigned table = table_of(mode);
  if (table < tables_used_) return table;
  if (table == cpu::EngineArea::kTables) {
    table = next_table_lost_++ % cpu::EngineArea::kTables;
    for (TranslatedBlock* const block : blocks_.all_alive()) {
      if (block->table == table) blocks_.kill(*block);
    }
  } else {
    ++tables_used_;
    if (table == tables_filled_) {
      std::fill(std::begin(cpu_.engine_area.tables[table]), std::end(cpu_.engine_area.tables[table]), stubs_.exit_lookup);
      ++tables_filled_;
    }
  }
  table_owner_[table] = mode.key();
  return table;
}

void Translator::Impl::make_room(size_t bytes) {
  if (cache_.has_room(bytes)) return;
  const size_t before = blocks_.live();
  blocks_.free_region(cache_.next_region());
  statistics_.evicted += before - blocks_.live();
}

/// Of blocks that are the interpreter's too it has asked already to be told of changes.
void Translator::Impl::track(const TranslatedBlock& block) {
  if (!block.is_straddling() && !block.is_trace) return;
  for (const u64 page : block.pages()) {
    const TranslatedBlock::Part part = block.part_in(page);
    cpu_.mmu.memory().tracking().track_code(part.first, part.bytes);
  }
}

void Translator::Impl::count(const TranslatedBlock& block, u64 ns) {
  ++statistics_.blocks;
  if (block.is_trace) ++statistics_.traces;
  statistics_.guest_instructions += block.count;
  statistics_.guest_bytes += block.size_bytes;
  statistics_.host_bytes += block.code.end - block.code.begin;
  statistics_.translate_ns += ns;
}

TranslatedBlock* Translator::Impl::translate(const cpu::Block& cold, Mode mode, BlockVariant variant) {
  trace_.begin(cpu_.state.rip(), variant.context);
  u64 offset = 0;
  for (const cpu::Instruction& insn : cold.instructions) {
    trace_.add(insn, trace_.rip + offset, cold.physical + offset);
    offset += insn.length;
  }
  return translate(trace_, mode, variant.is_single ? Kind::Single : variant.context != 0 ? Kind::Counting : Kind::Block);
}

TranslatedBlock* Translator::Impl::translate(const Trace& trace, Mode mode, Kind kind) {
  const bool is_hot = kind == Kind::Trace || kind == Kind::UnrolledTrace;
  const CpuState& state = cpu_.state;
  // Offsets that run over the end of code are the interpreter's.
  const u64 code_end = mode.code64() ? ~u64{0} : mode.code_size() == cpu::CodeSize::Bits16 ? 0x1'0000 : 0x1'0000'0000;
  u64 size_bytes = 0;
  for (const TraceCode::Part& part : trace.code.parts) {
    if (part.rip + part.end >= code_end) return nullptr;
    size_bytes += u64{part.end} - part.begin;
  }
  const i64 began = clock_ns();
  const size_t length = trace.instructions.size();
  const u64 code_base = mode.code64() ? 0 : state.segment(Seg::CS).base;
  const LinearAddr address(mode.code64() ? trace.rip : (code_base + trace.rip) & 0xffff'ffff);
  const bool straddles = (trace.physical & kPageOffsetMask) + size_bytes > kPageSize && length == 1;
  const u64 second = straddles ? second_page(address, mode) : 0;
  if (straddles && second == 0) return nullptr;
  const unsigned table = take_table(mode);
  const size_t bytes_needed = Emitter::bytes_needed(length, is_hot);
  make_room(bytes_needed);
  const std::span<const cpu::Instruction> guest(trace.instructions);
  const BlockPlan plan = plan_block(guest, mode, trace.rips, {kind != Kind::Single, trace.closes, trace.code.entries()});
  const bool splits = !plan.groups.empty() && splitting_.contains(trace.physical);

  auto block = std::make_unique<TranslatedBlock>();
  block->key = {trace.physical, trace.rip, code_base, mode.key(), second, {kind == Kind::Single, trace.context}};
  block->count = static_cast<u16>(plan.instructions.size());
  block->size_bytes = static_cast<u16>(size_bytes);
  block->has_groups = !plan.groups.empty() && !splits;
  block->is_trace = is_hot;
  block->remembers = is_hot && trace.remembers;
  block->counts_runs = kind == Kind::Counting && !straddles;
  if (is_hot) block->trace_code = std::make_unique<const TraceCode>(trace.code);
  block->table = table;
  // Others may die for it, and leave their numbers.
  SiteUses sites = block->remembers ? take_sites(trace, plan, mode) : SiteUses{};
  const u32 number = blocks_.next_number();
  assembler_.setOffset(cache_.position());
  EmitRequest request{guest, plan, mode, trace.rip, address};
  request.fetch_id = block->fetch_id = cpu_.mmu.fetch_id(address.page(), PhysAddr(trace.physical).page());
  if (straddles) request.second_fetch_id = cpu_.mmu.fetch_id(next_page(address, mode), PhysAddr(second - 1));
  request.table = table;
  request.block_number = number;
  request.sites = std::move(sites);
  for (size_t i = 1; i < trace.code.parts.size(); ++i) {
    const TraceCode::Part& part = trace.code.parts[i];
    const LinearAddr page = page_of(part, mode);
    request.entered_pages.push_back({page, cpu_.mmu.fetch_id(page, PhysAddr(part.page << kPageShift))});
  }
  request.splits = splits;
  request.loops = is_hot;
  request.open_calls = contexts_.calls_of(trace.context);
  request.guard_counter = next_guard_counter_;
  request.counts_runs = block->counts_runs;
  if (block->counts_runs) cpu_.engine_area.counters[run_counter(number)] = options_.hot_runs;
  block->code = emitter_->emit(request);
  if (is_hot && block->code.has_guards) {
    block->guard_counter = static_cast<u8>(next_guard_counter_);
    (&word(Word::GuardMisses))[next_guard_counter_] = 0;
    next_guard_counter_ = (next_guard_counter_ + 1) % kGuardCounters;
  }
  block->may_unroll = block->code.is_loop && kind == Kind::Trace && length <= kMaxBlockInstructions / 2;
  DOPPEL_CHECK(block->code.end - block->code.begin <= bytes_needed, "a block outgrew its room");
  cache_.take(block->code.end - block->code.begin);
  TranslatedBlock& inserted = blocks_.insert(std::move(block));
  begin_sites(inserted);
  track(inserted);
  count(inserted, static_cast<u64>(clock_ns() - began));
  if (options_.verify) check_block(inserted);
  if (listing_sink) listing_sink(listing_of(inserted, trace));
  return &inserted;
}

void Translator::Impl::code_changed(PhysAddr address, u64 size) {
  const size_t killed = blocks_.kill_touched(address.page_number(), address.page_offset(), address.page_offset() + size);
  statistics_.invalidated += killed;
  if (killed != 0) cpu_.attention = true;
}

bool Translator::Impl::keeps(PhysAddr address, u64 size) const {
  return blocks_.touches(address.page_number(), address.page_offset(), address.page_offset() + size);
}

u64 Translator::Impl::lines_kept(PhysAddr page) const {
  return blocks_.lines_on(page.page_number());
}

// ---- the face -----------------------------------------------------------------------------------

Result<void, Error> translator_supported() {
  if (__builtin_cpu_supports("bmi2") != 0) return {};
  return Error{"the translator needs a processor with BMI2, and this host has none"};
}

Translator::Translator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Translator::~Translator() = default;

Result<std::unique_ptr<Translator>, Error> Translator::create(cpu::Cpu& cpu, const TranslatorOptions& options) {
  DOPPEL_TRY(translator_supported());
  auto impl = std::make_unique<Impl>(cpu, options);
  DOPPEL_TRY(impl->set_up());
  return std::unique_ptr<Translator>(new Translator(std::move(impl)));
}

ExitReason Translator::run(u64 budget) { return impl_->run(budget); }
void Translator::flush() { impl_->flush(); }
const cpu::EngineCounters& Translator::counters() const { return impl_->counters(); }
const TranslatorStatistics& Translator::statistics() const { return impl_->statistics(); }
void Translator::set_listing_sink(std::function<void(const Listing&)> sink) { impl_->listing_sink = std::move(sink); }
void Translator::for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit) {
  impl_->for_each_block_at(address, visit);
}

}  // namespace doppel::jit
