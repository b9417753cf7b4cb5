// What accesses of traces remember: a page, a run of pages, or nothing.

#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kPages = 0x40'0000;  // Linear; their frames lie in no order.
constexpr u64 kTable = 0x10'3000;
constexpr u64 kCount = 16;

TranslatorOptions looking_often() {
  TranslatorOptions options = tracing();
  options.site_interval = 80'000;
  return options;
}

/// Both engines run `write`'s loop as a user's; RBX is `kPages`, RDX a seed.
class Wandering {
 public:
  template <class Write>
  explicit Wandering(Write write, unsigned cpl = 3)
      : traced_(looking_often(), write),
        rights_(cpl == 3 ? mmu::Mmu::PrivilegeClass::User : mmu::Mmu::PrivilegeClass::Supervisor) {
    traced_.twins.both([cpl](TestCpu& test) {
      test.enter_long(cpl);
      test.poke<u64>(0x10'2010, kTable | 7);
      for (u64 i = 0; i <= kCount; ++i) test.poke<u64>(kTable + 8 * i, (0x28'0000 + (i * 7 % 17) * 0x3000) | 7);
      test.state().gpr[RBX] = kPages;
      test.state().gpr[RDX] = 12345;
    });
  }
  /// Runs, compares, and says how often most of the pages were a run.
  unsigned run(unsigned stretches, Access access) {
    unsigned runs = 0;
    for (unsigned i = 0; i < stretches; ++i) {
      REQUIRE(traced_.twins.run(5000) == ExitReason::BudgetSpent);
      CHECK_SAME(traced_.twins);
      runs += bytes(access) >= kCount / 2 * kPageSize;
    }
    return runs;
  }
  /// As a kernel does: two pages of the array change places.
  void exchange(u64 one, u64 other) {
    traced_.twins.both([&](TestCpu& test) {
      const u64 entry = test.peek<u64>(kTable + 8 * one);
      test.poke<u64>(kTable + 8 * one, test.peek<u64>(kTable + 8 * other));
      test.poke<u64>(kTable + 8 * other, entry);
      for (const u64 page : {one, other}) test.cpu.mmu.flush_page(LinearAddr(kPages + page * kPageSize));
    });
  }
  u64 bytes(Access access) {
    const mmu::ShadowTlb& table = traced_.twins.subject.test.cpu.mmu.table(rights_);
    return table.bytes_around(access, LinearAddr(kPages + 5 * kPageSize));
  }

 private:
  Traced traced_;
  mmu::Mmu::PrivilegeClass rights_;
};

/// RDI becomes another address in the pages; flags are spoilt.
void choose(Assembler& a) {
  a.imul(rdx, rdx, 0x5851'f42d);
  a.add(rdx, 0x1405'7b7f);
  a.mov(edi, edx);
  a.shr(edi, 8);
  a.and_(edi, kCount * kPageSize - 1);
  a.add(rdi, rbx);
}

void add_up(Assembler& a) {
  const asmjit::Label top = a.newLabel();
  a.bind(top);
  choose(a);
  a.add(rax, ptr(rdi));
  a.jmp(top);
}

void load_and_store(Assembler& a) {
  const asmjit::Label top = a.newLabel();
  a.bind(top);
  choose(a);
  a.add(rax, ptr(rdi));
  a.mov(ptr(rdi, 16), rax);
  a.movzx(ecx, byte_ptr(rdi, 1));
  a.jmp(top);
}

TEST_CASE("translator: accesses all over an array come to remember it as a whole") {
  Wandering wandering(load_and_store);
  CHECK(wandering.run(120, Access::Write) > 20);
}

TEST_CASE("translator: loads alone remember an array, too") {
  Wandering wandering(add_up);
  CHECK(wandering.run(120, Access::Read) > 20);
  CHECK(wandering.bytes(Access::Write) == kPageSize);
}

TEST_CASE("translator: a run of pages holds where flags must stay, and for pairs of accesses") {
  Wandering wandering([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), skip = a.newLabel();
    a.bind(top);
    choose(a);
    a.and_(rdi, -8);
    a.add(rdx, 0);
    a.mov(rcx, ptr(rdi));
    a.mov(r8, ptr(rdi, 24));
    a.mov(word_ptr(rdi, 6), cx);
    a.js(skip);
    a.adc(r9, rcx);
    a.bind(skip);
    a.add(r10, r8);
    a.jmp(top);
  });
  CHECK(wandering.run(120, Access::Write) > 20);
}

TEST_CASE("translator: an array whose pages are others now and then is never seen as it was") {
  Wandering wandering(load_and_store);
  unsigned runs = 0;
  for (u64 i = 0; i < 8; ++i) {
    runs += wandering.run(30, Access::Write);
    wandering.exchange(5, 6 + i);
  }
  CHECK(runs > 40);
}

TEST_CASE("translator: a kernel's accesses remember one page or none") {
  Wandering wandering(add_up, 0);
  CHECK(wandering.run(120, Access::Read) == 0);
}

TEST_CASE("translator sites: 32-bit code under a 64-bit kernel looks at the lower halves of registers only") {
  Twins twins(looking_often());
  twins.both([](TestCpu& test) {
    test.enter_long();
    cpu::CpuState& state = test.state();
    constexpr u64 kLeft = 0xdead'beef'0000'0000;
    state.gpr[RBX] = kLeft | 0x20'0000;
    state.gpr[RSI] = kLeft | 0x20'1000;
    state.gpr[RDI] = kLeft | 0x20'2ff8;
    state.gpr[RSP] = kLeft | 0x20'4800;
    state.segment(Seg::CS) = TestCpu::segment(TestCpu::kCode32, 0, 0xffff'ffff, 0xc9b);
    test.cpu.update_mode();
  });
  twins.put(kCode, {
                       0x03, 0x0b,        // add ecx, [ebx]
                       0x89, 0x0f,        // mov [edi], ecx
                       0x01, 0x4e, 0x10,  // add [esi + 0x10], ecx
                       0x51,              // push ecx
                       0x58,              // pop eax
                       0x41,              // inc ecx
                       0xeb, 0xf4,        // jmp to the first
                   });
  for (unsigned i = 0; i < 40; ++i) {
    REQUIRE(twins.run(5000) == ExitReason::BudgetSpent);
    CHECK_SAME(twins);
  }
}

}  // namespace
}  // namespace doppel::jit
