// Near transfers of control.
//
// A direct branch ends in a jump that is patched to lead to the next block. An indirect one looks
// into a table of entries by its target; what it finds there checks that it is the right block. A
// call is a host call: the host predicts the return, and behind the call the target that the guest's
// RET found on the guest's stack is compared with the one expected.

#include <Zydis/Zydis.h>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

const x86::Gpq kCount = x86::gpq(kHome[RCX]);

/// The condition that a Jcc's opcode names.
unsigned condition_of(const cpu::Instruction& insn) {
  const u8* const opcode = insn.bytes + insn.opcode_offset;
  return (opcode[0] == 0x0f ? opcode[1] : opcode[0]) & 15;
}

}  // namespace

void Emitter::settle() {
  if (now_.adjust_is_stale) emit_clear_adjust();
  emit_x87_pointers();
  pay_stack();
  leave_homes();
  emit_open_calls();
}

/// The host makes the calls that the trace only passed: their returns will be found on its stack.
void Emitter::emit_open_calls() {
  // Without them returns are looked up.
  if (pending_links_.size() > kLinksPerBlock - kMostPlainLinks) return;
  for (const u64 back : now_.open_calls) {
    const u32 call = call_placeholder();
    emit_return_site(back);
    patch_here(call);
  }
}

u64 Emitter::relative_target(size_t i) const {
  const cpu::Instruction& insn = request_->block[i];
  return mask_code(request_->plan.instructions[i].rip + insn.length + insn.immediate);
}

void Emitter::emit_jump(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  if (request_->plan.instructions[i].is_passed) return;  // The trace goes on where it leads.
  ended_ = true;
  if (insn.operand[0].kind == cpu::OperandKind::Relative) {
    if (out_.is_loop) {
      pay_stack();
      at_way_back_ = now_;
      emit_way_back(jump_placeholder());
      return;
    }
    settle();
    emit_link(relative_target(i));
    return;
  }
  emit_target(i);
  check_target_fits(i);
  settle_keeping_target();
  note_branch();
  emit_indirect(false);
}

void Emitter::emit_jump_if(size_t i) {
  const auto& planned = request_->plan.instructions;
  const unsigned condition = condition_of(request_->block[i]);
  const unsigned otherwise = condition ^ 1;
  const u64 target = relative_target(i);
  const u64 next = next_rip(i);
  if (i + 1 < planned.size()) {
    const bool goes_straight = planned[i + 1].rip == next;
    const u32 jump = jump_if_placeholder(goes_straight ? condition : otherwise);
    const u64 other = goes_straight ? target : next;
    add_side_exit(jump, i + 1, other, false);
    if (leads_back(other) && now_.open_calls == request_->open_calls) out_.is_left_for_itself = true;
    return;
  }
  ended_ = true;
  if (out_.is_loop) {
    const bool is_taken = leads_back(target);
    pay_stack();
    at_way_back_ = now_;
    emit_way_back(jump_if_placeholder(is_taken ? condition : otherwise));
    settle();
    emit_link(is_taken ? next : target);
    return;
  }
  settle();
  pending_links_.push_back({jump_if_placeholder(condition), target, {}});
  emit_link(next);
}

void Emitter::emit_count(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const u64 next = mask_code(request_->plan.instructions[i].rip + insn.length);
  settle();
  const u64 mask = insn.address_mask;
  const bool is_loop = insn.mnemonic == ZYDIS_MNEMONIC_LOOP || insn.mnemonic == ZYDIS_MNEMONIC_LOOPE ||
                       insn.mnemonic == ZYDIS_MNEMONIC_LOOPNE;
  unsigned bytes = mask == ~u64{0} ? 8 : mask == 0xffff ? 2 : 4;
  if (insn.mnemonic == ZYDIS_MNEMONIC_JCXZ) bytes = 2;
  if (insn.mnemonic == ZYDIS_MNEMONIC_JECXZ) bytes = 4;
  if (insn.mnemonic == ZYDIS_MNEMONIC_JRCXZ) bytes = 8;
  const i32 step = is_loop ? -1 : 0;
  if (bytes == 8) {
    a_.lea(x86::rcx, ptr(kCount, step));
    a_.mov(kCount, x86::rcx);
  } else if (bytes == 4) {
    a_.lea(x86::ecx, ptr(kCount, step));
    if (is_loop) a_.mov(kCount.r32(), x86::ecx);
  } else {
    a_.lea(x86::ecx, ptr(kCount, step));
    a_.movzx(x86::ecx, x86::cx);
    if (is_loop) a_.mov(kCount.r16(), x86::cx);
  }
  const u64 target = relative_target(i);
  if (!is_loop) {
    // Not zero: go on.
    unless_rcx_zero([&] { emit_link(next); });
    emit_link(target);
  } else {
    unless_rcx_zero([&] {
      // LOOPE goes round while ZF, LOOPNE while not.
      if (insn.mnemonic == ZYDIS_MNEMONIC_LOOP) {
        emit_link(target);
      } else {
        pending_links_.push_back(
            {jump_if_placeholder(insn.mnemonic == ZYDIS_MNEMONIC_LOOPE ? 4 : 5), target, {}});
      }
    });
    emit_link(next);
  }
  ended_ = true;
}

void Emitter::emit_target(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  if (insn.operand[0].kind == cpu::OperandKind::Memory) {
    const HostMemory from = emit_access(i, planned.uses[0]);
    load_register(x86::r14, from, insn.width);
    return;
  }
  const unsigned guest = insn.operand[0].reg / 8;
  if (insn.width == 4 && home_[guest] != kNoHome) {
    a_.mov(x86::r14d, x86::gpd(home_[guest]));
    return;
  }
  load_guest(x86::r14, guest);
  if (insn.width == 4) a_.mov(x86::r14d, x86::r14d);
  if (insn.width == 2) a_.movzx(x86::r14d, x86::r14w);
}

/// Leaves word of who branches. Should the target turn out not to be canonical, which is known only
/// when no block is found there, the branch is undone and left to the interpreter: #GP.
void Emitter::note_branch() {
  if (request_->mode.code64()) {
    a_.mov(x86::dword_ptr(x86::r15, word_offset(Word::BranchBlock)), request_->block_number);
  }
}

/// As above for CALL, which has stored by then and could not be undone.
void Emitter::check_canonical(size_t i) {
  if (!request_->mode.code64()) return;
  a_.mov(x86::rcx, i64{1} << 47);
  a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
  a_.rorx(x86::rcx, x86::rcx, 48);
  a_.movzx(x86::ecx, x86::cx);
  unless_rcx_zero([&] { tail_jumps_.push_back({jump_placeholder(), place_of(i)}); });
}

/// 16-bit code may name a target of 32 bits. One beyond 64 KiB is the interpreter's: #GP.
void Emitter::check_target_fits(size_t i) {
  if (request_->block[i].width <= request_->mode.code_bytes()) return;
  a_.rorx(x86::ecx, x86::r14d, 16);
  a_.movzx(x86::ecx, x86::cx);
  unless_rcx_zero([&] { tail_jumps_.push_back({jump_placeholder(), place_of(i)}); });
}

void Emitter::settle_keeping_target() {
  if (!now_.adjust_is_stale && !now_.x87_note.is_pending) {
    pay_stack();
    leave_homes();
    return emit_open_calls();
  }
  const Mem spare = ptr(x86::r15, word_offset(Word::Spare));
  a_.mov(spare, x86::r14);
  settle();
  a_.mov(x86::r14, spare);
}

void Emitter::emit_indirect(bool is_call) {
  // Where code does not begin at 0, offsets in different segments look the same.
  if (!request_->mode.flat_code()) {
    is_call ? a_.call(stubs_.exit_lookup) : a_.jmp(stubs_.exit_lookup);
    return;
  }
  a_.pext(x86::rcx, x86::r14, ptr(x86::r15, word_offset(Word::JumpMask)));
  const Mem entry = ptr(x86::r15, x86::rcx, 3, jump_table_offset(request_->table));
  is_call ? a_.call(entry) : a_.jmp(entry);
}

/// Where the target is another, the block is left before the branch.
void Emitter::emit_guard(size_t i, u64 target, const HostMemory* memory) {
  const u64 rip = request_->plan.instructions[i].rip;
  const unsigned bytes = request_->block[i].width;
  if (may_spoil_flags(i) && (bytes == 4 || (bytes == 8 && is_sign_extended(target)))) {
    const Imm value(static_cast<i32>(target));
    if (memory != nullptr) {
      Mem place = mem(*memory);
      place.setSize(bytes);
      note_site(false);
      a_.cmp(place, value);
    } else {
      bytes == 4 ? a_.cmp(x86::r14d, value) : a_.cmp(x86::r14, value);
    }
    note_spoilt(i);
    add_side_exit(jump_if_placeholder(5), i, rip, true);
  } else {
    if (memory != nullptr) load_register(x86::r14, *memory, bytes);
    compare_target(target);
    unless_rcx_zero([&] { add_side_exit(jump_placeholder(), i, rip, true); });
  }
  out_.has_guards = true;
}

void Emitter::emit_return_site(u64 rip) {
  compare_target(rip);
  const u64 elsewhere = request_->mode.flat_code() ? stubs_.lookup[request_->table] : stubs_.exit_lookup;
  unless_rcx_zero([&] { a_.jump_far(base_, elsewhere); });
  emit_link(rip);
}

void Emitter::emit_call(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  const u64 back = mask_code(planned.rip + insn.length);
  const bool is_direct = insn.operand[0].kind == cpu::OperandKind::Relative;
  const Mem spare = ptr(x86::r15, word_offset(Word::SpareTarget));
  if (!is_direct) {
    emit_target(i);
    if (planned.is_passed) {
      emit_guard(i, planned.leads_to);
    } else {
      check_target_fits(i);
      check_canonical(i);
      a_.mov(spare, x86::r14);
    }
  }
  const HostMemory to = emit_access(i, planned.uses.back());
  store_constant(to, back, insn.width);
  move_stack(-static_cast<i32>(insn.width));
  if (planned.is_passed) {
    now_.open_calls.push_back(back);
    return;
  }
  settle();
  if (is_direct) {
    emit_link(relative_target(i), true);
  } else {
    a_.mov(x86::r14, spare);
    emit_indirect(true);
  }
  emit_return_site(back);
  ended_ = true;
}

void Emitter::emit_return(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const HostMemory from = emit_access(i, request_->plan.instructions[i].uses[0]);
  const i32 released = static_cast<i32>(insn.width + (insn.immediate & 0xffff));
  if (!now_.open_calls.empty()) {
    const u64 back = now_.open_calls.back();
    emit_guard(i, back, &from);
    move_stack(released);
    now_.open_calls.pop_back();
    if (request_->plan.instructions[i].is_passed) return;
    settle();
    emit_link(back);
    ended_ = true;
    return;
  }
  load_register(x86::r14, from, insn.width);
  check_target_fits(i);
  out_.stack_released = static_cast<u32>(released);
  move_stack(released);
  settle_keeping_target();
  note_branch();
  a_.ret();
  ended_ = true;
}

}  // namespace doppel::jit
