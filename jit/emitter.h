#pragma once

// Emits the host code of one block.
//
//     [indirect entry]  r14 = target: is it this block?        -> no: the lookup
//     [page entry]      is the page still behind its address?  -> no: the lookup
//     [linked entry]    run counter, if it has one             -> spent: cold
//                       budget                                 -> spent: cold
//     body              one piece for each guest instruction
//     links             jumps to what follows, patched when it is known
//     [loop]            body and links once more, if the block jumps back to its beginning: who
//                       comes from there leaves its flags in a known way
//     [cold]            misses, exits, links that are not patched yet
//
// Flags are the guest's all the way: what must compare something does so without them (LEA and
// JRCXZ, PEXT, SHRX). Only where the guest's flags are sure to be set anew first is a plain
// subtraction used.

#include <memory>
#include <optional>
#include <vector>

#include <asmjit/x86.h>
#include <boost/container/small_vector.hpp>

#include "jit/block_plan.h"
#include "jit/call_contexts.h"
#include "jit/home_choice.h"
#include "jit/host_assembler.h"
#include "jit/host_flags.h"
#include "jit/layout.h"
#include "jit/operand_setup.h"
#include "jit/reencode.h"
#include "jit/stubs.h"
#include "jit/verifier.h"

namespace doppel::jit {

/// Instruction and place, for callouts from translated code.
struct CalloutRecord {
  cpu::Instruction insn;
  u64 rip = 0;
  u64 next_rip = 0;
  u8 not_retired = 0;       ///< Instructions of the block behind this one.
  bool clear_adjust = false;
  bool touches_fpu = false;  ///< The x87 unit must be in the CpuState.
  bool other_access = false;  ///< See PlannedInstruction.
};

/// Links of one block have numbers below this.
inline constexpr u32 kLinksPerBlock = 256;
/// Ways out of a block that are no return sites: branches and guards, twice in a loop, entries of pages, groups that split.
inline constexpr u32 kMostPlainLinks = 80;

/// Which of several blocks that begin at the same place. All but the plain one are reached by links only.
struct BlockVariant {
  /// Its accesses are checked one by one, see EmitRequest::splits, and no target is asked after.
  bool is_single = false;
  u16 context = 0;  ///< See CallContexts.
  bool is_plain() const { return !is_single && context == 0; }
  bool operator==(const BlockVariant&) const = default;
};

/// Where a jump to another block is, for patching.
struct LinkSite {
  u32 patch = 0;           ///< Offset of the 32-bit displacement.
  u32 distance : 17 = 0;   ///< From there to the code that asks for the target.
  u32 is_single : 1 = 0;   ///< The target's variant.
  u32 context : 14 = 0;
  u64 target = 0;          ///< Guest offset in CS.
  u32 cold() const { return patch + distance; }
  BlockVariant variant() const { return {is_single != 0, static_cast<u16>(context)}; }
};
static_assert(CallContexts::kMost == 1 << 14);

/// Where the host may fault for the guest (division, alignment), and where to go on then.
struct FaultSite {
  u32 at = 0;
  u32 cold = 0;
};

/// What came out. Offsets are into the code cache.
struct EmittedBlock {
  u32 begin = 0, end = 0;
  u32 indirect_entry = 0, page_entry = 0, linked_entry = 0;
  u64 last_rip = 0;       ///< Of the last instruction,
  u32 stack_released = 0; ///< and by how much it has moved the stack pointer, if it is RET.
  bool has_guards = false;  ///< It asks after targets.
  u16 address_registers = 0;  ///< Bit n: host register n holds the address of a group.
  bool is_loop = false;   ///< It jumps back to its beginning,
  bool is_left_for_itself = false;  ///< or a branch out of its middle does.
  boost::container::small_vector<LinkSite, 2> links;  // Most blocks have no more.
  u16 first_side_exit = 0, end_side_exits = 0;  ///< Which of the links are branches out of its middle.
  std::vector<u32> instruction_offsets;
  struct SiteUse {
    u16 number = 0;       ///< Of the ShadowTlb::Site,
    u16 instruction = 0;  ///< and which instruction uses it,
    mmu::ShadowTlb::Bound bound{};
    u16 size = 0;         ///< for so many bytes.
  };
  /// What most blocks have none of: tens of thousands are kept.
  struct Extras {
    std::vector<FaultSite> faults;
    std::vector<std::unique_ptr<CalloutRecord>> callouts;
    std::vector<SiteUse> tlb_sites;
  };
  std::unique_ptr<const Extras> extras;
  std::span<const FaultSite> faults() const { return extras != nullptr ? extras->faults : std::span<const FaultSite>(); }
  std::span<const SiteUse> tlb_sites() const { return extras != nullptr ? extras->tlb_sites : std::span<const SiteUse>(); }
};

/// Pages that one trace may come from.
inline constexpr size_t kMostPages = 4;

/// What accesses of a trace remember: instructions by their bits, and apart for each mmu::ShadowTlb::Bound, by which
/// their checks may go. Others look at the index.
struct SiteUses {
  std::array<u64, 2> pages{};  ///< The page they found last,
  std::array<u64, 2> runs{};   ///< or a run of pages,
  std::array<std::vector<u16>, 2> run_sites;  ///< in these, for loads and for stores. There may be too few.
};

/// What the block is and may rely on.
struct EmitRequest {
  std::span<const cpu::Instruction> block;
  const BlockPlan& plan;
  Mode mode;
  u64 rip = 0;
  LinearAddr linear;      ///< Of the first byte.
  u32 fetch_id = 0;       ///< Of its page, see Mmu::fetch_id.
  u32 second_fetch_id = 0;  ///< Of the page after it, if the instruction lies in both; else 0.
  unsigned table = 0;     ///< Jump table of the mode.
  u32 block_number = 0;
  SiteUses sites = {};
  /// A group that reaches over the end of its page is left for a block that has no groups; else for the interpreter.
  bool splits = false;
  bool loops = false;     ///< If it jumps back to its beginning, that is made fast.
  OpenCalls open_calls = {};  ///< Where it begins.
  unsigned guard_counter = 0;  ///< Of Word::GuardMisses, if it is a trace.
  bool counts_runs = false;  ///< It is left when its run counter is spent.
  /// The pages that the way enters, in this order, where PlannedInstruction::enters_page says so.
  struct EnteredPage {
    LinearAddr page;
    u32 fetch_id = 0;
  };
  boost::container::static_vector<EnteredPage, kMostPages> entered_pages = {};
};

class Emitter {
 public:
  Emitter(HostAssembler& a, u64 base_address, const Stubs& stubs, const HostFlags& host_flags,
          CallContexts& contexts)
      : a_(a), base_(base_address), stubs_(stubs), host_flags_(host_flags), contexts_(contexts) {}

  void set_offsets(const std::array<TlbOffsets, kClasses>& tlbs, const CpuOffsets& cpu) {
    tlb_of_class_ = tlbs;
    cpu_ = cpu;
  }

  /// Emits at the assembler's position. The caller has made sure of `bytes_needed` bytes.
  EmittedBlock emit(const EmitRequest& request);
  /// Where the block emitted last touches guest memory; offsets as in EmittedBlock.
  const std::vector<MemorySite>& memory_sites() const { return draft_.memory_sites; }
  static size_t bytes_needed(size_t instructions, bool is_trace) {
    return is_trace ? 2 * (1024 + instructions * 700) : 512 + instructions * 420;
  }

 private:
  using Mem = asmjit::x86::Mem;
  using Gpq = asmjit::x86::Gpq;

  // ---- emitter.cpp: the frame of a block -------------------------------------------------------
  void begin(const EmitRequest& request);
  EmittedBlock finish();
  void emit_entries();
  void emit_run_counter();
  void emit_counted();
  void emit_page_check(LinearAddr address, u32 fetch_id);
  void emit_page_entry(size_t i);
  void compare_page(LinearAddr address, u32 fetch_id);
  void emit_body();
  void begin_loop();
  void choose_charge();
  void emit_budget();
  void take_homes();
  /// Guest registers go back to where they are outside. Changes no flag.
  void leave_homes();
  u8 home_of_group(int group) const;
  bool closes_loop() const;
  /// A direct branch at `i`, or what follows it, leads to the first instruction.
  bool leads_back(u64 target) const { return request_->loops && target == request_->rip; }
  u64 next_rip(size_t i) const;
  void emit_instruction(size_t i);
  void emit_callout(size_t i);
  void leave_to_interpreter(size_t i);
  void emit_cold();
  void emit_exit(size_t place, ExitInfo::Kind kind);
  void emit_side_exits();
  void count_guard_miss();
  void emit_splits();
  void emit_link(u64 target, bool is_call = false);
  void emit_way_back(u32 jump);
  void emit_jump_to(u32 offset);
  /// Cold code is reached by this 32-bit displacement.
  void patch_here(u32 displacement_at);
  u32 jump_placeholder();
  u32 call_placeholder();
  u32 jump_if_placeholder(unsigned condition);
  /// JRCXZ over what `between` emits.
  template <class Between>
  void unless_rcx_zero(Between between) {
    const u8 bytes[] = {0xe3, 0};
    a_.put_bytes(bytes, sizeof bytes);
    const u32 from = here();
    between();
    a_.bufferData()[from - 1] = static_cast<u8>(here() - from);
  }
  u32 here() const { return static_cast<u32>(a_.offset()); }
  /// rcx = 0 exactly if r14 is `value`.
  void compare_target(u64 value);
  void set(const Gpq& reg, u64 value);
  void load_guest(const Gpq& to, unsigned guest);
  u64 mask_code(u64 rip) const { return request_->mode.mask_code(rip); }

  struct Miss;
  /// Instructions whose flags are in EFLAGS and could be computed again from their operands.
  struct FlagSource {
    static constexpr size_t kEntry = ~size_t{0};
    size_t whole = 0;            ///< It set all of them, or kEntry: they are those of Word::EntryFlags,
    std::optional<size_t> step;  ///< and this one all but CF since.
  };

  // ---- address_check.cpp -----------------------------------------------------------------------
  /// to = offset of the form, without the segment. Uses rcx where `to` is not enough; a base
  /// without a home passes through `to`.
  void emit_offset(const Gpq& to, const AddressForm& form);
  /// r14 = linear address. Uses rcx. Where the segment ends at 64 KiB, accesses of `size` bytes
  /// that run over it take the jumps put into `outside`.
  void emit_linear(const AddressForm& form, unsigned size, std::vector<u32>* outside);
  void emit_bit_linear(const AddressForm& form);
  /// Makes sure of an access; the result is where the guest's bytes are. Uses rcx, r13, r14; r14 may be part of
  /// the result unless it `spares_r14`.
  HostMemory emit_access(size_t i, const MemoryUse& use, bool spares_r14 = false);
  void emit_check(size_t i, const AddressForm& form, MissInfo info, bool folds, bool splits = false);
  bool is_direct(const AddressForm& form, bool is_store) const;
  bool has_other_access() const { return request_->plan.instructions[at_hand_].other_access; }
  enum class Memory : u8 { None, Page, Run };
  Memory memory_of_check(bool is_store) const;
  void emit_page_check(size_t i, MissInfo info, bool folds, Miss& miss);
  void emit_run_check(size_t i, MissInfo info, bool folds, Miss& miss);
  asmjit::x86::Mem begin_site_check(size_t i, u16 number, mmu::ShadowTlb::Bound bound, MissInfo info, Miss& miss);
  void end_site_check(const asmjit::x86::Mem& added, bool folds, Miss& miss);
  void emit_index_check(size_t i, MissInfo info, bool folds, Miss& miss);
  void emit_miss(const Miss& miss);

  // ---- flag_source.cpp -------------------------------------------------------------------------
  /// Whether an address check before instruction `i` may use EFLAGS.
  bool may_spoil_flags(size_t i) const;
  void note_spoilt(size_t i);
  /// To set these flags again, one of `registers` (bit n: guest register n) must be in the host what it is.
  bool needs_for_flags(const FlagSource& source, u32 registers) const;
  void follow_flags(size_t i);
  void emit_flags_again(const FlagSource& source);
  void emit_flags_of(size_t i);
  void keep_entry_flags();
  int gain_of_kept_flags() const;
  /// The next instruction emitted is an access of the guest's.
  void note_site(bool is_store);
  static Mem mem(const HostMemory& memory);

  // ---- translate_identical.cpp -----------------------------------------------------------------
  void emit_identical(size_t i);
  void emit_with_operands(size_t i, OperandSetup& setup, const std::optional<HostMemory>& memory, FlagRepair repair);
  void emit_bit_scan(size_t i, const std::optional<HostMemory>& memory);
  void emit_bit_string(size_t i);
  void emit_exchange_pair(size_t i);
  Gpq register_at_hand(const cpu::Operand& operand);
  void emit_test(const Gpq& reg, unsigned bytes);
  void save_flags(Word place);
  void restore_flags(Word place);
  void repair_flags(const cpu::Instruction& insn, FlagRepair repair);
  void emit_clear_adjust();
  void emit_lea(size_t i);

  // ---- translate_float.cpp ---------------------------------------------------------------------
  void need_vectors();
  void need_x87();
  /// Remembers instruction `i` as the last of the x87 unit; stores its operand's offset.
  void note_x87(size_t i);
  /// Stores the pointers of the last x87 instruction, if that has not been done.
  void emit_x87_pointers();

  // ---- translate_stack.cpp ---------------------------------------------------------------------
  void emit_push(size_t i);
  void emit_pop(size_t i);
  void emit_leave(size_t i);
  bool may_owe_stack() const;
  std::optional<i32> late_stack_move(size_t i) const;
  bool needs_stack_pointer(size_t i) const;
  u32 registers_changed(size_t i) const;
  void move_stack(i32 distance);
  /// Makes up for `now_.stack_owed`. Changes no flag.
  void pay_stack();
  /// The form from registers as they stand.
  AddressForm with_owed(AddressForm form) const;
  void store_register(const HostMemory& to, const Gpq& from, unsigned bytes);
  void store_constant(const HostMemory& to, u64 value, unsigned bytes);
  void load_register(const Gpq& to, const HostMemory& from, unsigned bytes);
  void write_guest(unsigned guest, const Gpq& from, unsigned bytes);

  // ---- translate_string.cpp --------------------------------------------------------------------
  void emit_string(size_t i);
  void emit_steps(const cpu::Instruction& insn);
  void emit_repeat(size_t i);

  // ---- translate_system.cpp --------------------------------------------------------------------
  void emit_direction(size_t i);
  void emit_read_selector(size_t i);
  void emit_load_segment(size_t i);
  void emit_read_control(size_t i);
  void emit_read_system(size_t i);
  /// rcx = 0 if the bit of CR4 is set, else 1.
  void test_cr4(Word mask);
  /// What `quick` emits, if rcx = 0; else a callout. The x87 unit's pointers have been stored.
  template <class Quick>
  void emit_or_callout(size_t i, Quick quick) {
    const bool adjust_is_stale = now_.adjust_is_stale;
    u32 done = 0;
    unless_rcx_zero([&] {
      emit_callout(i);
      done = jump_placeholder();
    });
    quick();
    pay_stack();
    patch_here(done);
    now_.adjust_is_stale = adjust_is_stale;
  }
  void emit_push_flags(size_t i);
  void emit_pop_flags(size_t i);
  void emit_set_interrupts(size_t i);
  void emit_swap_gs();
  void replace_system_flags(Word kept, i32 added);

  // ---- translate_branch.cpp --------------------------------------------------------------------
  void emit_jump(size_t i);
  void emit_jump_if(size_t i);
  void emit_count(size_t i);
  void emit_call(size_t i);
  void emit_return(size_t i);
  /// r14 = target of an indirect branch.
  void emit_target(size_t i);
  void emit_indirect(bool is_call);
  void emit_return_site(u64 rip);
  void emit_open_calls();
  /// The target of instruction `i` is in `memory`, or in r14: the block goes on if it is `target`.
  void emit_guard(size_t i, u64 target, const HostMemory* memory = nullptr);
  void note_branch();
  void check_canonical(size_t i);
  void check_target_fits(size_t i);
  u64 relative_target(size_t i) const;
  /// What must be in order before control leaves the block.
  void settle();
  void settle_keeping_target();

  struct Miss {
    u32 jump = 0;  ///< Displacement that leads to the cold code.
    u32 retry = 0;
    size_t place = 0;
    AddressForm form;
    MissInfo info;
    i32 site = 0;  ///< Distance of the site from r15, or 0.
    bool is_for_run = false;  ///< Which kind of site.
    u32 hit = 0;   ///< Where the site has been filled.
    bool is_direct = false;  ///< r14 has not been used.
    bool folds = false;      ///< r13 is the host address
    u32 done = 0;            ///< from here on.
    bool splits = false;     ///< See EmitRequest::splits.
  };
  struct PendingLink {
    u32 jump;
    u64 target;
    BlockVariant variant;
  };
  struct TailJump {
    u32 jump;
    size_t place;
  };
  struct BudgetJump {
    u32 jump;
    size_t place;
  };
  /// The last x87 instruction so far, whose pointers are not in the CpuState yet.
  struct X87Note {
    bool is_pending = false;
    u64 rip = 0;
    u16 opcode = 0;
    bool has_operand = false;
    Seg segment = Seg::DS;
  };

  OpenCalls open_calls_before(size_t i) const;

  /// What is known of the processor between two instructions.
  struct Progress {
    bool vectors_ready = false;
    bool x87_ready = false;
    bool adjust_is_stale = false;  ///< AF is not what it should be: see HostFlags.
    X87Note x87_note;
    std::optional<FlagSource> flag_source;
    bool flags_are_spoilt = false;  ///< An address check has used EFLAGS since.
    /// To be added to the host register that is the guest's stack pointer: see translate_stack.cpp.
    i32 stack_owed = 0;
    /// Calls of the guest's that the host has not made: the trace went on at their targets.
    OpenCalls open_calls;
  };
  /// A way out of the middle: a branch that goes another way, or, before it, one whose target is another.
  struct SideExit {
    u32 jump;
    size_t retired;  ///< Instructions of the block.
    u64 target;
    Progress progress;
    bool is_guard = false;
    bool other_access = false;
  };
  void add_side_exit(u32 jump, size_t retired, u64 target, bool is_guard) {
    side_exits_.push_back({jump, retired, target, now_, is_guard, has_other_access()});
  }

  HostAssembler& a_;
  const u64 base_;
  const Stubs& stubs_;
  const HostFlags& host_flags_;
  CallContexts& contexts_;
  std::array<TlbOffsets, kClasses> tlb_of_class_{};
  CpuOffsets cpu_{};
  /// The next site for a page to be given away: by class, for loads or stores.
  std::array<std::array<u16, 2>, kClasses> next_site_{};

  // The block at hand.
  std::array<size_t, 2> run_sites_used_{};  // For loads, for stores.
  const EmitRequest* request_ = nullptr;
  TlbOffsets tlb_{};
  TlbOffsets other_tlb_{};  ///< Where has_other_access().
  EmittedBlock out_;
  /// Lists of `out_` while they grow: their room is used again and again.
  struct Draft : EmittedBlock::Extras {
    std::vector<u32> instruction_offsets;
    std::vector<MemorySite> memory_sites;
  };
  Draft draft_;
  boost::container::static_vector<Group, 16> groups_;
  size_t at_hand_ = 0;          ///< The instruction.
  bool is_suspect_ = false;     ///< The access to come may fault on the host.
  int group_at_hand_ = -1;      ///< Whose host address is in r13.
  bool ended_ = false;
  Progress now_;
  Homes home_ = kHome;
  HomeSwaps swaps_;
  GroupHomes group_homes_;
  std::vector<Miss> misses_;
  std::vector<PendingLink> pending_links_;
  std::vector<SideExit> side_exits_;
  std::vector<TailJump> tail_jumps_;
  std::vector<TailJump> splits_;
  std::vector<BudgetJump> budget_jumps_;
  u32 counted_jump_ = 0;        ///< Taken when the run counter is spent.
  size_t next_page_ = 0;        ///< Of EmitRequest::entered_pages.
  size_t charge_at_ = 0;        ///< The budget is charged before this instruction,
  bool charge_spoils_ = false;  ///< with flags that nobody will look at.
  bool in_loop_ = false;        ///< The body is emitted for the second time.
  u32 loop_begin_ = 0;
  Progress at_way_back_;
  std::vector<u32> ways_back_;  ///< Jumps to the loop, which is not there yet.

  // Cold code is about places: instructions of the first body, then those of the loop.
  static constexpr size_t kPlaces = 2 * kMaxBlockInstructions;
  size_t place_of(size_t i) const { return i + (in_loop_ ? kMaxBlockInstructions : 0); }
  static size_t instruction_at(size_t place) { return place % kMaxBlockInstructions; }
  struct TailState {
    bool clear_adjust = false;
    bool is_charged = false;
    bool other_access = false;
    X87Note x87;
    i32 stack_owed = 0;
    std::optional<FlagSource> flags_of;  ///< Flags are spoilt: they are these.
  };
  std::array<TailState, kPlaces> tail_states_{};
};

}  // namespace doppel::jit
