#pragma once

// The inside of the translator, for its source files alone.
//
//     translator.cpp        the loop: find, translate, run
//     translator_exits.cpp  what translated code calls, and what happens after it was left
//     translator_traces.cpp which blocks run much, and what is made of them

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cpu/interpreter/interpreter.h"
#include "jit/block_table.h"
#include "jit/cold_counts.h"
#include "jit/host_faults.h"
#include "jit/translator.h"

namespace doppel::jit {

using cpu::CpuState;

/// Guest code in the order in which it is to be translated.
struct Trace {
  u64 rip = 0;       ///< Of the first instruction: offset in CS,
  u64 physical = 0;  ///< and where it is.
  std::vector<cpu::Instruction> instructions;
  std::vector<u64> rips;
  u64 first = 0;     ///< Lowest guest-physical byte; all lie in one page, but for one that straddles two.
  u64 end = 0;

  void begin(u64 at) {
    instructions.clear();
    rips.clear();
    rip = at;
  }
  void add(const cpu::Instruction& insn, u64 at, u64 insn_physical) {
    if (instructions.empty()) physical = first = end = insn_physical;
    instructions.push_back(insn);
    rips.push_back(at);
    first = std::min(first, insn_physical);
    end = std::max(end, insn_physical + insn.length);
  }
  u64 physical_of(size_t i) const { return physical + (rips[i] - rip); }
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
    bool is_single = false;  ///< See BlockKey.
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
  enum class Kind : u8 { Block, Single, Trace, UnrolledTrace };
  TranslatedBlock* translate(const cpu::Block& block, Mode mode, Kind kind);
  TranslatedBlock* translate(const Trace& trace, Mode mode, Kind kind);
  void make_anew(TranslatedBlock& block);
  void unroll(TranslatedBlock& loop);
  void improve(TranslatedBlock& trace);
  void sample();
  bool note(const cpu::Block& block, u64 rip);
  bool trace_goes_on(Mode mode, LinearAddr page);
  void record_trace(Mode mode);
  u64 prepare(const TranslatedBlock& block, Mode mode);
  void enter(const TranslatedBlock& block, Mode mode);
  void after_exit();
  void undo_branch();
  void note_link(u32 number);
  void check_sites();
  void settle_pending(TranslatedBlock& block);
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
  u64 callout(const CalloutRecord& record);
  void settle_shadow();
  bool goes_on_behind(const CalloutRecord& record);
  u64 go_on_elsewhere();

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
  std::unordered_set<u64> wandering_;  // By physical address: instructions whose accesses wander from page to page.
  std::vector<u32> sampled_;           // Numbers of traces that samples found since they were looked at.
  u64 sites_checked_at_ = 0;
  std::unordered_set<u64> splitting_;  // By physical address: blocks whose groups straddled pages.
  std::unordered_set<u64> hot_;             // By physical address: to become traces.
  std::unordered_map<u64, u32> renoted_;    // By physical address: how often a trace was noted once more.
  Trace trace_;                             // Being translated.
};

}  // namespace doppel::jit
