#include "jit/emitter.h"

#include <algorithm>

#include "cpu/instruction_table.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

constexpr bool fits32(i64 value) { return value == static_cast<i32>(value); }

}  // namespace

unsigned Emitter::code_bytes() const {
  switch (request_->mode.code_size()) {
    case cpu::CodeSize::Bits64: return 8;
    case cpu::CodeSize::Bits32: return 4;
    case cpu::CodeSize::Bits16: return 2;
  }
  return 8;
}

u64 Emitter::mask_code(u64 rip) const {
  const unsigned bytes = code_bytes();
  return bytes == 8 ? rip : rip & ((u64{1} << (bytes * 8)) - 1);
}

void Emitter::set(const Gpq& reg, u64 value) {
  if (value <= 0xffff'ffff) {
    a_.mov(reg.r32(), static_cast<u32>(value));
  } else {
    a_.mov(reg, static_cast<i64>(value));
  }
}

void Emitter::load_guest(const Gpq& to, unsigned guest) {
  if (kHome[guest] == kNoHome) {
    a_.mov(to, ptr(x86::r15, gpr_offset(guest)));
  } else {
    a_.mov(to, x86::gpq(kHome[guest]));
  }
}

u32 Emitter::jump_placeholder() {
  const u8 bytes[] = {0xe9, 0, 0, 0, 0};
  a_.embed(bytes, sizeof bytes);
  return here() - 4;
}

u32 Emitter::call_placeholder() {
  const u8 bytes[] = {0xe8, 0, 0, 0, 0};
  a_.embed(bytes, sizeof bytes);
  return here() - 4;
}

u32 Emitter::jump_if_placeholder(unsigned condition) {
  const u8 bytes[] = {0x0f, static_cast<u8>(0x80 | condition), 0, 0, 0, 0};
  a_.embed(bytes, sizeof bytes);
  return here() - 4;
}

void Emitter::patch_here(u32 displacement_at) {
  const i32 distance = static_cast<i32>(here() - (displacement_at + 4));
  std::memcpy(a_.bufferData() + displacement_at, &distance, sizeof distance);
}

void Emitter::emit_jump_to(u32 offset) { a_.long_().jmp(base_ + offset); }

void Emitter::compare_target(u64 value) {
  if (code_bytes() != 8) {
    // Offsets are zero-extended: the low half decides.
    a_.lea(x86::ecx, ptr(x86::r14, static_cast<i32>(-value)));
    return;
  }
  if (fits32(static_cast<i64>(-value))) {
    a_.lea(x86::rcx, ptr(x86::r14, static_cast<i32>(-value)));
    return;
  }
  a_.mov(x86::rcx, static_cast<i64>(-value));
  a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
}

EmittedBlock Emitter::emit(const EmitRequest& request) {
  request_ = &request;
  tlb_ = tlb_of_class_[static_cast<size_t>(request.mode.privilege())];
  out_ = {};
  groups_ = request.plan.groups;
  for (Group& group : groups_) group.is_begun = false;
  group_at_hand_ = -1;
  vectors_ready_ = x87_ready_ = ended_ = adjust_is_stale_ = false;
  flag_source_.reset();
  flags_are_spoilt_ = false;
  x87_note_ = {};
  misses_.clear();
  pending_links_.clear();
  tail_jumps_.clear();
  budget_jumps_.clear();
  out_.begin = here();
  emit_entries();
  choose_charge();
  const size_t count = request.plan.instructions.size();
  out_.last_rip = request.plan.instructions[count - 1].rip;
  for (size_t i = 0; i < count && !ended_; ++i) {
    out_.instruction_offsets.push_back(here() - out_.begin);
    at_hand_ = i;
    is_suspect_ = false;
    tail_states_[i] = {adjust_is_stale_, x87_note_, {}};
    if (flags_are_spoilt_) tail_states_[i].flags_of = flag_source_;
    if (i == charge_at_) emit_budget();
    emit_instruction(i);
    follow_flags(i);
  }
  if (!ended_) {
    const PlannedInstruction& last = request.plan.instructions[count - 1];
    settle();
    emit_link(mask_code(last.rip + request.block[count - 1].length));
  }
  emit_cold();
  out_.end = here();
  return std::move(out_);
}

void Emitter::emit_entries() {
  const EmitRequest& r = *request_;
  out_.indirect_entry = here();
  compare_target(r.rip);
  unless_rcx_zero([&] { a_.long_().jmp(stubs_.exit_lookup); });
  out_.page_entry = here();
  emit_page_check(r.linear, r.fetch_id);
  out_.linked_entry = here();
  // Who comes from the first page knows nothing of the second.
  if (r.second_fetch_id != 0) emit_page_check(r.linear.page() + kPageSize, r.second_fetch_id);
}

/// Goes on if the page behind `address` is the one that the block was made from.
void Emitter::emit_page_check(LinearAddr address, u32 fetch_id) {
  const i32 slot = static_cast<i32>(mmu::ShadowTlb::fetch_slot(address) * sizeof(u32));
  a_.mov(x86::ecx, x86::dword_ptr(x86::r15, tlb_.fetch_ids + slot));
  a_.lea(x86::rcx, ptr(x86::rcx, -static_cast<i32>(fetch_id)));
  unless_rcx_zero([&] {
    set(x86::r14, request_->rip);
    a_.long_().jmp(stubs_.exit_lookup);
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
    if (!flags_are_seen_before(request_->block, plan, i, rflags::kArithmetic)) {
      charge_at_ = i;
      charge_spoils_ = true;
      return;
    }
    const Treatment treatment = plan.instructions[i].treatment;
    const bool is_plain = treatment == Treatment::Nothing || treatment == Treatment::Identical ||
                          treatment == Treatment::Address || treatment == Treatment::Push ||
                          treatment == Treatment::Pop || treatment == Treatment::Leave;
    if (!is_plain) return;
  }
}

void Emitter::emit_budget() {
  const i32 count = static_cast<i32>(request_->plan.instructions.size());
  const i32 budget = word_offset(Word::Budget);
  if (charge_spoils_) {
    a_.sub(x86::qword_ptr(x86::r15, budget), count);
    budget_jumps_.push_back(jump_if_placeholder(8));  // Negative.
    flag_source_.reset();
    flags_are_spoilt_ = false;
    return;
  }
  a_.mov(x86::rcx, ptr(x86::r15, budget));
  a_.lea(x86::rcx, ptr(x86::rcx, -count));
  a_.mov(ptr(x86::r15, budget), x86::rcx);
  a_.movzx(x86::ecx, x86::byte_ptr(x86::r15, budget + 7));
  unless_rcx_zero([&] { budget_jumps_.push_back(jump_placeholder()); });
}

void Emitter::emit_instruction(size_t i) {
  switch (request_->plan.instructions[i].treatment) {
    case Treatment::Nothing: return;
    case Treatment::Identical: return emit_identical(i);
    case Treatment::Address: return emit_lea(i);
    case Treatment::Push: return emit_push(i);
    case Treatment::Pop: return emit_pop(i);
    case Treatment::Leave: return emit_leave(i);
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
  tail_jumps_.push_back({jump_placeholder(), i});
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
  record->clear_adjust = adjust_is_stale_;
  record->touches_fpu = cpu::is_float_row(insn.mnemonic);
  emit_x87_pointers();
  a_.mov(x86::rcx, reinterpret_cast<u64>(record.get()));
  a_.call(stubs_.callout);
  out_.callouts.push_back(std::move(record));
  group_at_hand_ = -1;
  vectors_ready_ = x87_ready_ = false;
  adjust_is_stale_ = false;
}

void Emitter::emit_link(u64 target, bool is_call) {
  pending_links_.push_back({is_call ? call_placeholder() : jump_placeholder(), target});
}

void Emitter::emit_tail(size_t i) {
  const size_t count = request_->plan.instructions.size();
  x87_note_ = tail_states_[i].x87;
  emit_x87_pointers();
  set(x86::r14, request_->plan.instructions[i].rip);
  a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::LinkNumber)), request_->block_number);
  if (tail_states_[i].flags_of.has_value()) emit_flags_again(*tail_states_[i].flags_of);
  const i8 not_retired = static_cast<i8>(i < charge_at_ ? -static_cast<int>(i) : static_cast<int>(count - i));
  const ExitInfo info{ExitInfo::Kind::Interpret, not_retired, tail_states_[i].clear_adjust};
  a_.mov(x86::ecx, info.pack());
  a_.long_().jmp(stubs_.exit);
}

void Emitter::emit_cold() {
  for (const Miss& miss : misses_) emit_miss(miss);
  // One tail for each instruction that something leads to.
  for (size_t i = 0; i < request_->plan.instructions.size(); ++i) {
    u32 tail = 0;
    for (const TailJump& jump : tail_jumps_) {
      if (jump.instruction != i) continue;
      if (tail == 0) {
        tail = here();
        emit_tail(i);
      }
      const i32 distance = static_cast<i32>(tail - (jump.jump + 4));
      std::memcpy(a_.bufferData() + jump.jump, &distance, sizeof distance);
    }
    for (FaultSite& site : out_.faults) {
      if (site.cold != i) continue;  // Until now: the instruction.
      if (tail == 0) {
        tail = here();
        emit_tail(i);
      }
      site.cold = tail;
    }
  }
  for (const u32 jump : budget_jumps_) {
    patch_here(jump);
    x87_note_ = tail_states_[charge_at_].x87;
    emit_x87_pointers();
    const size_t left = request_->plan.instructions.size() - charge_at_;
    const ExitInfo info{ExitInfo::Kind::Budget, static_cast<i8>(left), false};
    set(x86::r14, request_->plan.instructions[charge_at_].rip);
    a_.mov(x86::ecx, info.pack());
    a_.long_().jmp(stubs_.exit);
  }
  for (const PendingLink& link : pending_links_) {
    const u32 cold = here();
    patch_here(link.jump);
    set(x86::r14, link.target);
    const u32 number = request_->link_number + static_cast<u32>(out_.links.size());
    a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::LinkNumber)), number);
    a_.mov(x86::ecx, ExitInfo{ExitInfo::Kind::Link}.pack());
    a_.long_().jmp(stubs_.exit);
    out_.links.push_back({link.jump, cold, link.target});
  }
}

}  // namespace doppel::jit
