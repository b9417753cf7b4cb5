#include "jit/stubs.h"

#include <cstddef>

namespace doppel::jit {
namespace {

using namespace asmjit;
using x86::ptr;

constexpr i32 kX87 = state_offset(offsetof(cpu::CpuState, x87));
constexpr i32 kMxcsr = kX87 + static_cast<i32>(offsetof(cpu::X87State, mxcsr));
constexpr i32 kFop = kX87 + static_cast<i32>(offsetof(cpu::X87State, fop));
constexpr i32 kFip = kX87 + static_cast<i32>(offsetof(cpu::X87State, fip));
constexpr i32 kFdp = kX87 + static_cast<i32>(offsetof(cpu::X87State, fdp));
constexpr i32 kXsaveHeader = state_offset(offsetof(cpu::CpuState, xsave_header));
constexpr i32 kYmm = state_offset(offsetof(cpu::CpuState, ymm));

/// What a C++ function may change, besides the scratch registers.
constexpr HostReg kCallerSaved[] = {kRax, kRdx, kRsi, kRdi, kR8, kR9, kR10, kR11};

class StubWriter {
 public:
  StubWriter(x86::Assembler& a, u64 base, const StubTargets& targets, const std::array<TlbOffsets, kClasses>& tlbs,
             const CpuOffsets& cpu)
      : a_(a), base_(base), targets_(targets), tlbs_(tlbs), cpu_(cpu), has_avx_(__builtin_cpu_supports("avx") != 0) {}

  Stubs write() {
    Stubs stubs;
    const u64 spill_vectors = at(&StubWriter::spill_vectors);
    const u64 spill_x87 = at(&StubWriter::spill_x87);
    bring_vectors_ = at(&StubWriter::bring_vectors);
    stubs.load_vectors = at(&StubWriter::load_vectors);
    stubs.load_x87 = at(&StubWriter::load_x87);
    stubs.enter = reinterpret_cast<Stubs::Enter>(at(&StubWriter::enter));
    const u64 leave = here();
    emit_leave(spill_vectors, spill_x87);
    stubs.exit = here();
    emit_exit(leave);
    stubs.miss = here();
    emit_miss();
    for (size_t i = 0; i < kClasses; ++i) {
      for (const bool is_store : {false, true}) {
        for (const bool is_for_run : {false, true}) {
          stubs.site[i][is_store][is_for_run] = here();
          emit_site(tlbs_[i], is_store, is_for_run);
        }
      }
    }
    for (const Seg segment : {Seg::ES, Seg::DS, Seg::FS, Seg::GS}) {
      stubs.load_segment[static_cast<size_t>(segment)] = here();
      emit_load_segment(segment);
    }
    for (size_t i = 0; i < kClasses; ++i) {
      for (const bool moves : {false, true}) {
        for (const bool is_wide : {false, true}) {
          for (const u8 size_shift : {0, 1, 2, 3}) {
            const Stubs::Repeat repeat = {moves, size_shift, is_wide};
            stubs.repeat[i][repeat.index()] = here();
            emit_repeat(repeat, tlbs_[i]);
          }
        }
      }
    }
    stubs.callout = here();
    emit_callout(leave, spill_vectors);
    stubs.exit_lookup = here();
    a_.mov(x86::ecx, ExitInfo{ExitInfo::Kind::Lookup}.pack());
    a_.jmp(stubs.exit);
    for (unsigned table = 0; table < cpu::EngineArea::kTables; ++table) {
      stubs.lookup[table] = here();
      emit_lookup(table);
      stubs.sentinel[table] = here();
      // The slot it came from still holds this address.
      a_.lea(x86::rsp, ptr(x86::rsp, -8));
      emit_lookup(table);
    }
    stubs.end = here();
    return stubs;
  }

 private:
  u64 here() {
    a_.align(AlignMode::kCode, 16);
    return base_ + a_.offset();
  }
  u64 at(void (StubWriter::*emit)()) {
    const u64 address = here();
    (this->*emit)();
    return address;
  }
  static x86::Mem word(Word which) { return ptr(x86::r15, word_offset(which)); }
  static x86::Mem word32(Word which) { return x86::dword_ptr(x86::r15, word_offset(which)); }

  // Behind the registers, so that RAX is free.
  void store_flags() {
    a_.lahf();
    a_.seto(x86::al);
    a_.mov(word(Word::Flags), x86::rax);
  }
  void load_flags() {
    a_.mov(x86::rax, word(Word::Flags));
    a_.add(x86::al, 127);  // Overflows if it was 1.
    a_.sahf();
  }
  void store_guest() {
    a_.mov(word(Word::Budget), x86::gpq(kBudget));
    for (unsigned guest = 0; guest < 16; ++guest) {
      if (kHome[guest] != kNoHome) a_.mov(ptr(x86::r15, gpr_offset(guest)), x86::gpq(kHome[guest]));
    }
    store_flags();
  }
  void load_guest() {
    load_flags();
    a_.mov(x86::gpq(kBudget), word(Word::Budget));
    for (unsigned guest = 0; guest < 16; ++guest) {
      if (kHome[guest] != kNoHome) a_.mov(x86::gpq(kHome[guest]), ptr(x86::r15, gpr_offset(guest)));
    }
  }
  static x86::Mem saved(size_t i) {
    return ptr(x86::r15, word_offset(static_cast<Word>(static_cast<size_t>(Word::Saved) + i)));
  }

  void move_vectors(bool store) {
    for (unsigned i = 0; i < 16; ++i) {
      const x86::Mem place = ptr(x86::r15, kYmm + static_cast<i32>(i * 32));
      if (has_avx_) {
        store ? a_.vmovups(place, x86::ymm(i)) : a_.vmovups(x86::ymm(i), place);
      } else {
        store ? a_.movups(place, x86::xmm(i)) : a_.movups(x86::xmm(i), place);
      }
    }
  }
  void spill_vectors() {
    move_vectors(true);
    if (has_avx_) a_.vzeroupper();
    a_.stmxcsr(x86::dword_ptr(x86::r15, kMxcsr));
    a_.ldmxcsr(word32(Word::HostMxcsr));
    a_.mov(word32(Word::VectorAway), 1);
    a_.ret();
  }
  // Upper halves that are all zero must be so in a way the host knows of (VZEROUPPER): else each SSE
  // instruction waits for the old upper half of its destination. Changes flags.
  void bring_vectors() {
    if (has_avx_) {
      const Label dirty = a_.newLabel();
      const auto upper = [](unsigned i) { return ptr(x86::r15, kYmm + static_cast<i32>(i * 32 + 16)); };
      a_.vmovups(x86::xmm0, upper(0));
      for (unsigned i = 1; i < 16; ++i) a_.vorps(x86::xmm0, x86::xmm0, upper(i));
      a_.vptest(x86::xmm0, x86::xmm0);
      a_.jnz(dirty);
      a_.vzeroupper();
      for (unsigned i = 0; i < 16; ++i) {
        a_.movups(x86::xmm(i), ptr(x86::r15, kYmm + static_cast<i32>(i * 32)));
      }
      a_.ret();
      a_.bind(dirty);
    }
    move_vectors(false);
    a_.ret();
  }
  void load_vectors() {
    a_.mov(word(Word::SpareGpr), x86::rax);
    a_.lahf();
    a_.seto(x86::al);
    a_.call(bring_vectors_);
    a_.ldmxcsr(x86::dword_ptr(x86::r15, kMxcsr));
    a_.mov(word32(Word::VectorAway), 0);
    a_.add(x86::al, 127);
    a_.sahf();
    a_.mov(x86::rax, word(Word::SpareGpr));
    a_.ret();
  }

  // XSAVE knows nothing of the guest's instruction pointers, which stand in the image already.
  void spill_x87() {
    a_.movzx(x86::ecx, x86::word_ptr(x86::r15, kFop));
    a_.mov(x86::r13, ptr(x86::r15, kFip));
    a_.mov(x86::r14, ptr(x86::r15, kFdp));
    a_.mov(x86::eax, 1);
    a_.mov(x86::edx, 0);
    a_.xsave64(ptr(x86::r15, kX87));
    a_.mov(x86::word_ptr(x86::r15, kFop), x86::cx);
    a_.mov(ptr(x86::r15, kFip), x86::r13);
    a_.mov(ptr(x86::r15, kFdp), x86::r14);
    a_.fninit();
    a_.mov(word32(Word::X87Away), 1);
    a_.ret();
  }
  void load_x87() {
    a_.mov(word(Word::SpareGpr), x86::rax);
    a_.mov(word(Word::Spare), x86::rdx);
    a_.mov(x86::qword_ptr(x86::r15, kXsaveHeader), 1);
    a_.mov(x86::eax, 1);
    a_.mov(x86::edx, 0);
    a_.xrstor64(ptr(x86::r15, kX87));
    a_.mov(x86::rax, word(Word::SpareGpr));
    a_.mov(x86::rdx, word(Word::Spare));
    a_.mov(word32(Word::X87Away), 0);
    a_.ret();
  }

  // rdi: what r15 becomes, rsi: where to go.
  void enter() {
    for (const auto& reg : kCalleeSaved) a_.push(reg);
    a_.sub(x86::rsp, 8);  // Calls from stubs find the stack aligned.
    a_.mov(x86::r15, x86::rdi);
    a_.mov(x86::r14, x86::rsi);
    a_.mov(word(Word::HostStack), x86::rsp);
    a_.mov(x86::rsp, word(Word::ReturnStack));
    load_guest();
    a_.jmp(x86::r14);
  }
  // Registers and flags are in the CpuState already.
  void emit_leave(u64 spill_vectors, u64 spill_x87) {
    const Label vectors_done = a_.newLabel();
    const Label x87_done = a_.newLabel();
    a_.mov(x86::rsp, word(Word::HostStack));
    a_.cmp(word32(Word::VectorAway), 0);
    a_.jne(vectors_done);
    a_.call(spill_vectors);
    a_.bind(vectors_done);
    a_.cmp(word32(Word::X87Away), 0);
    a_.jne(x87_done);
    a_.call(spill_x87);
    a_.bind(x87_done);
    a_.add(x86::rsp, 8);
    for (size_t i = std::size(kCalleeSaved); i-- > 0;) a_.pop(kCalleeSaved[i]);
    a_.ret();
  }
  void emit_exit(u64 leave) {
    a_.mov(word(Word::ExitRip), x86::r14);
    a_.mov(word(Word::ExitInfo), x86::rcx);
    store_guest();
    a_.jmp(leave);
  }

  void call_cpp(const void* target) {
    a_.mov(word(Word::InnerStack), x86::rsp);
    a_.mov(x86::rsp, word(Word::HostStack));
    a_.mov(x86::rdi, word(Word::Engine));
    a_.mov(x86::rax, reinterpret_cast<u64>(target));
    a_.call(x86::rax);
    a_.mov(x86::rsp, word(Word::InnerStack));
  }
  // C++ keeps the other registers, and nothing there touches the x87 unit. The CpuState is left alone: a
  // block may have put other guest registers in these places.
  void emit_miss() {
    const Label away = a_.newLabel();
    const Label still_away = a_.newLabel();
    const Label filled = a_.newLabel();
    for (size_t i = 0; i < std::size(kCallerSaved); ++i) a_.mov(saved(i), x86::gpq(kCallerSaved[i]));
    store_flags();
    a_.cmp(word32(Word::VectorAway), 0);
    a_.jne(away);
    move_vectors(true);
    a_.bind(away);
    a_.mov(x86::rsi, x86::r14);
    a_.mov(x86::edx, x86::ecx);
    call_cpp(reinterpret_cast<const void*>(targets_.miss));
    a_.cmp(word32(Word::VectorAway), 0);
    a_.jne(still_away);
    a_.call(bring_vectors_);
    a_.bind(still_away);
    a_.mov(x86::r13, x86::rax);
    a_.cmp(x86::rax, static_cast<i32>(kTryAgain));
    a_.je(filled);
    a_.mov(x86::ecx, 5);  // Over the jump that tries again,
    a_.lea(x86::edx, ptr(x86::rcx, 5));  // or that which leaves, too.
    a_.test(x86::rax, x86::rax);
    a_.cmovnz(x86::ecx, x86::edx);
    a_.add(x86::qword_ptr(x86::rsp), x86::rcx);
    a_.bind(filled);
    load_flags();
    for (size_t i = 0; i < std::size(kCallerSaved); ++i) a_.mov(x86::gpq(kCallerSaved[i]), saved(i));
    a_.ret();
  }
  void emit_site(const TlbOffsets& tlb, bool is_store, bool is_for_run) {
    a_.mov(word(Word::SiteSlot), x86::r13);
    a_.mov(word(Word::SiteInfo), x86::rcx);
    const x86::Mem misses = x86::dword_ptr(x86::r15, x86::r13, 0, offsetof(mmu::ShadowTlb::Site, misses));
    a_.mov(x86::ecx, misses);  // How often this happens decides whether it is kept up.
    a_.lea(x86::ecx, ptr(x86::rcx, 1));
    a_.mov(misses, x86::ecx);
    a_.pext(x86::r13, x86::r14, ptr(x86::r15, tlb.mask));
    a_.mov(x86::rcx, ptr(x86::r15, x86::r13, 3, tlb.addends));
    a_.mov(word(Word::SiteAddend), x86::rcx);
    a_.mov(x86::rcx, ptr(x86::r15, x86::r13, 3, is_store ? tlb.write_tags : tlb.read_tags));
    a_.mov(x86::r13, word(Word::SiteInfo));
    a_.pext(x86::r13, x86::r13, word(Word::SizeMask));
    a_.lea(x86::r13, ptr(x86::r13, x86::r14, 0, -1));
    a_.shrx(x86::r13, x86::r13, x86::r15);
    a_.lea(x86::rcx, ptr(x86::rcx, x86::r13));
    const Label hit = a_.newLabel();
    a_.jecxz(x86::rcx, hit);
    a_.mov(x86::rcx, ptr(x86::rsp));
    a_.lea(x86::rcx, ptr(x86::rcx, 5));
    a_.mov(ptr(x86::rsp), x86::rcx);
    a_.mov(x86::rcx, word(Word::SiteInfo));
    a_.ret();
    a_.bind(hit);
    if (is_for_run) fill_run_site(tlb, is_store);
    else fill_page_site(tlb);
  }
  // R13: the number of the page. Its addend is in SiteAddend.
  void fill_page_site(const TlbOffsets& tlb) {
    a_.mov(x86::rcx, word(Word::SiteSlot));
    a_.shlx(x86::r13, x86::r13, x86::r15);
    a_.not_(x86::r13);
    a_.lea(x86::r13, ptr(x86::r13, 1));  // The page's address negated, without touching flags.
    a_.mov(ptr(x86::r15, x86::rcx), x86::r13);
    a_.mov(x86::r13, word(Word::SiteAddend));
    a_.mov(ptr(x86::r15, x86::rcx, 0, 8), x86::r13);
    // The table remembers the copy with the slot, so that it goes with the entry.
    a_.mov(x86::r13, ptr(x86::r15, tlb.copies_made));
    a_.lea(x86::r13, ptr(x86::r13, 1));
    a_.mov(ptr(x86::r15, tlb.copies_made), x86::r13);
    a_.pext(x86::rcx, x86::r14, ptr(x86::r15, tlb.mask));
    a_.mov(x86::r13, word(Word::SiteSlot));
    a_.mov(x86::word_ptr(x86::r15, x86::r13, 0, offsetof(mmu::ShadowTlb::Site, chain)), x86::cx);
    a_.mov(x86::r13d, x86::dword_ptr(x86::r15, x86::rcx, 2, tlb.newest_copy));
    a_.mov(word32(Word::SiteAddend), x86::r13d);
    a_.mov(x86::r13, ptr(x86::r15, tlb.copies_made));
    a_.mov(x86::dword_ptr(x86::r15, x86::rcx, 2, tlb.newest_copy), x86::r13d);
    a_.pext(x86::r13, x86::r13, word(Word::CopyMask));
    a_.mov(x86::ecx, word32(Word::SiteAddend));
    a_.mov(x86::dword_ptr(x86::r15, x86::r13, 3, tlb.copies + static_cast<i32>(offsetof(mmu::ShadowTlb::Copy, before))), x86::ecx);
    a_.mov(x86::rcx, word(Word::SiteSlot));
    a_.lea(x86::ecx, ptr(x86::rcx, -tlb.sites));
    a_.mov(x86::dword_ptr(x86::r15, x86::r13, 3, tlb.copies + static_cast<i32>(offsetof(mmu::ShadowTlb::Copy, site))), x86::ecx);
    a_.mov(x86::rcx, word(Word::SiteInfo));
    a_.ret();
  }
  // The same; what it is about, and how, is in the site. Seldom enough to save registers and flags.
  void fill_run_site(const TlbOffsets& tlb, bool is_store) {
    using Site = mmu::ShadowTlb::Site;
    using Run = mmu::ShadowTlb::Run;
    using Copy = mmu::ShadowTlb::Copy;
    const auto of_site = [](size_t offset) { return ptr(x86::r15, x86::rsi, 0, static_cast<i32>(offset)); };
    const auto of_run = [&tlb](size_t offset) { return ptr(x86::r15, x86::rcx, 0, tlb.runs + static_cast<i32>(offset)); };
    const auto of_copy = [&tlb](size_t offset) {
      return x86::dword_ptr(x86::r15, x86::r13, 3, tlb.copies + static_cast<i32>(offset));
    };
    const x86::Mem addition = x86::word_ptr(x86::r15, x86::rsi, 0, offsetof(Site, addition));
    const Label alone = a_.newLabel(), whole = a_.newLabel();
    constexpr size_t kUsed = 3;  // RAX for the flags, RDX for the chain, RSI for the site.
    for (size_t i = 0; i < kUsed; ++i) a_.mov(saved(i), x86::gpq(kCallerSaved[i]));
    a_.lahf();
    a_.seto(x86::al);
    a_.mov(x86::rsi, word(Word::SiteSlot));
    a_.shlx(x86::r13, x86::r13, x86::r15);
    a_.neg(x86::r13);
    a_.pext(x86::rdx, x86::r14, ptr(x86::r15, tlb.mask));
    a_.movzx(x86::ecx, x86::word_ptr(x86::r15, x86::rdx, 1, is_store ? tlb.store_runs : tlb.load_runs));
    a_.test(x86::ecx, x86::ecx);
    a_.jz(alone);
    a_.lea(x86::edx, ptr(x86::rcx, mmu::ShadowTlb::kEntries));
    static_assert(sizeof(Run) == 32);
    a_.shl(x86::ecx, 5);
    a_.cmp(addition, 0);
    a_.jl(whole);
    // A mask covers the beginning of the run, or its end.
    a_.neg(x86::r13);
    a_.add(x86::r13, of_run(offsetof(Run, minus_begin)));
    a_.test(of_run(offsetof(Run, mask)), x86::r13);
    a_.mov(x86::r13, of_run(offsetof(Run, minus_tail)));
    a_.jnz(alone);
    a_.bind(whole);
    a_.mov(x86::r13, of_run(offsetof(Run, minus_begin)));
    a_.bind(alone);
    a_.mov(of_site(offsetof(Site, minus_begin)), x86::r13);
    a_.mov(x86::r13, of_run(offsetof(Run, bytes)));
    a_.cmp(addition, 0);
    a_.cmovge(x86::r13, of_run(offsetof(Run, mask)));
    a_.movsx(x86::rcx, addition);
    a_.add(x86::r13, x86::rcx);
    a_.mov(of_site(offsetof(Site, bound)), x86::r13);
    a_.mov(x86::rcx, word(Word::SiteAddend));
    a_.mov(of_site(offsetof(Site, addend)), x86::rcx);
    a_.mov(x86::word_ptr(x86::r15, x86::rsi, 0, offsetof(Site, chain)), x86::dx);
    // The table remembers the copy with the slot or run, so that it goes with the entry.
    a_.mov(x86::r13, ptr(x86::r15, tlb.copies_made));
    a_.inc(x86::r13);
    a_.mov(ptr(x86::r15, tlb.copies_made), x86::r13);
    a_.mov(x86::ecx, x86::dword_ptr(x86::r15, x86::rdx, 2, tlb.newest_copy));
    a_.mov(x86::dword_ptr(x86::r15, x86::rdx, 2, tlb.newest_copy), x86::r13d);
    a_.and_(x86::r13d, mmu::ShadowTlb::kCopies - 1);
    a_.mov(of_copy(offsetof(Copy, before)), x86::ecx);
    a_.sub(x86::esi, tlb.sites);
    a_.mov(of_copy(offsetof(Copy, site)), x86::esi);
    a_.add(x86::al, 127);
    a_.sahf();
    for (size_t i = 0; i < kUsed; ++i) a_.mov(x86::gpq(kCallerSaved[i]), saved(i));
    a_.mov(x86::rcx, word(Word::SiteInfo));
    a_.ret();
  }
  /// The host's own instruction, once it is sure that the guest's would take one turn.
  void emit_repeat(const Stubs::Repeat& repeat, const TlbOffsets& tlb) {
    const x86::Gpq count = x86::gpq(kHome[RCX]);
    const Label refused = a_.newLabel();
    const auto require_zero = [&] {
      const Label fine = a_.newLabel();
      a_.jecxz(x86::rcx, fine);
      a_.jmp(refused);
      a_.bind(fine);
    };
    // R13: what leads from the elements at `first` to the host's, if all lie in its page.
    const auto check = [&](const x86::Gpq& first, i32 tags) {
      a_.pext(x86::r13, first, ptr(x86::r15, tlb.mask));
      a_.lea(x86::r14, ptr(first, count, repeat.size_shift, -1));
      a_.shrx(x86::r14, x86::r14, x86::r15);
      a_.mov(x86::rcx, ptr(x86::r15, x86::r13, 3, tags));
      a_.mov(x86::r13, ptr(x86::r15, x86::r13, 3, tlb.addends));
      a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
      require_zero();
    };
    const auto behind = [&](const x86::Gpq& first) {
      const x86::Mem end = ptr(first, count, repeat.size_shift);
      repeat.is_wide ? a_.lea(x86::r14, end) : a_.lea(x86::r14d, end);
    };
    a_.mov(x86::rcx, ptr(x86::r15, state_offset(offsetof(cpu::CpuState, system_flags))));
    a_.pext(x86::rcx, x86::rcx, word(Word::DirectionMask));
    require_zero();
    // So few that no address wraps.
    a_.shrx(x86::rcx, count, x86::r15);
    require_zero();
    if (repeat.moves) {
      check(x86::rsi, tlb.read_tags);
      a_.mov(word(Word::Spare), x86::r13);
      behind(x86::rsi);
      a_.mov(word(Word::SpareGpr), x86::r14);
    }
    check(x86::rdi, tlb.write_tags);
    behind(x86::rdi);
    a_.lea(x86::rdi, ptr(x86::rdi, x86::r13));
    if (repeat.moves) {
      a_.mov(x86::r13, word(Word::Spare));
      a_.lea(x86::rsi, ptr(x86::rsi, x86::r13));
    }
    a_.mov(x86::rcx, count);
    a_.rep();
    switch (repeat.size_shift) {
      case 0: repeat.moves ? a_.movsb() : a_.stosb(); break;
      case 1: repeat.moves ? a_.movsw() : a_.stosw(); break;
      case 2: repeat.moves ? a_.movsd() : a_.stosd(); break;
      default: repeat.moves ? a_.movsq() : a_.stosq(); break;
    }
    a_.mov(x86::rdi, x86::r14);
    if (repeat.moves) a_.mov(x86::rsi, word(Word::SpareGpr));
    a_.mov(count, x86::rcx);
    a_.mov(x86::byte_ptr(x86::r15, state_offset(offsetof(cpu::CpuState, repeating))), 0);
    a_.ret();
    a_.bind(refused);
    a_.mov(x86::ecx, 1);
    a_.ret();
  }
  /// As cpu::load_segment does with a load that is known. One that would change the mode is the handler's.
  void emit_load_segment(Seg segment) {
    using Load = cpu::Cpu::SegmentLoad;
    using Loads = cpu::Cpu::SegmentLoads;
    const auto of_load = [](size_t offset) { return ptr(x86::r13, static_cast<i32>(offset)); };
    const auto of_state = [](size_t offset) { return ptr(x86::r15, state_offset(offset)); };
    const TlbOffsets& tlb = tlbs_[static_cast<size_t>(mmu::Mmu::PrivilegeClass::Supervisor)];
    const i32 facts = facts_offset(cpu_, segment);
    constexpr size_t kKind = offsetof(cpu::SegmentFacts, kind);
    const Label found = a_.newLabel(), refused = a_.newLabel(), back = a_.newLabel();
    a_.mov(word(Word::SpareGpr), x86::rax);
    a_.mov(word(Word::Spare), x86::rdx);
    a_.lahf();
    a_.seto(x86::al);
    a_.mov(x86::r14d, x86::ecx);
    a_.lea(x86::r13, ptr(x86::r15, cpu_.segment_loads + static_cast<i32>(offsetof(Loads, null))));
    a_.test(x86::ecx, 0xfffc);
    a_.jz(found);
    static_assert(sizeof(Load) % 8 == 0 && std::tuple_size_v<decltype(Loads::known)> == 16);
    a_.and_(x86::ecx, 15 * 8);
    a_.imul(x86::ecx, x86::ecx, sizeof(Load) / 8);
    a_.lea(x86::r13, ptr(x86::r15, x86::rcx, 0, cpu_.segment_loads + static_cast<i32>(offsetof(Loads, known))));
    a_.cmp(of_load(offsetof(Load, selector)), x86::r14w);
    a_.jne(refused);
    a_.movzx(x86::ecx, x86::byte_ptr(x86::r15, state_offset(offsetof(cpu::CpuState, cpl))));
    a_.cmp(of_load(offsetof(Load, cpl)), x86::cl);
    a_.jne(refused);
    // The descriptor, within the table's limit. Bases beyond 4 GiB are those of 64-bit systems.
    constexpr size_t kTable = offsetof(cpu::CpuState, gdtr);
    a_.mov(x86::ecx, x86::r14d);
    a_.or_(x86::ecx, 7);
    a_.cmp(of_state(kTable + offsetof(cpu::TableRegister, limit)), x86::cx);
    a_.jb(refused);
    a_.xor_(x86::ecx, 7);
    a_.add(x86::rcx, of_state(kTable + offsetof(cpu::TableRegister, base)));
    a_.mov(x86::rdx, x86::rcx);
    a_.shr(x86::rdx, 32);
    a_.jnz(refused);
    a_.pext(x86::rdx, x86::rcx, ptr(x86::r15, tlb.mask));
    a_.lea(x86::r14, ptr(x86::rcx, 7));
    a_.shr(x86::r14, kPageShift);
    a_.add(x86::r14, ptr(x86::r15, x86::rdx, 3, tlb.read_tags));
    a_.jnz(refused);
    a_.mov(x86::rdx, ptr(x86::r15, x86::rdx, 3, tlb.addends));
    a_.mov(x86::rdx, ptr(x86::rdx, x86::rcx));
    a_.cmp(of_load(offsetof(Load, descriptor)), x86::rdx);
    a_.jne(refused);
    a_.movzx(x86::r14d, x86::word_ptr(x86::r13, offsetof(Load, selector)));
    a_.bind(found);
    if (segment == Seg::DS || segment == Seg::ES) {
      a_.movzx(x86::ecx, x86::byte_ptr(x86::r13, offsetof(Load, facts) + kKind));
      a_.cmp(ptr(x86::r15, facts + static_cast<i32>(kKind)), x86::cl);
      a_.jne(refused);
    }
    const auto copy = [&](size_t from, i32 to, size_t bytes) {
      for (size_t at = 0; at < bytes; at += 8) {
        a_.mov(x86::rcx, of_load(from + at));
        a_.mov(ptr(x86::r15, to + static_cast<i32>(at)), x86::rcx);
      }
    };
    static_assert(sizeof(cpu::SegmentRegister) % 8 == 0 && sizeof(cpu::SegmentFacts) % 8 == 0);
    copy(offsetof(Load, segment), segment_offset(segment), sizeof(cpu::SegmentRegister));
    copy(offsetof(Load, facts), facts, sizeof(cpu::SegmentFacts));
    a_.mov(x86::word_ptr(x86::r15, selector_offset(segment)), x86::r14w);
    a_.mov(x86::ecx, 0);
    a_.bind(back);
    a_.mov(x86::rdx, word(Word::Spare));
    a_.add(x86::al, 127);
    a_.sahf();
    a_.mov(x86::rax, word(Word::SpareGpr));
    a_.ret();
    a_.bind(refused);
    a_.mov(x86::ecx, 1);
    a_.jmp(back);
  }
  void emit_callout(u64 leave, u64 spill_vectors) {
    const Label away = a_.newLabel();
    const Label elsewhere = a_.newLabel();
    const Label gone = a_.newLabel();
    store_guest();
    a_.cmp(word32(Word::VectorAway), 0);
    a_.jne(away);
    a_.call(spill_vectors);
    a_.bind(away);
    a_.mov(x86::rsi, x86::rcx);
    call_cpp(reinterpret_cast<const void*>(targets_.callout));
    a_.test(x86::rax, x86::rax);
    a_.jnz(elsewhere);
    load_guest();
    a_.ret();
    a_.bind(elsewhere);
    a_.cmp(x86::rax, 1);
    a_.je(gone);
    a_.mov(x86::r14, x86::rax);
    a_.mov(x86::rsp, word(Word::ReturnStack));
    load_guest();
    a_.jmp(x86::r14);
    a_.bind(gone);
    a_.jmp(leave);
  }
  void emit_lookup(unsigned table) {
    a_.pext(x86::rcx, x86::r14, word(Word::JumpMask));
    a_.jmp(ptr(x86::r15, x86::rcx, 3, jump_table_offset(table)));
  }

  static constexpr x86::Gpq kCalleeSaved[] = {x86::rbx, x86::rbp, x86::r12,
                                              x86::r13, x86::r14, x86::r15};

  x86::Assembler& a_;
  const u64 base_;
  const StubTargets& targets_;
  const std::array<TlbOffsets, kClasses>& tlbs_;
  const CpuOffsets& cpu_;
  const bool has_avx_;
  u64 bring_vectors_ = 0;
};

}  // namespace

Stubs emit_stubs(x86::Assembler& a, u64 base_address, const StubTargets& targets,
                 const std::array<TlbOffsets, kClasses>& tlbs, const CpuOffsets& cpu) {
  return StubWriter(a, base_address, targets, tlbs, cpu).write();
}

}  // namespace doppel::jit
