#pragma once

// The inside of the translator, for its source files alone.
//
//     translator.cpp         the loop: find, translate, run
//     translator_exits.cpp   what translated code calls, and what happens after it was left
//     translator_traces.cpp  which blocks run much, and what is made of them
//     translator_listing.cpp blocks looked at again

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cpu/interpreter/interpreter.h"
#include "jit/activations.h"
#include "jit/block_table.h"
#include "jit/call_contexts.h"
#include "jit/cold_counts.h"
#include "jit/host_faults.h"
#include "jit/translator.h"

namespace doppel::jit {

using cpu::CpuState;

inline constexpr u64 kLongestInstruction = 15;
/// Misses of a trace that are nothing.
inline constexpr u64 kFewMisses = 400;

/// Guest code in the order in which it is to be translated.
struct Trace {
  u64 rip = 0;       ///< Of the first instruction: offset in CS,
  u64 physical = 0;  ///< and where it is.
  std::vector<cpu::Instruction> instructions;
  std::vector<u64> rips;
  TraceCode code;
  u16 context = 0;   ///< See CallContexts.
  bool closes = false;  ///< The way was back at its beginning behind the last instruction.
  bool remembers = false;  ///< Its accesses are to remember the pages they found last.

  void begin(u64 at, u16 call_context) {
    instructions.clear();
    rips.clear();
    code.clear();
    rip = at;
    context = call_context;
    closes = remembers = false;
  }
  void add(const cpu::Instruction& insn, u64 at, u64 insn_physical) {
    if (instructions.empty()) physical = insn_physical;
    instructions.push_back(insn);
    rips.push_back(at);
    code.add(at, insn_physical, insn.length);
  }
  u64 physical_of(size_t i) const { return code.physical_of(i); }
  bool covers(u64 address) const {
    for (size_t i = 0; i < instructions.size(); ++i) {
      if (address - physical_of(i) < instructions[i].length) return true;
    }
    return false;
  }
};

class Translator::Impl final : public cpu::CodeKeeper, public HostFaultClient {
 public:
  Impl(cpu::Cpu& cpu, const TranslatorOptions& options)
      : cpu_(cpu), options_(options), interpreter_(cpu), blocks_(cache_), host_flags_(HostFlags::probe()) {}
  ~Impl() override;

  Result<void, Error> set_up();
  cpu::ExitReason run(u64 budget);
  void flush();
  const cpu::EngineCounters& counters() const { return interpreter_.counters(); }
  const TranslatorStatistics& statistics() {
    statistics_.live_blocks = blocks_.live();
    return statistics_;
  }
  void for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit);

  // CodeKeeper
  void code_changed(PhysAddr address, u64 size) override;
  bool keeps(PhysAddr address, u64 size) const override;
  u64 lines_kept(PhysAddr page) const override;
  // HostFaultClient
  u64 resume_after_fault(u64 pc, u64 address, u64& stack) override;

  std::function<void(const Listing&)> listing_sink;

 private:
  struct Pending {
    enum class Kind : u8 { None, Link, Lookup } kind = Kind::None;
    u32 number = 0;
    BlockVariant variant;
  };

  u64& word(Word which) { return cpu_.engine_area.words[static_cast<size_t>(which)]; }
  u64 state_register() const { return reinterpret_cast<u64>(&cpu_.state) + kStateBias; }
  u64 remaining() const { return end_ - cpu_.state.retired; }
  /// Instructions retired when translated code stands where the budget says.
  u64 retired_now() { return end_ - (reserve_ + word(Word::Budget) + static_cast<u64>(kBudgetSlack)); }
  /// Where the next instruction is.
  LinearAddr linear_rip(Mode mode) const {
    const u64 rip = cpu_.state.rip();
    return LinearAddr(mode.code64() ? rip : (cpu_.state.segment(Seg::CS).base + rip) & 0xffff'ffff);
  }

  Mode mode();
  TranslatedBlock* find(Mode mode);
  TranslatedBlock* find_wanted(Mode mode);
  BlockKey key_here(Mode mode) const;
  TranslatedBlock* find_by_page(const BlockKey& key, LinearAddr address, Mode mode);
  u64 second_page(LinearAddr address, Mode mode);
  bool is_hot(cpu::Block& block);
  enum class Kind : u8 { Block, Counting, Single, Trace, UnrolledTrace };
  /// Why a block becomes a trace.
  enum class HotBy : u8 { Samples, Count };
  TranslatedBlock* translate(const cpu::Block& block, Mode mode, BlockVariant variant);
  TranslatedBlock* translate(const Trace& trace, Mode mode, Kind kind);
  static u64 hot_key(u64 physical, u16 context) { return physical ^ u64{context} << 48; }
  void make_anew(TranslatedBlock& block, HotBy by = HotBy::Samples);
  bool follows_side_exit() const;
  TranslatedBlock* make_counting(TranslatedBlock& block, Mode mode);
  void stop_counting();
  void unroll(TranslatedBlock& loop);
  void improve(TranslatedBlock& trace);
  void follow_call(TranslatedBlock& call);
  bool may_note_anew(const TranslatedBlock& trace);
  bool misses_guards(const TranslatedBlock& trace, u64 runs);
  void sample_at_exit();
  void sample(TranslatedBlock* block);
  bool is_sample_due() const { return sample_at_ <= cpu_.state.retired; }
  bool note(const cpu::Block& block, u64 rip);
  bool trace_goes_on(Mode mode);
  bool may_enter_page(Mode mode) const;
  LinearAddr page_of(const TraceCode::Part& part, Mode mode) const {
    return LinearAddr(mode.code64() ? part.rip : (cpu_.state.segment(Seg::CS).base + part.rip) & 0xffff'ffff);
  }
  bool passes_last(Mode mode);
  void record_trace(Mode mode, u16 context, HotBy by);
  u64 prepare(const TranslatedBlock& block, Mode mode);
  void enter(const TranslatedBlock& block, Mode mode);
  void after_exit();
  void undo_branch();
  void note_link(u32 number);
  void settle_pending(TranslatedBlock& block);
  /// Which block had each site for runs last.
  struct SiteOwners {
    std::vector<u32> numbers = std::vector<u32>(mmu::ShadowTlb::kRunSites / 2);
    size_t next = 0;
  };
  TranslatedBlock* owner_of(u32 block_number, u16 site) const;
  std::vector<u16> free_run_sites(SiteOwners& owners, bool is_store, size_t count);
  SiteUses take_sites(const Trace& trace, const BlockPlan& plan, Mode mode);
  void begin_sites(const TranslatedBlock& trace);
  bool holds_more(mmu::Mmu::PrivilegeClass rights, u16 number, u64 key, u64 most_pages);
  void check_sites();
  unsigned table_of(Mode mode);
  unsigned take_table(Mode mode);
  void make_room(size_t bytes);
  void track(const TranslatedBlock& block);
  void count(const TranslatedBlock& block, u64 ns);
  size_t table_slot(u64 rip) const;
  void check_block(const TranslatedBlock& block);
  Trace guest_of(const TranslatedBlock& block);
  Listing listing_of(const TranslatedBlock& block, const Trace& guest);
  void spill_x87();
  bool may_repeat(const CalloutRecord& record);
  /// Grows when a handler reaches a device or changes code: then the run loop must look.
  u64 outside_events() const { return cpu_.mmu.counters().mmio + statistics_.invalidated + counters().blocks_invalidated; }

  static u64 miss_entry(void* self, u64 linear, u32 info) { return static_cast<Impl*>(self)->miss(linear, MissInfo::unpack(info)); }
  static u64 callout_entry(void* self, void* record) {
    return static_cast<Impl*>(self)->callout(*static_cast<const CalloutRecord*>(record));
  }
  u64 miss(u64 linear, MissInfo info);
  u64 miss_here(u64 linear, MissInfo info);
  void switch_access();
  u64 callout(const CalloutRecord& record);
  void settle_shadow();
  bool goes_on_behind(const CalloutRecord& record);
  u64 go_on_elsewhere();

  cpu::Cpu& cpu_;
  const TranslatorOptions options_;
  cpu::Interpreter interpreter_;
  CodeCache cache_;
  BlockTable blocks_;
  CallContexts contexts_;
  const HostFlags host_flags_;
  TranslatorStatistics statistics_;
  asmjit::CodeHolder holder_;
  HostAssembler assembler_;
  Stubs stubs_;
  std::unique_ptr<Emitter> emitter_;
  u8* return_stack_ = nullptr;
  bool guard_is_open_ = false;
  u64 end_ = 0;
  std::optional<u64> tsc_base_;  ///< Environment::tsc_base().
  u64 reserve_ = 0;  ///< Instructions before `end_` that the budget does not hold yet.
  u32 entered_mode_ = 0;
  u64 entered_epoch_ = 0;  ///< Cpu::translation_epoch() then.
  u64 entered_generation_ = 0;
  u64 entered_code_base_ = 0;
  u64 events_before_ = 0;
  bool has_straddled_ = false;  ///< The last access that failed reached over the end of its page.
  Pending pending_;
  /// Where blocks were found last, by RIP. Good while the block lives and its page is where it was,
  /// which the number in the fetch table says.
  struct Found {
    u64 rip = 0;
    u64 code_base = 0;
    TranslatedBlock* block = nullptr;
    u32 mode = 0;
    u32 fetch_id = 0;
  };
  static constexpr size_t kFound = 2048;
  Found& found_at(u64 rip) { return found_[(rip ^ rip >> 11) % kFound]; }
  std::array<Found, kFound> found_{};
  /// The mode asked for last, and when.
  struct {
    u64 epoch = ~u64{0};
    u64 float_controls = 0;
    Mode mode;
  } known_mode_;
  std::array<u32, cpu::EngineArea::kTables> table_owner_{};
  unsigned next_table_lost_ = 0;
  unsigned tables_used_ = 0;
  unsigned tables_filled_ = 0;  ///< Tables used at any time: those of dead blocks have no entries.
  std::unordered_map<u64, u32> straddling_runs_;  // By physical address.
  ColdCounts cold_counts_;
  std::array<std::array<SiteOwners, 2>, kClasses> site_owners_;
  bool has_gathered_ = false;  ///< While sites are looked at: one may hold more since, others that held parts of it lost them.
  // How often the sites of an instruction were to hold more pages.
  struct Chances {
    u32 taken = 0;
    u64 taken_at = 0;
  };
  std::unordered_map<u64, Chances> chances_;  // By instruction and kind of bound.
  std::unordered_set<u64> holding_runs_;  // By the same: instructions whose sites are for runs.
  std::unordered_set<u64> wandering_;  // By the same: instructions whose accesses wander from page to page.
  std::vector<u32> sampled_;           // Numbers of traces that samples found since they were looked at.
  u64 sites_checked_at_ = 0;
  u64 sample_at_ = 0;  ///< When it is to be noted which block runs, in retired instructions.
  std::unordered_set<u64> splitting_;  // By physical address: blocks whose groups straddled pages.
  std::unordered_map<u64, HotBy> hot_;      // By hot_key: to become traces.
  std::unordered_map<u64, u32> renoted_;    // By physical address: how often a trace was noted once more.
  /// By hot_key: when a trace may be noted anew because targets are others by now, in retired instructions.
  struct NextNote {
    u64 at = 0;
    u64 wait = 0;
  };
  std::unordered_map<u64, NextNote> next_notes_;
  unsigned next_guard_counter_ = 0;
  Trace trace_;                             // Being translated.
  Activations activations_;                 // On its way.
};

}  // namespace doppel::jit
