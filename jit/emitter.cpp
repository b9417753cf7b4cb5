#include "jit/emitter.h"

#include <algorithm>
#include <iterator>

#include "cpu/instruction_table.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

void Emitter::set(const Gpq& reg, u64 value) {
  if (value <= 0xffff'ffff) {
    a_.mov(reg.r32(), static_cast<u32>(value));
  } else {
    a_.mov(reg, static_cast<i64>(value));
  }
}

void Emitter::load_guest(const Gpq& to, unsigned guest) {
  if (home_[guest] == kNoHome) {
    a_.mov(to, ptr(x86::r15, gpr_offset(guest)));
  } else {
    a_.mov(to, x86::gpq(home_[guest]));
  }
}

u32 Emitter::jump_placeholder() {
  const u8 bytes[] = {0xe9, 0, 0, 0, 0};
  a_.put_bytes(bytes, sizeof bytes);
  return here() - 4;
}

u32 Emitter::call_placeholder() {
  const u8 bytes[] = {0xe8, 0, 0, 0, 0};
  a_.put_bytes(bytes, sizeof bytes);
  return here() - 4;
}

u32 Emitter::jump_if_placeholder(unsigned condition) {
  const u8 bytes[] = {0x0f, static_cast<u8>(0x80 | condition), 0, 0, 0, 0};
  a_.put_bytes(bytes, sizeof bytes);
  return here() - 4;
}

void Emitter::patch_here(u32 displacement_at) {
  const i32 distance = static_cast<i32>(here() - (displacement_at + 4));
  std::memcpy(a_.bufferData() + displacement_at, &distance, sizeof distance);
}

void Emitter::emit_jump_to(u32 offset) { a_.jump_far(base_, base_ + offset); }

void Emitter::compare_target(u64 value) {
  if (request_->mode.code_bytes() != 8) {
    // Offsets are zero-extended: the low half decides.
    a_.lea(x86::ecx, ptr(x86::r14, static_cast<i32>(-value)));
    return;
  }
  if (is_sign_extended(-value)) {
    a_.lea(x86::rcx, ptr(x86::r14, static_cast<i32>(-value)));
    return;
  }
  a_.mov(x86::rcx, static_cast<i64>(-value));
  a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
}

void Emitter::begin(const EmitRequest& request) {
  request_ = &request;
  tlb_ = tlb_of_class_[static_cast<size_t>(request.mode.privilege())];
  if (request.mode.has_smap()) other_tlb_ = tlb_of_class_[static_cast<size_t>(request.mode.with_other_access().privilege())];
  out_ = {};
  now_ = {};
  now_.open_calls = request.open_calls;
  home_ = kHome;
  ended_ = in_loop_ = false;
  next_page_ = 0;
  misses_.clear();
  pending_links_.clear();
  side_exits_.clear();
  tail_jumps_.clear();
  splits_.clear();
  budget_jumps_.clear();
  ways_back_.clear();
  draft_.faults.clear();
  draft_.callouts.clear();
  draft_.instruction_offsets.clear();
  draft_.memory_sites.clear();
  draft_.tlb_sites.clear();
  run_sites_used_ = {};
  out_.begin = here();
  const size_t count = request.plan.instructions.size();
  out_.last_rip = request.plan.instructions[count - 1].rip;
  out_.is_loop = closes_loop();
  swaps_ = choose_homes(request.block, request.plan, out_.is_loop);
  group_homes_ = request.loops ? choose_group_homes(request.block, request.plan, swaps_, request.mode, out_.is_loop) : GroupHomes{};
}

u64 Emitter::next_rip(size_t i) const {
  return mask_code(request_->plan.instructions[i].rip + request_->block[i].length);
}

/// The calls that are open before instruction `i`.
OpenCalls Emitter::open_calls_before(size_t i) const {
  OpenCalls open = request_->open_calls;
  for (size_t j = 0; j < i; ++j) {
    const PlannedInstruction& planned = request_->plan.instructions[j];
    if (!planned.is_passed) continue;
    if (planned.treatment == Treatment::Call) open.push_back(next_rip(j));
    if (planned.treatment == Treatment::Return) open.pop_back();
  }
  return open;
}

/// The last instruction leads back to the first, by itself or by what follows it.
bool Emitter::closes_loop() const {
  const size_t last = request_->plan.instructions.size() - 1;
  if (!request_->loops) return false;
  if (request_->plan.closes) return true;
  if (open_calls_before(last) != request_->open_calls) return false;
  const cpu::Instruction& insn = request_->block[last];
  switch (request_->plan.instructions[last].treatment) {
    case Treatment::Jump:
      return insn.operand[0].kind == cpu::OperandKind::Relative && leads_back(relative_target(last));
    case Treatment::Call:
    case Treatment::Return:
      return false;
    case Treatment::JumpIf:
      return leads_back(relative_target(last)) || leads_back(next_rip(last));
    default:
      return !insn.ends_block && leads_back(next_rip(last));
  }
}

EmittedBlock Emitter::emit(const EmitRequest& request) {
  begin(request);
  emit_entries();
  if (request.counts_runs) emit_run_counter();
  choose_charge();
  take_homes();
  emit_body();
  if (out_.is_loop) {
    begin_loop();
    emit_body();
  }
  emit_cold();
  return finish();
}

EmittedBlock Emitter::finish() {
  out_.end = here();
  out_.instruction_offsets.assign(draft_.instruction_offsets.begin(), draft_.instruction_offsets.end());
  if (!draft_.faults.empty() || !draft_.callouts.empty() || !draft_.tlb_sites.empty()) {
    auto extras = std::make_unique<EmittedBlock::Extras>();
    extras->faults.assign(draft_.faults.begin(), draft_.faults.end());
    extras->callouts.assign(std::make_move_iterator(draft_.callouts.begin()), std::make_move_iterator(draft_.callouts.end()));
    extras->tlb_sites.assign(draft_.tlb_sites.begin(), draft_.tlb_sites.end());
    out_.extras = std::move(extras);
  }
  return std::move(out_);
}

void Emitter::emit_body() {
  const size_t count = request_->plan.instructions.size();
  groups_ = request_->plan.groups;
  for (Group& group : groups_) group.is_begun = false;
  group_at_hand_ = -1;
  ended_ = false;
  keep_entry_flags();
  for (size_t i = 0; i < count && !ended_; ++i) {
    draft_.instruction_offsets.push_back(here() - out_.begin);
    at_hand_ = i;
    is_suspect_ = false;
    emit_page_entry(i);
    if (now_.stack_owed != 0 && needs_stack_pointer(i)) pay_stack();
    TailState& tail = tail_states_[place_of(i)];
    tail = {now_.adjust_is_stale, i >= charge_at_, has_other_access(), now_.x87_note, now_.stack_owed, {}};
    if (now_.flags_are_spoilt) tail.flags_of = now_.flag_source;
    if (i == charge_at_) emit_budget();
    emit_instruction(i);
    follow_flags(i);
  }
  if (ended_) return;
  if (out_.is_loop) {
    pay_stack();
    at_way_back_ = now_;
    emit_way_back(jump_placeholder());
  } else {
    settle();
    emit_link(next_rip(count - 1));
  }
}

/// What is known at the end of the first body is known at the end of the second: it holds whenever the
/// second begins.
void Emitter::begin_loop() {
  a_.align(AlignMode::kCode, 32);
  loop_begin_ = here();
  for (const u32 jump : ways_back_) patch_here(jump);
  const size_t last = request_->plan.instructions.size() - 1;
  now_ = at_way_back_;
  follow_flags(last);
  in_loop_ = true;
  charge_at_ = 0;
  charge_spoils_ = !flags_are_seen_before(request_->block, request_->plan, 0, rflags::kArithmetic);
}

void Emitter::emit_way_back(u32 jump) {
  if (!in_loop_) {
    ways_back_.push_back(jump);
    return;
  }
  const i32 distance = static_cast<i32>(loop_begin_ - (jump + 4));
  std::memcpy(a_.bufferData() + jump, &distance, sizeof distance);
}

void Emitter::take_homes() {
  for (const HomeSwap& swap : swaps_) {
    a_.mov(ptr(x86::r15, gpr_offset(swap.leaves)), x86::gpq(swap.host));
    a_.mov(x86::gpq(swap.host), ptr(x86::r15, gpr_offset(swap.comes)));
  }
  for (const GroupHome& home : group_homes_) {
    if (!is_nobodys(home.leaves, request_->mode)) a_.mov(ptr(x86::r15, gpr_offset(home.leaves)), x86::gpq(home.host));
    out_.address_registers = static_cast<u16>(out_.address_registers | 1u << home.host);
  }
  home_ = homes_with(swaps_, group_homes_);
}

void Emitter::leave_homes() {
  for (const HomeSwap& swap : swaps_) {
    a_.mov(ptr(x86::r15, gpr_offset(swap.comes)), x86::gpq(swap.host));
    a_.mov(x86::gpq(swap.host), ptr(x86::r15, gpr_offset(swap.leaves)));
  }
  for (const GroupHome& home : group_homes_) a_.mov(x86::gpq(home.host), ptr(x86::r15, gpr_offset(home.leaves)));
}

/// Where the host address of a group stands besides its word, or kNoHome.
u8 Emitter::home_of_group(int group) const {
  for (const GroupHome& home : group_homes_) {
    if (home.group == group) return home.host;
  }
  return kNoHome;
}

void Emitter::emit_entries() {
  const EmitRequest& r = *request_;
  out_.indirect_entry = here();
  if (r.mode.code64()) {
    compare_target(r.rip);
    unless_rcx_zero([&] { a_.jump_far(base_, stubs_.exit_lookup); });
    out_.page_entry = here();
    emit_page_check(r.linear, r.fetch_id);
  } else {
    // Both differences have 32 bits: their sum is 0 if both are.
    compare_page(r.linear, r.fetch_id);
    a_.mov(x86::r13d, x86::ecx);
    compare_target(r.rip);
    a_.lea(x86::rcx, ptr(x86::rcx, x86::r13));
    unless_rcx_zero([&] {
      a_.jump_far(base_, stubs_.exit_lookup);
      out_.page_entry = here();
      emit_page_check(r.linear, r.fetch_id);
    });
  }
  out_.linked_entry = here();
  // Who comes from the first page knows nothing of the second.
  if (r.second_fetch_id != 0) emit_page_check(r.linear.page() + kPageSize, r.second_fetch_id);
}

void Emitter::emit_run_counter() {
  const Mem counter = x86::qword_ptr(x86::r15, run_counter_offset(request_->block_number));
  if (!flags_are_seen_before(request_->block, request_->plan, 0, rflags::kArithmetic)) {
    a_.dec(counter);
    counted_jump_ = jump_if_placeholder(8);  // Negative.
    return;
  }
  a_.mov(x86::rcx, counter);
  a_.lea(x86::rcx, ptr(x86::rcx, -1));
  a_.mov(counter, x86::rcx);
  a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(Word::SignMask)));
  unless_rcx_zero([&] { counted_jump_ = jump_placeholder(); });
}

/// The run loop passes it by, and makes a trace of it next time.
void Emitter::emit_counted() {
  patch_here(counted_jump_);
  set(x86::r14, request_->rip);
  a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::LinkNumber)), request_->block_number);
  a_.mov(x86::ecx, ExitInfo{ExitInfo::Kind::Often}.pack());
  a_.jump_far(base_, stubs_.exit);
}

/// rcx = 0 exactly if the page behind `address` is the one that the block was made from.
void Emitter::compare_page(LinearAddr address, u32 fetch_id) {
  const i32 slot = static_cast<i32>(mmu::ShadowTlb::fetch_slot(address) * sizeof(u32));
  a_.mov(x86::ecx, x86::dword_ptr(x86::r15, tlb_.fetch_ids + slot));
  a_.lea(x86::rcx, ptr(x86::rcx, -static_cast<i32>(fetch_id)));
}

/// Once a run: whatever changes the meaning of an address leaves translated code first.
void Emitter::emit_page_entry(size_t i) {
  if (!request_->plan.instructions[i].enters_page || in_loop_) return;
  const EmitRequest::EnteredPage& entered = request_->entered_pages[next_page_++];
  compare_page(entered.page, entered.fetch_id);
  unless_rcx_zero([&] { add_side_exit(jump_placeholder(), i, request_->plan.instructions[i].rip, true); });
  out_.has_guards = true;
}

/// Goes on if the page behind `address` is the one that the block was made from, else out to the run loop.
void Emitter::emit_page_check(LinearAddr address, u32 fetch_id) {
  compare_page(address, fetch_id);
  unless_rcx_zero([&] {
    set(x86::r14, request_->rip);
    a_.jump_far(base_, stubs_.exit_lookup);
  });
}

/// The budget is charged where flags are free, if that is near the beginning: a subtraction is
/// cheaper than the way around the flags. What runs before the charge has retired without it; the
/// slack allows for that.
void Emitter::choose_charge() {
  constexpr size_t kNear = 8;
  charge_at_ = 0;
  charge_spoils_ = false;
  const BlockPlan& plan = request_->plan;
  for (size_t i = 0; i < std::min(kNear, plan.instructions.size()); ++i) {
    if (plan.instructions[i].enters_page) return;  // Who leaves there has been charged.
    if (!flags_are_seen_before(request_->block, plan, i, rflags::kArithmetic)) {
      charge_at_ = i;
      charge_spoils_ = true;
      return;
    }
    const Treatment treatment = plan.instructions[i].treatment;
    const bool is_plain = treatment == Treatment::Nothing || treatment == Treatment::Identical ||
                          treatment == Treatment::Address || treatment == Treatment::Push ||
                          treatment == Treatment::Pop || treatment == Treatment::Leave ||
                          treatment == Treatment::String || treatment == Treatment::Direction ||
                          treatment == Treatment::ReadSelector;
    if (!is_plain) return;
  }
}

void Emitter::emit_budget() {
  const i32 count = static_cast<i32>(request_->plan.instructions.size());
  const size_t place = place_of(charge_at_);
  if (charge_spoils_ || may_spoil_flags(charge_at_)) {
    a_.sub(x86::gpq(kBudget), count);
    budget_jumps_.push_back({jump_if_placeholder(8), place});  // Negative.
    if (charge_spoils_) {
      now_.flag_source.reset();
      now_.flags_are_spoilt = false;
    } else {
      note_spoilt(charge_at_);
    }
    return;
  }
  a_.lea(x86::gpq(kBudget), ptr(x86::gpq(kBudget), -count));
  a_.pext(x86::rcx, x86::gpq(kBudget), ptr(x86::r15, word_offset(Word::SignMask)));
  unless_rcx_zero([&] { budget_jumps_.push_back({jump_placeholder(), place}); });
}

void Emitter::emit_instruction(size_t i) {
  switch (request_->plan.instructions[i].treatment) {
    case Treatment::Nothing: return;
    case Treatment::Identical: return emit_identical(i);
    case Treatment::Address: return emit_lea(i);
    case Treatment::BitString: return emit_bit_string(i);
    case Treatment::ExchangePair: return emit_exchange_pair(i);
    case Treatment::Push: return emit_push(i);
    case Treatment::Pop: return emit_pop(i);
    case Treatment::Leave: return emit_leave(i);
    case Treatment::String: return emit_string(i);
    case Treatment::RepeatString: return emit_repeat(i);
    case Treatment::Direction: return emit_direction(i);
    case Treatment::ReadSelector: return emit_read_selector(i);
    case Treatment::ReadControl: return emit_read_control(i);
    case Treatment::ReadSystem: return emit_read_system(i);
    case Treatment::LoadSegment: return emit_load_segment(i);
    case Treatment::PushFlags: return emit_push_flags(i);
    case Treatment::PopFlags: return emit_pop_flags(i);
    case Treatment::ClearInterrupts: return replace_system_flags(Word::NoInterruptMask, 0);
    case Treatment::SetInterrupts: return emit_set_interrupts(i);
    case Treatment::SwapGs: return emit_swap_gs();
    case Treatment::Jump: return emit_jump(i);
    case Treatment::JumpIf: return emit_jump_if(i);
    case Treatment::Count: return emit_count(i);
    case Treatment::Call: return emit_call(i);
    case Treatment::Return: return emit_return(i);
    case Treatment::Callout: return emit_callout(i);
    case Treatment::Interpret: return leave_to_interpreter(i);
  }
}

void Emitter::leave_to_interpreter(size_t i) {
  tail_jumps_.push_back({jump_placeholder(), place_of(i)});
  ended_ = true;
}

void Emitter::emit_callout(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  const size_t count = request_->plan.instructions.size();
  auto record = std::make_unique<CalloutRecord>();
  record->insn = insn;
  record->rip = planned.rip;
  record->next_rip = mask_code(planned.rip + insn.length);
  record->not_retired = static_cast<u8>(count - i - 1);
  record->clear_adjust = now_.adjust_is_stale;
  record->touches_fpu = cpu::is_float_row(insn.mnemonic);
  record->other_access = planned.other_access;
  emit_x87_pointers();
  a_.mov(x86::rcx, reinterpret_cast<u64>(record.get()));
  a_.call(stubs_.callout);
  draft_.callouts.push_back(std::move(record));
  group_at_hand_ = -1;
  now_.vectors_ready = now_.x87_ready = false;
  now_.adjust_is_stale = false;
}

void Emitter::emit_link(u64 target, bool is_call) {
  pending_links_.push_back({is_call ? call_placeholder() : jump_placeholder(), target, {}});
}

/// Leaves before the instruction at `place`.
void Emitter::emit_exit(size_t place, ExitInfo::Kind kind) {
  const size_t i = instruction_at(place);
  const TailState& tail = tail_states_[place];
  now_.x87_note = tail.x87;
  emit_x87_pointers();
  set(x86::r14, request_->plan.instructions[i].rip);
  a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::LinkNumber)), request_->block_number);
  if (tail.flags_of.has_value()) emit_flags_again(*tail.flags_of);
  now_.stack_owed = tail.stack_owed;
  pay_stack();
  leave_homes();
  const int left = static_cast<int>(request_->plan.instructions.size() - i);
  const i8 not_retired = static_cast<i8>(tail.is_charged ? left : -static_cast<int>(i));
  a_.mov(x86::ecx, ExitInfo{kind, not_retired, tail.clear_adjust, tail.other_access}.pack());
  a_.jump_far(base_, stubs_.exit);
}

/// What the branch passes by has been charged for.
void Emitter::emit_side_exits() {
  for (const SideExit& exit : side_exits_) {
    patch_here(exit.jump);
    now_ = exit.progress;
    if (now_.flags_are_spoilt) emit_flags_again(*now_.flag_source);
    const i32 passed = static_cast<i32>(request_->plan.instructions.size() - exit.retired);
    a_.lea(x86::gpq(kBudget), ptr(x86::gpq(kBudget), passed));
    BlockVariant variant;
    if (exit.is_guard) {
      // A block that begins with this very instruction would only ask again.
      variant.is_single = exit.target == request_->rip;
      count_guard_miss();
    } else if (const std::optional<u32> context = exit.other_access ? std::nullopt : contexts_.number_of(now_.open_calls)) {
      // What follows knows of the open calls.
      variant.context = static_cast<u16>(*context);
      now_.open_calls.clear();
    }
    settle();
    if (exit.other_access) {
      // Another mode's block.
      set(x86::r14, exit.target);
      a_.mov(x86::ecx, ExitInfo{ExitInfo::Kind::Lookup, 0, false, true}.pack());
      a_.jump_far(base_, stubs_.exit);
    } else {
      pending_links_.push_back({jump_placeholder(), exit.target, variant});
    }
  }
}

void Emitter::count_guard_miss() {
  if (!request_->loops) return;
  const Mem counter = ptr(x86::r15, word_offset(Word::GuardMisses) + static_cast<i32>(request_->guard_counter * sizeof(u64)));
  a_.mov(x86::rcx, counter);
  a_.lea(x86::rcx, ptr(x86::rcx, 1));
  a_.mov(counter, x86::rcx);
}

/// A block without groups goes on where a group cannot be checked.
void Emitter::emit_splits() {
  for (const TailJump& split : splits_) {
    patch_here(split.jump);
    const size_t i = instruction_at(split.place);
    const TailState& tail = tail_states_[split.place];
    if (tail.flags_of.has_value()) emit_flags_again(*tail.flags_of);
    now_.x87_note = tail.x87;
    now_.adjust_is_stale = tail.clear_adjust;
    now_.open_calls = open_calls_before(i);
    now_.stack_owed = tail.stack_owed;
    settle();
    const i32 left = static_cast<i32>(request_->plan.instructions.size() - i);
    a_.lea(x86::gpq(kBudget), ptr(x86::gpq(kBudget), tail.is_charged ? left : -static_cast<i32>(i)));
    pending_links_.push_back({jump_placeholder(), request_->plan.instructions[i].rip, {.is_single = true}});
  }
}

void Emitter::emit_cold() {
  if (request_->counts_runs) emit_counted();
  for (const Miss& miss : misses_) emit_miss(miss);
  // One tail for each place that something leads to.
  std::array<u32, kPlaces> tails{};
  const auto tail_of = [&](size_t place) {
    if (tails[place] == 0) {
      tails[place] = here();
      emit_exit(place, ExitInfo::Kind::Interpret);
    }
    return tails[place];
  };
  for (const TailJump& jump : tail_jumps_) {
    const i32 distance = static_cast<i32>(tail_of(jump.place) - (jump.jump + 4));
    std::memcpy(a_.bufferData() + jump.jump, &distance, sizeof distance);
  }
  for (FaultSite& site : draft_.faults) site.cold = tail_of(site.cold);  // Until now: the place.
  for (const BudgetJump& budget : budget_jumps_) {
    patch_here(budget.jump);
    emit_exit(budget.place, ExitInfo::Kind::Budget);
  }
  out_.first_side_exit = static_cast<u16>(pending_links_.size());
  emit_side_exits();
  out_.end_side_exits = static_cast<u16>(pending_links_.size());
  emit_splits();
  for (const PendingLink& link : pending_links_) {
    const u32 cold = here();
    patch_here(link.jump);
    set(x86::r14, link.target);
    const u32 number = request_->block_number * kLinksPerBlock + static_cast<u32>(out_.links.size());
    a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::LinkNumber)), number);
    a_.mov(x86::ecx, ExitInfo{ExitInfo::Kind::Link}.pack());
    a_.jump_far(base_, stubs_.exit);
    out_.links.push_back({link.jump, cold - link.jump, link.variant.is_single, link.variant.context, link.target});
  }
}

}  // namespace doppel::jit
