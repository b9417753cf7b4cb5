#include "cpu/interpreter/interpreter.h"

#include <algorithm>
#include <cstring>

#include <Zydis/Zydis.h>

namespace doppel::cpu {
namespace {

CodeSize code_size(u32 mode_key) { return static_cast<CodeSize>(mode_key & 3); }
bool is_real(u32 mode_key) { return (mode_key & 4) != 0; }

/// SYSCALL and SYSRET heed TF as they leave it: a kernel that masks it is not stepped into, and the
/// step over a system call ends where the program goes on.
bool traps_by_new_tf(const Instruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_SYSCALL || insn.mnemonic == ZYDIS_MNEMONIC_SYSRET;
}

}  // namespace

Interpreter::Interpreter(Cpu& cpu)
    : cpu_(cpu), decoder_(cpu.model()), cache_(cpu.mmu.memory(), counters_, cpu.attention) {
  straddling_.instructions.resize(1);
  decoded_.resize(kMaxBlock);
}

void Interpreter::flush() {
  cache_.flush();
  cache_.bury();
  straddling_.count = 0;
}

ExitReason Interpreter::run(u64 budget) {
  CpuState& state = cpu_.state;
  const u64 end = state.retired + budget;
  cpu_.attention = false;
  outside_memory_ = false;
  cache_.bury();
  cpu_.take_pending_events();
  Block* previous = nullptr;
  u64 past_previous = 0;
  while (state.retired < end) {
    if (state.shutdown) return ExitReason::Shutdown;
    if (state.halted) return ExitReason::Halted;
    if (cpu_.attention) return ExitReason::Attention;
    if (cpu_.needs_slow_mode() || state.interrupt_shadow || cpu_.trace != nullptr) [[unlikely]] {
      step_carefully();
      if (outside_memory_) return ExitReason::OutsideMemory;
      previous = nullptr;
      continue;
    }
    if (cpu_.intr() && cpu_.interrupts_enabled()) [[unlikely]] {
      cpu_.take_pending_events();
      previous = nullptr;
      continue;
    }
    // Blocks remember their successors: all terms of the epoch only grow, so it is the same only
    // if no mapping, no mode and no block has changed since the link was made.
    const u64 epoch = cpu_.mmu.generation() + cpu_.mode_epoch() + cache_.epoch();
    const u64 rip = state.rip();
    Block::Link* const link = previous == nullptr ? nullptr : &previous->links[rip != past_previous];
    if (link != nullptr && link->epoch == epoch && link->rip == rip && is_fetched(past_previous, rip)) [[likely]] {
      previous = link->to;
    } else {
      Block* const found = find_block();
      if (found == nullptr) {
        if (outside_memory_) return ExitReason::OutsideMemory;
        previous = nullptr;
        continue;
      }
      // The straddling block is rewritten in place; what was found by decoding may have flushed.
      const bool keeps = link != nullptr && found != &straddling_ && previous != &straddling_;
      if (keeps) *link = {cpu_.mmu.generation() + cpu_.mode_epoch() + cache_.epoch(), rip, found};
      previous = found;
    }
    past_previous = rip + previous->size_bytes;
    run_block(*previous, end - state.retired);
  }
  return state.shutdown ? ExitReason::Shutdown
         : state.halted ? ExitReason::Halted
                        : ExitReason::BudgetSpent;
}

/// Whether control gets from code that ends at `from` to `rip` without a walk: within a page, or to one
/// whose entry has not been evicted since.
bool Interpreter::is_fetched(u64 from, u64 rip) const {
  const bool code64 = cpu_.code64();
  const u64 base = code64 ? 0 : cpu_.state.segment(Seg::CS).base;
  if (((base + from - 1) ^ (base + rip)) >> kPageShift == 0) return true;
  const u64 address = base + rip;
  return cpu_.mmu.has_fetched(LinearAddr(code64 ? address : address & 0xffff'ffff));
}

/// An exception counts as the instruction that raised it: time passes in a loop of faults too.
void Interpreter::retire_fault(u64 rip, const Fault& fault) {
  cpu_.state.rip() = rip;
  cpu_.raise(fault);
}

void Interpreter::run_block(const Block& block, u64 limit) {
  CpuState& state = cpu_.state;
  const Instruction* insn = block.instructions.data();
  const Instruction* const last = insn + std::min<u64>(block.count, limit);
  while (insn != last) {
    const u64 rip = state.rip();
    state.rip() = rip + insn->length;
    ++state.retired;
    const Result<void> result = insn->handler(cpu_, *insn);
    if (!result.ok()) [[unlikely]] {
      retire_fault(rip, result.error());
      return;
    }
    ++insn;
    if (cpu_.attention) return;
  }
}

Block* Interpreter::find_block() {
  CpuState& state = cpu_.state;
  ++counters_.block_lookups;
  outside_memory_ = false;
  const u64 rip = state.rip();
  const SegmentRegister& cs = state.segment(Seg::CS);
  LinearAddr address(rip);
  if (!cpu_.code64()) {
    if (rip > cs.limit) [[unlikely]] {
      ++state.retired;
      retire_fault(rip, gp());
      return nullptr;
    }
    address = LinearAddr((cs.base + rip) & 0xffff'ffff);
  }
  const Result<mmu::Mmu::FetchPage> fetched = cpu_.mmu.fetch_page(address);
  if (!fetched.ok()) [[unlikely]] {
    ++state.retired;
    retire_fault(rip, fetched.error());
    return nullptr;
  }
  const mmu::Mmu::FetchPage page = fetched.value();
  if (page.host == nullptr) [[unlikely]] {
    outside_memory_ = true;
    return nullptr;
  }
  const u64 physical = page.page.value | address.page_offset();
  Block* block = cache_.find(physical, cpu_.mode_key());
  if (block == nullptr) {
    block = decode_block(physical, page.host);
    if (block == nullptr) block = straddling_block(address, physical, page.host);
    if (block == nullptr) return nullptr;
  }
  if (!cpu_.code64() && rip + block->size_bytes - 1 > cs.limit) [[unlikely]] {
    // Only what lies below the limit may run; the first instruction beyond it is #GP(0).
    const Instruction& first = block->instructions[0];
    ++state.retired;
    if (rip + first.length - 1 > cs.limit) {
      retire_fault(rip, gp());
    } else {
      state.rip() = rip + first.length;
      const Result<void> result = first.handler(cpu_, first);
      if (!result.ok()) retire_fault(rip, result.error());
    }
    return nullptr;
  }
  return block;
}

Block* Interpreter::decode_block(u64 physical, const u8* page) {
  u32 count = 0;
  u64 offset = physical & kPageOffsetMask;
  const u32 mode = cpu_.mode_key();
  while (count < kMaxBlock && offset < kPageSize) {
    Instruction& insn = decoded_[count];
    const Decoder::Status status =
        decoder_.decode(code_size(mode), is_real(mode), page + offset, kPageSize - offset, insn);
    if (status == Decoder::Status::NeedMore) break;
    if (offset + insn.length > kPageSize) break;
    ++count;
    offset += insn.length;
    if (insn.ends_block) break;
  }
  if (count == 0) return nullptr;
  std::unique_ptr<Block> block = cache_.blank();
  block->physical = physical;
  block->mode_key = mode;
  block->count = count;
  block->size_bytes = static_cast<u32>(offset - (physical & kPageOffsetMask));
  block->instructions.assign(decoded_.begin(), decoded_.begin() + count);
  ++counters_.blocks_decoded;
  counters_.instructions_decoded += count;
  if (cpu_.trace != nullptr) {
    cpu_.trace->decoded(cpu_.state, LinearAddr(cpu_.state.rip()), block->instructions.data(), count);
  }
  return cache_.insert(std::move(block));
}

/// An instruction whose bytes lie in two pages. It depends on two mappings, so it is not cached by
/// address; comparing its bytes is cheaper than decoding them again.
Block* Interpreter::straddling_block(LinearAddr address, u64 physical, const u8* page) {
  const u64 offset = address.page_offset();
  u8 bytes[15];
  const size_t here = std::min<size_t>(sizeof bytes, kPageSize - offset);
  std::memcpy(bytes, page + offset, here);
  u64 next = address.page().value + kPageSize;
  if (!cpu_.code64()) next &= 0xffff'ffff;
  const u64 rip = cpu_.state.rip();
  const Result<mmu::Mmu::FetchPage> fetched = cpu_.mmu.fetch_page(LinearAddr(next));
  if (!fetched.ok()) {
    ++cpu_.state.retired;
    retire_fault(rip, fetched.error());
    return nullptr;
  }
  const u8* second = fetched.value().host;
  if (second == nullptr) {
    std::memset(bytes + here, 0xff, sizeof bytes - here);
  } else {
    std::memcpy(bytes + here, second, sizeof bytes - here);
  }
  const u32 mode = cpu_.mode_key();
  if (straddling_.count == 1 && straddling_.physical == physical && straddling_.mode_key == mode &&
      std::memcmp(bytes, straddling_bytes_, straddling_.size_bytes) == 0) {
    return &straddling_;
  }
  Instruction& insn = straddling_.instructions[0];
  straddling_.count = 0;
  (void)decoder_.decode(code_size(mode), is_real(mode), bytes, sizeof bytes, insn);
  std::memcpy(straddling_bytes_, bytes, sizeof bytes);
  straddling_.physical = physical;
  straddling_.mode_key = mode;
  straddling_.count = 1;
  straddling_.size_bytes = insn.length;
  ++counters_.instructions_decoded;
  if (cpu_.trace != nullptr) {
    cpu_.trace->decoded(cpu_.state, LinearAddr(rip), &insn, 1);
  }
  return &straddling_;
}

/// One instruction, with everything the manual lets happen around it.
/// @source Intel SDM Vol. 3B, "Debug Exceptions"; Vol. 3A, "Priority Among Concurrent Events"
void Interpreter::step_carefully() {
  CpuState& state = cpu_.state;
  if (cpu_.intr() && cpu_.interrupts_enabled() && !state.interrupt_shadow && !state.mov_ss_shadow) {
    cpu_.take_pending_events();
    if (state.shutdown) return;
  }
  const u64 rip = state.rip();
  const LinearAddr address(cpu_.code64() ? rip : (state.segment(Seg::CS).base + rip) & 0xffff'ffff);
  const bool resume = state.test(rflags::RF);
  if (!resume && !state.mov_ss_shadow) {
    const u64 hits = cpu_.instruction_breakpoints(address);
    if (hits != 0) {
      ++state.retired;
      cpu_.raise(Fault::make(Vector::DB, 0, hits));
      return;
    }
  }
  const u64 retired = state.retired;
  Block* block = find_block();
  if (block == nullptr) return;
  if (state.retired != retired) return;
  const Instruction& insn = block->instructions[0];
  if (cpu_.trace != nullptr) {
    cpu_.trace->block_entered(state, address);
    if (cpu_.trace->wants_instructions()) cpu_.trace->instruction(state, address, insn);
  }
  bool stepping = state.test(rflags::TF);
  const bool shadow_before = state.interrupt_shadow || state.mov_ss_shadow;
  state.interrupt_shadow = state.mov_ss_shadow = false;
  if (resume) cpu_.write_flags(0, rflags::RF);
  ++state.retired;
  state.rip() = rip + insn.length;
  const u64 deliveries = cpu_.deliveries();
  const Result<void> result = insn.handler(cpu_, insn);
  if (!result.ok()) {
    (void)cpu_.mmu.take_breakpoint_hits();
    retire_fault(rip, result.error());
    return;
  }
  // A repeated string instruction that is not done keeps its excuse from the breakpoint on it.
  if (resume && state.rip() == rip) cpu_.write_flags(rflags::RF, rflags::RF);
  // STI in the shadow of STI does not extend it.
  if (shadow_before && state.interrupt_shadow && !state.mov_ss_shadow) state.interrupt_shadow = false;
  if (traps_by_new_tf(insn)) stepping = state.test(rflags::TF);
  // MOV SS and POP SS that met a data breakpoint: it is reported after the next instruction.
  const u64 hits = state.mov_ss_shadow ? 0 : cpu_.mmu.take_breakpoint_hits();
  const u64 traps = hits | (stepping && cpu_.deliveries() == deliveries ? dr6::BS : 0);
  if (traps != 0 && !state.mov_ss_shadow) cpu_.raise_debug_trap(traps);
  if (cpu_.intr() && cpu_.interrupts_enabled()) cpu_.attention = true;
}

}  // namespace doppel::cpu
