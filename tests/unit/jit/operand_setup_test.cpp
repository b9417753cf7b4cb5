#include "jit/operand_setup.h"

#include <functional>
#include <set>

#include <doctest/doctest.h>

#include "jit/layout.h"
#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;
using Writer = std::function<void(Assembler&)>;

cpu::Instruction decode_one(const Writer& write) {
  static TestCpu test;
  static const bool is_ready = [] {
    test.enter_long();
    allow_vectors(test);
    return true;
  }();
  (void)is_ready;
  const std::vector<cpu::Instruction> block = decode_all(test, code64(0x10000, write));
  REQUIRE(block.size() == 1);
  return block[0];
}

std::optional<OperandSetup> set_up(const Writer& write) { return set_up_operands(decode_one(write)); }

/// The passage of a guest register, which there must be.
OperandSetup::Passage passage_of(const OperandSetup& setup, u8 guest) {
  for (const OperandSetup::Passage& passage : setup.passages) {
    if (passage.guest == guest) return passage;
  }
  FAIL("register " << int{guest} << " has no passage");
  return {};
}

TEST_CASE("operand_setup: registers with a home need nothing") {
  for (const Writer& write : {Writer([](Assembler& a) { a.add(rax, rbx); }),
                              Writer([](Assembler& a) { a.mov(ecx, esi); }),
                              Writer([](Assembler& a) { a.sub(rsp, rbp); }),
                              Writer([](Assembler& a) { a.mov(cl, dl); }),
                              Writer([](Assembler& a) { a.xor_(r9, r8); }),
                              Writer([](Assembler& a) { a.add(al, ah); }),
                              Writer([](Assembler& a) { a.movaps(xmm3, xmm14); })}) {
    const auto setup = set_up(write);
    REQUIRE(setup.has_value());
    CHECK(setup->passages.empty());
    CHECK(setup->with.operand_in_memory == Substitution::kNone);
    CHECK(setup->with.registers[RCX] == kR10);
    CHECK(setup->with.registers[RSP] == kR12);
  }
}

TEST_CASE("operand_setup: a register without a home is an operand in the state where it can be") {
  for (const auto& [write, operand] :
       {std::pair{Writer([](Assembler& a) { a.add(r10, rax); }), 0}, {Writer([](Assembler& a) { a.add(rax, r10); }), 1},
        {Writer([](Assembler& a) { a.add(r10w, 5); }), 0}, {Writer([](Assembler& a) { a.cmp(r10b, al); }), 0},
        {Writer([](Assembler& a) { a.mov(r10b, 5); }), 0}, {Writer([](Assembler& a) { a.imul(rax, r10); }), 1},
        {Writer([](Assembler& a) { a.movzx(eax, r10b); }), 1}, {Writer([](Assembler& a) { a.sete(r10b); }), 0},
        {Writer([](Assembler& a) { a.pdep(rax, rbx, r10); }), 2}, {Writer([](Assembler& a) { a.movq(xmm1, r10); }), 1}}) {
    CAPTURE(operand);
    const auto setup = set_up(write);
    REQUIRE(setup.has_value());
    CHECK(setup->passages.empty());
    CHECK(int{setup->with.operand_in_memory} == operand);
    CHECK(setup->with.memory.base == kR15);
    CHECK(setup->with.memory.displacement == gpr_offset(R10));
  }
}

TEST_CASE("operand_setup: a result of 32 bits clears the upper half, which a store to the state would not") {
  const auto setup = set_up([](Assembler& a) { a.add(r10d, eax); });
  REQUIRE(setup.has_value());
  CHECK(setup->with.operand_in_memory == Substitution::kNone);
  const auto passage = passage_of(*setup, R10);
  CHECK(passage.loaded);
  CHECK(passage.stored);
  // CMP and TEST write nothing.
  CHECK(set_up([](Assembler& a) { a.cmp(r10d, eax); })->with.operand_in_memory == 0);
}

TEST_CASE("operand_setup: what is only read is not stored, what is only written is not loaded") {
  const auto load = set_up([](Assembler& a) { a.mov(r14, ptr(rbx)); });
  REQUIRE(load.has_value());
  CHECK_FALSE(passage_of(*load, R14).loaded);
  CHECK(passage_of(*load, R14).stored);
  const auto store = set_up([](Assembler& a) { a.mov(ptr(rbx), r14); });
  REQUIRE(store.has_value());
  CHECK(passage_of(*store, R14).loaded);
  CHECK_FALSE(passage_of(*store, R14).stored);
  const auto update = set_up([](Assembler& a) { a.add(r14, ptr(rbx)); });
  REQUIRE(update.has_value());
  CHECK(passage_of(*update, R14).loaded);
  CHECK(passage_of(*update, R14).stored);
  const auto part = set_up([](Assembler& a) { a.mov(r14w, ptr(rbx)); });  // The rest stays.
  REQUIRE(part.has_value());
  CHECK(passage_of(*part, R14).loaded);
  const auto bound = set_up([](Assembler& a) { a.cmovz(r14, ptr(rbx)); });  // May stay altogether.
  REQUIRE(bound.has_value());
  CHECK(passage_of(*bound, R14).loaded);
  CHECK(passage_of(*bound, R14).stored);
}

TEST_CASE("operand_setup: XCHG and bit tests keep away from memory operands of their own making") {
  for (const Writer& write :
       {Writer([](Assembler& a) { a.xchg(r10, rbx); }), Writer([](Assembler& a) { a.bt(r10, rax); }),
        Writer([](Assembler& a) { a.bts(r10, rax); }), Writer([](Assembler& a) { a.btr(r10, 5); })}) {
    const auto setup = set_up(write);
    REQUIRE(setup.has_value());
    CHECK(setup->with.operand_in_memory == Substitution::kNone);
    CHECK(setup->passages.size() == 1);
  }
  const auto both = set_up([](Assembler& a) { a.xchg(r10, r11); });
  REQUIRE(both.has_value());
  CHECK(both->passages.size() == 2);
  CHECK(passage_of(*both, R10).stored);
  CHECK(passage_of(*both, R11).stored);
  CHECK(passage_of(*both, R10).host != passage_of(*both, R11).host);
}

TEST_CASE("operand_setup: of two registers without a home one passes, the other is in memory") {
  const auto setup = set_up([](Assembler& a) { a.add(r10, r11); });
  REQUIRE(setup.has_value());
  CHECK(setup->with.operand_in_memory == 0);
  CHECK(setup->with.memory.displacement == gpr_offset(R10));
  REQUIRE(setup->passages.size() == 1);
  CHECK(passage_of(*setup, R11).loaded);
  CHECK_FALSE(passage_of(*setup, R11).stored);
  // Twice the same: only one place, so it passes.
  const auto same = set_up([](Assembler& a) { a.add(r10, r10); });
  REQUIRE(same.has_value());
  CHECK(same->with.operand_in_memory == Substitution::kNone);
  CHECK(passage_of(*same, R10).loaded);
  CHECK(passage_of(*same, R10).stored);
}

TEST_CASE("operand_setup: shifts by CL borrow the host's RCX") {
  const auto other = set_up([](Assembler& a) { a.shl(rax, cl); });
  REQUIRE(other.has_value());
  CHECK(passage_of(*other, RCX).host == kRcx);
  CHECK(passage_of(*other, RCX).loaded);
  CHECK_FALSE(passage_of(*other, RCX).stored);
  const auto itself = set_up([](Assembler& a) { a.shl(rcx, cl); });
  REQUIRE(itself.has_value());
  CHECK(itself->with.registers[RCX] == kRcx);
  CHECK(passage_of(*itself, RCX).stored);
  const auto homeless = set_up([](Assembler& a) { a.shld(r10, r13, cl); });
  REQUIRE(homeless.has_value());
  CHECK(passage_of(*homeless, RCX).host == kRcx);
  CHECK(passage_of(*homeless, R13).host == kR14);
  CHECK(homeless->with.operand_in_memory == 0);
  // Three scratch registers would be needed: the handler does it.
  CHECK_FALSE(set_up([](Assembler& a) { a.shld(r10d, r13d, cl); }).has_value());
}

TEST_CASE("operand_setup: CH stands in the host's CH, which is not where RCX lives") {
  const auto setup = set_up([](Assembler& a) { a.mov(ch, al); });
  REQUIRE(setup.has_value());
  CHECK(setup->with.registers[RCX] == kRcx);
  CHECK(passage_of(*setup, RCX).loaded);
  CHECK(passage_of(*setup, RCX).stored);
  const auto source = set_up([](Assembler& a) { a.mov(al, ch); });
  REQUIRE(source.has_value());
  CHECK_FALSE(passage_of(*source, RCX).stored);
}

TEST_CASE("operand_setup: a high byte with memory finds its address in RCX") {
  const auto setup = set_up([](Assembler& a) { a.mov(ptr(rbx), ah); });
  REQUIRE(setup.has_value());
  CHECK(setup->address_in_rcx);
  CHECK(setup->passages.empty());
  CHECK_FALSE(set_up([](Assembler& a) { a.mov(ptr(rbx), al); })->address_in_rcx);
}

TEST_CASE("operand_setup: CH beside memory is a low byte, turned there and back") {
  const auto store = set_up([](Assembler& a) { a.mov(ptr(rbx), ch); });
  REQUIRE(store.has_value());
  CHECK(store->turned_operand == 1);
  CHECK_FALSE(store->address_in_rcx);
  CHECK(passage_of(*store, RCX).is_turned);
  CHECK(passage_of(*store, RCX).host == kR14);
  CHECK_FALSE(passage_of(*store, RCX).stored);
  const auto both = set_up([](Assembler& a) { a.add(ch, ptr(rbx)); });
  REQUIRE(both.has_value());
  CHECK(both->turned_operand == 0);
  CHECK(passage_of(*both, RCX).stored);
}

TEST_CASE("operand_setup: PCMPISTRI leaves its result in RCX") {
  const auto setup = set_up([](Assembler& a) { a.pcmpistri(xmm1, xmm2, 0); });
  REQUIRE(setup.has_value());
  CHECK(passage_of(*setup, RCX).host == kRcx);
  CHECK(passage_of(*setup, RCX).stored);
  CHECK(set_up([](Assembler& a) { a.pcmpistrm(xmm1, xmm2, 0); })->passages.empty());
}

TEST_CASE("operand_setup: three registers without a home fit with and without memory") {
  const auto in_registers = set_up([](Assembler& a) { a.pdep(r10, r11, r13); });
  REQUIRE(in_registers.has_value());
  CHECK(in_registers->with.operand_in_memory == 2);
  CHECK(in_registers->passages.size() == 2);
  CHECK_FALSE(passage_of(*in_registers, R10).loaded);
  CHECK(passage_of(*in_registers, R10).stored);
  const auto with_memory = set_up([](Assembler& a) { a.pdep(r10, r11, ptr(rbx)); });
  REQUIRE(with_memory.has_value());
  CHECK(with_memory->passages.size() == 2);
}

TEST_CASE("operand_setup: every pair of registers has host bytes, and passages never share a register") {
  using Emit = std::function<void(Assembler&, const Gpq&, const Gpq&)>;
  const std::vector<Emit> kinds = {
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.add(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.xor_(x.r32(), y.r32()); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.mov(x.r16(), y.r16()); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.sub(x.r8(), y.r8()); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.imul(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.cmovb(x.r32(), y.r32()); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.xchg(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.xadd(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.cmpxchg(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.bts(x, y); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.movzx(x.r32(), y.r8()); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.shlx(x, y, x); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.shld(x, y, 7); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.shld(x, y, cl); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.mulx(x, y, rax); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.mov(x, ptr(y)); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.add(ptr(y), x); },
      [](Assembler& a, const Gpq& x, const Gpq& y) { a.movbe(x, ptr(y)); },
  };
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    for (unsigned x = 0; x < 16; ++x) {
      for (unsigned y = 0; y < 16; ++y) {
        if (kind == 6 && x == 0 && y == 0) continue;  // NOP
        CAPTURE(kind);
        CAPTURE(x);
        CAPTURE(y);
        const cpu::Instruction insn = decode_one([&](Assembler& a) { kinds[kind](a, gpq(x), gpq(y)); });
        const auto setup = set_up_operands(insn);
        REQUIRE(setup.has_value());
        std::set<u8> hosts;
        for (const auto& passage : setup->passages) {
          const bool is_scratch = passage.host == kRcx || passage.host == kR14;
          REQUIRE(is_scratch);
          REQUIRE(hosts.insert(passage.host).second);
        }
        u8 bytes[kMaxHostInstruction];
        REQUIRE(reencode(insn, setup->with, bytes) != 0);
      }
    }
  }
}

}  // namespace
}  // namespace doppel::jit
