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
#include <unordered_set>

#include "cpu/base/check.h"
#include "cpu/instruction_table.h"
#include "cpu/interpreter/interpreter.h"
#include "jit/block_table.h"
#include "jit/host_faults.h"

namespace doppel::jit {
namespace {

using cpu::CpuState;
using cpu::ExitReason;

constexpr size_t kReturnStackBytes = 256 * 1024;
/// Blocks that are left to the interpreter this often are translated again without groups.
constexpr u32 kLeavesBeforeRetry = 32;
/// Cold blocks kept by the interpreter: what is hot is translated.
constexpr u64 kColdInstructions = 40'000;
/// Never translated: there is nothing to gain.
constexpr u32 kHopeless = ~u32{0};
constexpr u64 kLongestInstruction = 15;
/// Instructions between two looks at the sites, and misses of one that are not worth a thought.
constexpr u64 kSiteCheckInterval = 2'000'000;
constexpr u64 kSiteMissesAllowed = 2'000;
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

class Translator::Impl final : public cpu::CodeKeeper, public HostFaultClient {
 public:
  Impl(cpu::Cpu& cpu, const TranslatorOptions& options)
      : cpu_(cpu), options_(options), interpreter_(cpu), blocks_(cache_), host_flags_(HostFlags::probe()) {}
  ~Impl() override {
    interpreter_.cache().set_keeper(nullptr);
    if (return_stack_ != nullptr) munmap(return_stack_, kReturnStackBytes);
  }

  Result<void, Error> set_up();
  ExitReason run(u64 budget);
  void flush();
  const cpu::EngineCounters& counters() const { return interpreter_.counters(); }
  const TranslatorStatistics& statistics() {
    statistics_.live_blocks = blocks_.live();
    return statistics_;
  }
  void for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit);

  // CodeKeeper
  void code_changed(PhysAddr address, u64 size) override;
  u64 lines_kept(PhysAddr page) const override;
  // HostFaultClient
  u64 resume_after_fault(u64 pc, u64 address, u64& stack) override;

  std::function<void(const Listing&)> listing_sink;

 private:
  struct Pending {
    enum class Kind : u8 { None, Link, Lookup } kind = Kind::None;
    u32 number = 0;
  };

  u64& word(Word which) { return cpu_.engine_area.words[static_cast<size_t>(which)]; }
  u64 state_register() const { return reinterpret_cast<u64>(&cpu_.state) + kStateBias; }
  u64 remaining() const { return end_ - cpu_.state.retired; }

  TranslatedBlock* find(Mode mode);
  u64 second_page(LinearAddr address, Mode mode);
  bool is_hot(cpu::Block& block);
  TranslatedBlock* translate(const cpu::Block& block, Mode mode);
  void enter(const TranslatedBlock& block, Mode mode);
  void after_exit();
  void undo_branch();
  void check_sites();
  void settle_pending(TranslatedBlock& block);
  unsigned table_of(Mode mode);
  size_t table_slot(u64 rip) const;
  void check_block(const TranslatedBlock& block);
  Listing listing_of(const TranslatedBlock& block, std::span<const cpu::Instruction> guest);
  void spill_x87();
  bool may_repeat(const CalloutRecord& record);
  /// Grows when a handler reaches a device or changes code: then the run loop must look.
  u64 outside_events() const { return cpu_.mmu.counters().mmio + statistics_.invalidated + counters().blocks_invalidated; }

  static u32 miss_entry(void* self, u64 linear, u32 info) { return static_cast<Impl*>(self)->miss(linear, MissInfo::unpack(info)); }
  static u32 callout_entry(void* self, void* record) {
    return static_cast<Impl*>(self)->callout(*static_cast<const CalloutRecord*>(record));
  }
  u32 miss(u64 linear, MissInfo info);
  u32 callout(const CalloutRecord& record);

  cpu::Cpu& cpu_;
  const TranslatorOptions options_;
  cpu::Interpreter interpreter_;
  CodeCache cache_;
  BlockTable blocks_;
  const HostFlags host_flags_;
  TranslatorStatistics statistics_;
  asmjit::CodeHolder holder_;
  asmjit::x86::Assembler assembler_;
  Stubs stubs_;
  std::unique_ptr<Emitter> emitter_;
  u8* return_stack_ = nullptr;
  bool guard_is_open_ = false;
  u64 end_ = 0;
  u32 entered_mode_ = 0;
  u64 entered_generation_ = 0;
  u64 events_before_ = 0;
  Pending pending_;
  /// Where blocks were found last, by RIP, in 64-bit code.
  struct Found {
    u64 epoch = 0;
    u64 rip = 0;
    u32 mode = 0;
    TranslatedBlock* block = nullptr;
  };
  static constexpr size_t kFound = 1024;
  std::array<Found, kFound> found_{};
  std::array<u32, cpu::EngineArea::kTables> table_owner_{};
  unsigned tables_used_ = 0;
  std::unordered_map<u64, u32> straddling_runs_;  // By physical address.
  std::unordered_set<u64> without_sites_;   // By physical address: their accesses wander from page to page.
  u64 sites_checked_at_ = 0;
  std::unordered_set<u64> without_groups_;  // By physical address: their groups straddled pages.
};

Result<void, Error> Translator::Impl::set_up() {
  catch_host_faults();
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
  stubs_ = emit_stubs(assembler_, cache_.address(0), {&Impl::miss_entry, &Impl::callout_entry}, tlbs);
  DOPPEL_CHECK(cache_.offset_of(stubs_.end) < CodeCache::kStubBytes, "the stubs need more room");

  emitter_ = std::make_unique<Emitter>(assembler_, cache_.address(0), stubs_, host_flags_);
  emitter_->set_tlb(tlbs);

  for (auto& table : cpu_.engine_area.tables) std::fill(std::begin(table), std::end(table), stubs_.exit_lookup);
  const u64 bottom = reinterpret_cast<u64>(return_stack_) + kReturnStackBytes - 64;
  word(Word::ReturnStack) = bottom;
  word(Word::JumpMask) = 0x3ffc;
  word(Word::VectorAway) = 1;
  word(Word::X87Away) = 1;
  word(Word::HostMxcsr) = 0x1f80;
  word(Word::Engine) = reinterpret_cast<u64>(this);
  word(Word::CountMask) = 31;
  word(Word::CountMask64) = 63;
  word(Word::AdjustMask) = 0xef;
  word(Word::SizeMask) = 0x3ff;
  word(Word::CopyMask) = mmu::ShadowTlb::kCopies - 1;
  for (unsigned i = 0; i < 6; ++i) {
    const auto mask = static_cast<Word>(static_cast<unsigned>(Word::AlignMasks) + i);
    word(mask) = kPageMask | ((u64{1} << i) - 1);
  }

  interpreter_.cache().set_keeper(this);
  interpreter_.cache().set_limit(kColdInstructions);
  blocks_.set_death_hook([this](TranslatedBlock& block) {
    u64& entry = cpu_.engine_area.tables[block.table][table_slot(block.key.rip)];
    if (entry == cache_.address(block.code.indirect_entry)) entry = stubs_.exit_lookup;
  });
  return {};
}

size_t Translator::Impl::table_slot(u64 rip) const { return rip >> 2 & (cpu::EngineArea::kTableEntries - 1); }

void Translator::Impl::flush() {
  ++statistics_.flushes;
  blocks_.free_all();
  cache_.reset();
  tables_used_ = 0;
  without_groups_.clear();
  without_sites_.clear();
  interpreter_.flush();
  pending_ = {};
}

// ---- the loop -----------------------------------------------------------------------------------

ExitReason Translator::Impl::run(u64 budget) {
  ensure_signal_stack();
  const HostFaultScope scope(*this);
  CpuState& state = cpu_.state;
  end_ = state.retired + budget;
  cpu_.attention = false;
  interpreter_.cache().bury();
  cpu_.take_pending_events();
  pending_ = {};
  if (state.retired - sites_checked_at_ > kSiteCheckInterval) check_sites();
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
    const Mode mode = Mode::of(cpu_);
    TranslatedBlock* block = mode.untranslatable() ? nullptr : find(mode);
    const bool had_none = block == nullptr && !mode.untranslatable();
    const cpu::Block* cold = nullptr;
    if (block == nullptr) {
      cpu::Block* const found = interpreter_.find_block();
      if (found == nullptr) {
        if (interpreter_.is_outside_memory()) return ExitReason::OutsideMemory;
        pending_ = {};
        continue;
      }
      if (had_none && is_hot(*found)) {
        block = translate(*found, mode);
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
    if (block != nullptr && remaining() >= static_cast<u64>(kBudgetSlack) + block->count) {
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

TranslatedBlock* Translator::Impl::find(Mode mode) {
  const CpuState& state = cpu_.state;
  const u64 rip = state.rip();
  BlockKey key;
  key.rip = rip;
  key.mode = mode.key();
  // Both only grow: the sum is the same while no mapping has changed and no block has died.
  const u64 epoch = cpu_.mmu.generation() + blocks_.epoch();
  Found& known = found_[(rip ^ rip >> 11) % kFound];
  if (known.epoch == epoch && known.rip == rip && known.mode == key.mode && mode.code64() &&
      cpu_.mmu.has_fetched(LinearAddr(rip))) {
    return known.block;
  }
  LinearAddr address(rip);
  if (!mode.code64()) {
    const cpu::SegmentRegister& cs = state.segment(Seg::CS);
    if (rip > cs.limit) return nullptr;
    key.code_base = cs.base;
    address = LinearAddr((cs.base + rip) & 0xffff'ffff);
  }
  const Result<mmu::Mmu::FetchPage> page = cpu_.mmu.fetch_page(address);
  if (!page.ok() || page.value().host == nullptr) return nullptr;
  key.physical = page.value().page.value | address.page_offset();
  TranslatedBlock* const block = blocks_.find(key);
  // The walk for the page may have changed what the slots are: the epoch of before would not do.
  if (block != nullptr) known = {cpu_.mmu.generation() + blocks_.epoch(), rip, key.mode, block};
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
    return block.runs != kHopeless && ++block.runs >= options_.threshold;
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
    TranslatedBlock* const from = blocks_.by_number(pending_.number / 2);
    const u8 which = pending_.number % 2;
    if (from != nullptr && which < from->code.links.size() && from->key.mode == block.key.mode &&
        from->code.links[which].target == block.key.rip && from->key.code_base == block.key.code_base) {
      // Within a page the mapping that holds for the one block holds for the other.
      const bool same_page = from->key.physical >> kPageShift == block.key.physical >> kPageShift &&
                             from->linear() >> kPageShift == block.linear() >> kPageShift;
      blocks_.link(*from, which, block, same_page ? block.code.linked_entry : block.code.page_entry);
      ++statistics_.links;
    }
  }
  pending_ = {};
}

void Translator::Impl::enter(const TranslatedBlock& block, Mode mode) {
  ++statistics_.entries;
  if (guard_is_open_) {
    mprotect(return_stack_ + kPageSize, kPageSize, PROT_NONE);
    guard_is_open_ = false;
  }
  entered_mode_ = mode.key();
  entered_generation_ = cpu_.mmu.generation();
  const u64 bottom = word(Word::ReturnStack);
  *reinterpret_cast<u64*>(bottom) = mode.flat_code() ? stubs_.sentinel[block.table] : stubs_.exit_lookup;
  word(Word::Budget) = remaining() - static_cast<u64>(kBudgetSlack);
  word(Word::Flags) = pack_flags(cpu_.state.flags);
  stubs_.enter(state_register(), cache_.address(block.code.linked_entry));
}

void Translator::Impl::after_exit() {
  const ExitInfo info = ExitInfo::unpack(static_cast<u32>(word(Word::ExitInfo)));
  CpuState& state = cpu_.state;
  pending_ = {};
  if (info.kind == ExitInfo::Kind::Callout) return;
  state.rip() = word(Word::ExitRip);
  unpack_flags(word(Word::Flags), state.flags);
  if (info.clear_adjust) state.flags.carries &= ~cpu::LazyFlags::kAdjust;
  state.retired = end_ - (word(Word::Budget) + static_cast<u64>(kBudgetSlack) + info.not_retired);
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
      pending_ = {Pending::Kind::Link, static_cast<u32>(word(Word::LinkNumber))};
      return;
    case ExitInfo::Kind::Interpret: {
      TranslatedBlock* const left = blocks_.by_number(static_cast<u32>(word(Word::LinkNumber)));
      if (left != nullptr && left->has_groups && ++left->left == kLeavesBeforeRetry) {
        without_groups_.insert(left->key.physical);
        blocks_.kill(*left);
      }
      const cpu::Block* const block = interpreter_.find_block();
      if (block == nullptr) return;
      ++statistics_.interpreted_blocks;
      // What follows may have been translated, or will be.
      interpreter_.run_block(*block, std::min<u64>(remaining(), 1));
      return;
    }
    case ExitInfo::Kind::Budget:
    case ExitInfo::Kind::Callout:
      return;
  }
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

/// Blocks whose sites miss often are translated again with the index.
void Translator::Impl::check_sites() {
  using Class = mmu::Mmu::PrivilegeClass;
  sites_checked_at_ = cpu_.state.retired;
  for (const Class which : {Class::Supervisor, Class::User, Class::SupervisorAc}) {
    mmu::ShadowTlb& table = cpu_.mmu.table(which);
    std::unordered_set<u16> bad;
    for (size_t i = 0; i < mmu::ShadowTlb::kSites; ++i) {
      if (table.sites[i].misses > kSiteMissesAllowed) bad.insert(static_cast<u16>(i));
      table.sites[i].misses = 0;
    }
    if (bad.empty()) continue;
    for (TranslatedBlock* const block : blocks_.all_alive()) {
      if (Mode(block->key.mode).privilege() != which) continue;
      const auto& sites = block->code.tlb_sites;
      if (std::none_of(sites.begin(), sites.end(), [&](u16 site) { return bad.contains(site); })) continue;
      without_sites_.insert(block->key.physical);
      blocks_.kill(*block);
    }
  }
}

// ---- what translated code calls -----------------------------------------------------------------

u32 Translator::Impl::miss(u64 linear, MissInfo info) {
  ++statistics_.misses;
  const Access access = info.write ? Access::Write : Access::Read;
  const bool is_aligned = ((linear + info.first_offset) & info.alignment_mask) == 0;
  // A group's host address outlives other checks of its block, but not the entry that it came from.
  const std::span<const u64> held(&word(Word::Groups), kGroupWords);
  if (is_aligned && cpu_.mmu.make_direct(LinearAddr(linear), info.size, access, info.reads_first, held)) return 1;
  ++statistics_.slow_accesses;
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

u32 Translator::Impl::callout(const CalloutRecord& record) {
  ++statistics_.callouts;
  events_before_ = outside_events();
  CpuState& state = cpu_.state;
  state.retired = end_ - (word(Word::Budget) + static_cast<u64>(kBudgetSlack) + record.not_retired);
  state.rip() = record.next_rip;
  unpack_flags(word(Word::Flags), state.flags);
  if (record.clear_adjust) state.flags.carries &= ~cpu::LazyFlags::kAdjust;
  if (record.touches_fpu) spill_x87();
  const u64 epoch = cpu_.mode_epoch();
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
  bool goes_on = result.ok();
  if (!goes_on) {
    state.rip() = record.rip;
    cpu_.raise(result.error());
  } else {
    goes_on = state.rip() == record.next_rip && !cpu_.attention && !state.halted && !state.shutdown &&
              !state.interrupt_shadow && !state.mov_ss_shadow && !cpu_.needs_slow_mode() &&
              cpu_.mmu.generation() == entered_generation_ &&
              !(cpu_.intr() && cpu_.interrupts_enabled());
    const bool may_differ = record.may_change_mode || cpu_.mode_epoch() != epoch;
    if (goes_on && may_differ) goes_on = Mode::of(cpu_).key() == entered_mode_;
  }
  if (goes_on) {
    word(Word::Flags) = pack_flags(state.flags);
    return 0;
  }
  word(Word::ExitInfo) = ExitInfo{ExitInfo::Kind::Callout}.pack();
  return 1;
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
  for (const FaultSite& site : block->code.faults) {
    if (site.at == offset) return cache_.address(site.cold);
  }
  return 0;
}

// ---- translating --------------------------------------------------------------------------------

unsigned Translator::Impl::table_of(Mode mode) {
  for (unsigned i = 0; i < tables_used_; ++i) {
    if (table_owner_[i] == mode.key()) return i;
  }
  return tables_used_;
}

TranslatedBlock* Translator::Impl::translate(const cpu::Block& cold, Mode mode) {
  const CpuState& state = cpu_.state;
  const u64 rip = state.rip();
  // Offsets that run over the end of code are the interpreter's.
  const u64 code_end = mode.code64() ? ~u64{0} : mode.code_size() == cpu::CodeSize::Bits16 ? 0x1'0000 : 0x1'0000'0000;
  if (rip + cold.size_bytes >= code_end) return nullptr;
  const i64 began = clock_ns();
  const bool straddles = interpreter_.is_straddling(cold);
  const LinearAddr address(mode.code64() ? rip : (state.segment(Seg::CS).base + rip) & 0xffff'ffff);
  const u64 second = straddles ? second_page(address, mode) : 0;
  if (straddles && second == 0) return nullptr;
  // A ninth mode at a time is rare enough to begin anew.
  if (table_of(mode) == cpu::EngineArea::kTables) {
    ++statistics_.flushes;
    blocks_.free_all();
    cache_.reset();
    tables_used_ = 0;
    for (auto& table : cpu_.engine_area.tables) std::fill(std::begin(table), std::end(table), stubs_.exit_lookup);
  }
  const unsigned table = table_of(mode);
  if (table == tables_used_) {
    table_owner_[table] = mode.key();
    ++tables_used_;
  }
  if (!cache_.has_room(Emitter::bytes_needed(cold.count))) {
    const size_t before = blocks_.live();
    blocks_.free_region(cache_.next_region());
    statistics_.evicted += before - blocks_.live();
  }
  const std::span<const cpu::Instruction> guest(cold.instructions);
  const bool groups = !without_groups_.contains(cold.physical);
  const BlockPlan plan = plan_block(guest, mode, rip, {groups});

  auto block = std::make_unique<TranslatedBlock>();
  block->key = {cold.physical, rip, mode.code64() ? 0 : state.segment(Seg::CS).base, mode.key(), second};
  block->count = static_cast<u16>(plan.instructions.size());
  block->size_bytes = static_cast<u16>(cold.size_bytes);
  block->has_groups = !plan.groups.empty();
  block->table = table;
  const u32 number = blocks_.next_number();
  assembler_.setOffset(cache_.position());
  EmitRequest request{guest, plan, mode, rip, address};
  request.fetch_id = cpu_.mmu.fetch_id(address.page(), PhysAddr(cold.physical).page());
  if (straddles) request.second_fetch_id = cpu_.mmu.fetch_id(next_page(address, mode), PhysAddr(second - 1));
  request.table = table;
  request.link_number = number * 2;
  request.block_number = number;
  request.sites = !without_sites_.contains(cold.physical);
  block->code = emitter_->emit(request);
  DOPPEL_CHECK(block->code.end - block->code.begin <= Emitter::bytes_needed(cold.count), "a block outgrew its room");
  cache_.take(block->code.end - block->code.begin);
  TranslatedBlock& inserted = blocks_.insert(std::move(block));
  if (straddles) {
    // The interpreter keeps no such block, so nobody has asked to be told of changes.
    for (const u64 page : {inserted.key.physical >> kPageShift, second >> kPageShift}) {
      const TranslatedBlock::Part part = inserted.part_in(page);
      cpu_.mmu.memory().tracking().track_code(part.first, part.bytes);
    }
  }

  ++statistics_.blocks;
  statistics_.guest_instructions += inserted.count;
  statistics_.guest_bytes += inserted.size_bytes;
  statistics_.host_bytes += inserted.code.end - inserted.code.begin;
  statistics_.translate_ns += static_cast<u64>(clock_ns() - began);
  if (options_.verify) check_block(inserted);
  if (listing_sink) listing_sink(listing_of(inserted, guest));
  return &inserted;
}

void Translator::Impl::check_block(const TranslatedBlock& block) {
  VerifierRules rules;
  rules.code_begin = cache_.address(0);
  rules.code_end = cache_.address(cache_.size());
  rules.is_entry = [this](u64 address) { return cache_.contains(address) && cache_.offset_of(address) < CodeCache::kStubBytes; };
  rules.state_low = -kStateBias;
  rules.state_high = static_cast<i64>(reinterpret_cast<const u8*>(&cpu_ + 1) - reinterpret_cast<const u8*>(&cpu_.state)) - kStateBias;
  std::vector<MemorySite> sites = block.code.memory_sites;
  for (MemorySite& site : sites) site.offset -= block.code.begin;
  const auto violation = verify_block({cache_.writable(block.code.begin), block.code.end - block.code.begin},
                                      cache_.address(block.code.begin), sites, rules);
  DOPPEL_CHECK(!violation.has_value(), violation->c_str());
}

void Translator::Impl::code_changed(PhysAddr address, u64 size) {
  const u64 page = address.page_number();
  if ((blocks_.lines_on(page) & mmu::WriteTracking::lines_of(address, size)) == 0) return;
  const std::vector<TranslatedBlock*>* on_page = blocks_.on_page(page);
  for (size_t i = 0; on_page != nullptr && i < on_page->size();) {
    TranslatedBlock& block = *(*on_page)[i];
    const TranslatedBlock::Part part = block.part_in(page);
    if (part.first.value >= address.value + size || part.first.value + part.bytes <= address.value) {
      ++i;
      continue;
    }
    blocks_.kill(block);
    ++statistics_.invalidated;
    cpu_.attention = true;
    on_page = blocks_.on_page(page);  // It goes with its last block.
  }
}

u64 Translator::Impl::lines_kept(PhysAddr page) const {
  return blocks_.lines_on(page.page_number());
}

Listing Translator::Impl::listing_of(const TranslatedBlock& block, std::span<const cpu::Instruction> guest) {
  Listing listing;
  listing.guest_rip = block.key.rip;
  listing.physical = block.key.physical;
  listing.code_size = Mode(block.key.mode).code_size();
  listing.guest = guest;
  listing.host = {cache_.writable(block.code.begin), block.code.end - block.code.begin};
  listing.host_address = cache_.address(block.code.begin);
  listing.host_offsets = block.code.instruction_offsets;
  return listing;
}

void Translator::Impl::for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit) {
  // Whoever only looks must not set accessed bits.
  mmu::PageWalker::Steps steps;
  const auto walked = cpu_.mmu.walker().explain(cpu_.mmu.context(), address, {Access::Fetch}, steps);
  if (!walked.ok()) return;
  const u64 physical = cpu_.mmu.memory().apply_a20(walked.value().page).value | address.page_offset();
  const auto* const on_page = blocks_.on_page(physical >> kPageShift);
  if (on_page == nullptr) return;
  for (const TranslatedBlock* const block : *on_page) {
    const TranslatedBlock::Part part = block->part_in(physical >> kPageShift);
    if (physical < part.first.value || physical >= part.first.value + part.bytes) continue;
    // The bytes as they are in memory: they have not changed, or the block would be dead.
    const Mode mode(block->key.mode);
    std::vector<u8> bytes(block->size_bytes + kLongestInstruction);
    cpu_.mmu.memory().read_bytes(PhysAddr(block->key.physical), {bytes.data(), block->part_in(block->key.physical >> kPageShift).bytes});
    if (block->is_straddling()) {
      const TranslatedBlock::Part second = block->part_in(block->key.second_page >> kPageShift);
      cpu_.mmu.memory().read_bytes(second.first, {bytes.data() + block->size_bytes - second.bytes, second.bytes});
    }
    std::vector<cpu::Instruction> guest(block->count);
    size_t offset = 0;
    for (cpu::Instruction& insn : guest) {
      (void)interpreter_.decoder().decode(mode.code_size(), (mode.decoder_key() & 4) != 0,
                                          bytes.data() + offset, kLongestInstruction, insn);
      offset += insn.length;
    }
    visit(listing_of(*block, guest));
  }
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
