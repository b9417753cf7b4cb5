#include "jit/block_plan.h"

#include <functional>

#include <doctest/doctest.h>

#include "cpu/arch/rflags.h"
#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;
using Writer = std::function<void(Assembler&)>;

constexpr u64 kOrigin = 0x10000;

struct Planned {
  std::vector<cpu::Instruction> block;
  BlockPlan plan;
  const MemoryUse& use(size_t instruction, size_t number = 0) const {
    REQUIRE(instruction < plan.instructions.size());
    REQUIRE(number < plan.instructions[instruction].uses.size());
    return plan.instructions[instruction].uses[number];
  }
  std::vector<int> groups() const {
    std::vector<int> found;
    for (const PlannedInstruction& planned : plan.instructions) {
      for (const MemoryUse& one : planned.uses) found.push_back(one.group);
    }
    return found;
  }
};

Planned plan_bytes(TestCpu& test, std::span<const u8> bytes, PlanOptions options = {}) {
  Planned planned;
  planned.block = decode_all(test, bytes);
  planned.plan = plan_block(planned.block, Mode::of(test.cpu), kOrigin, options);
  return planned;
}

Planned plan64(const Writer& write, PlanOptions options = {}) {
  TestCpu test;
  test.enter_long();
  allow_vectors(test);
  return plan_bytes(test, code64(kOrigin, write), options);
}

Planned plan32(const Writer& write) {
  TestCpu test;
  test.enter_protected();
  allow_vectors(test);
  return plan_bytes(test, code32(kOrigin, write));
}

using Groups = std::vector<int>;

TEST_CASE("block_plan: accesses near one base are one group that covers them all") {
  const Planned p = plan64([](Assembler& a) {
    a.mov(eax, ptr(rbx, 8));
    a.mov(edx, ptr(rbx, 16));
    a.mov(esi, ptr(rbx, -4));
  });
  REQUIRE(p.groups() == Groups{0, 0, 0});
  REQUIRE(p.plan.groups.size() == 1);
  const Group& group = p.plan.groups[0];
  CHECK(group.low_from_base == -4);
  CHECK(group.span == 24);
  CHECK_FALSE(group.write);
  CHECK(group.returns == 0);
  CHECK(p.use(0).offset == 12);
  CHECK(p.use(1).offset == 20);
  CHECK(p.use(2).offset == 0);
}

TEST_CASE("block_plan: one access alone is no group, and without the option there are none") {
  CHECK(plan64([](Assembler& a) { a.mov(eax, ptr(rbx)); }).groups() == Groups{-1});
  const auto two = [](Assembler& a) {
    a.mov(eax, ptr(rbx));
    a.mov(edx, ptr(rbx, 4));
  };
  CHECK(plan64(two).groups() == Groups{0, 0});
  CHECK(plan64(two, {false}).groups() == Groups{-1, -1});
}

TEST_CASE("block_plan: a base that moves by constants keeps its group") {
  const Planned p = plan64([](Assembler& a) {
    a.push(rax);                // At -8.
    a.push(rdx);                // -16
    a.mov(rsi, ptr(rsp, 8));    // -8
    a.add(rsp, 24);
    a.mov(rdi, ptr(rsp, -8));   // 0
    a.lea(rsp, ptr(rsp, -16));
    a.pop(rbp);                 // -8
    a.inc(rsp);
    a.dec(rsp);
    a.sub(rsp, 8);
    a.mov(rdx, ptr(rsp));       // -8
  });
  REQUIRE(p.groups() == Groups{0, 0, 0, 0, 0, 0});
  const Group& group = p.plan.groups[0];
  CHECK(group.low_from_base == -16);
  CHECK(group.span == 24);
  CHECK(group.write);
  CHECK_FALSE(group.reads_first);
  CHECK(p.use(0).offset == 8);
  CHECK(p.use(1).offset == 0);
  CHECK(p.use(2).offset == 8);
  CHECK(p.use(4).offset == 16);
  CHECK(p.use(6).offset == 8);
  CHECK(p.use(10).offset == 8);
}

TEST_CASE("block_plan: where the check is made counts, not where the block began") {
  const Planned p = plan64([](Assembler& a) {
    a.add(rbx, 0x100);
    a.mov(eax, ptr(rbx));
    a.mov(edx, ptr(rbx, 8));
  });
  REQUIRE(p.groups() == Groups{0, 0});
  CHECK(p.plan.groups[0].low_from_base == 0);
  CHECK(p.plan.groups[0].span == 12);
}

TEST_CASE("block_plan: a base with another value begins another group") {
  const auto around = [](const Writer& between) {
    return plan64([&](Assembler& a) {
             a.mov(eax, ptr(rbx));
             a.mov(eax, ptr(rbx, 8));
             between(a);
             a.mov(eax, ptr(rbx));
             a.mov(eax, ptr(rbx, 8));
           }).plan.groups.size();
  };
  CHECK(around([](Assembler& a) { a.nop(); }) == 1);
  CHECK(around([](Assembler& a) { a.mov(rcx, rbx); }) == 1);
  CHECK(around([](Assembler& a) { a.cmp(rbx, rcx); }) == 1);
  CHECK(around([](Assembler& a) { a.mov(rbx, rcx); }) == 2);
  CHECK(around([](Assembler& a) { a.mov(bl, cl); }) == 2);
  CHECK(around([](Assembler& a) { a.add(ebx, 8); }) == 2);  // Clears the upper half.
  CHECK(around([](Assembler& a) { a.add(rbx, rcx); }) == 2);
  CHECK(around([](Assembler& a) { a.xchg(rcx, rbx); }) == 2);
  CHECK(around([](Assembler& a) { a.xadd(rcx, rbx); }) == 2);
  CHECK(around([](Assembler& a) { a.pop(rbx); }) == 2);
  CHECK(around([](Assembler& a) { a.lea(rbx, ptr(rbx, rcx)); }) == 2);
  CHECK(around([](Assembler& a) { a.lea(rbx, ptr(rcx, 8)); }) == 2);
  CHECK(around([](Assembler& a) { a.cmovz(rbx, rcx); }) == 2);
}

TEST_CASE("block_plan: results that the opcode implies change a base too") {
  const auto around = [](const Gpq& base, const Writer& between) {
    return plan64([&](Assembler& a) {
             a.mov(r8d, ptr(base));
             a.mov(r8d, ptr(base, 8));
             between(a);
             a.mov(r8d, ptr(base));
             a.mov(r8d, ptr(base, 8));
           }).plan.groups.size();
  };
  CHECK(around(rdx, [](Assembler& a) { a.mul(rbx); }) == 2);
  CHECK(around(rax, [](Assembler& a) { a.div(rbx); }) == 2);
  CHECK(around(rdx, [](Assembler& a) { a.imul(rbx, rcx); }) == 1);
  CHECK(around(rdx, [](Assembler& a) { a.cqo(); }) == 2);
  CHECK(around(rax, [](Assembler& a) { a.cdqe(); }) == 2);
  CHECK(around(rax, [](Assembler& a) { a.cmpxchg(rbx, rcx); }) == 2);
  CHECK(around(rax, [](Assembler& a) { a.lahf(); }) == 2);
  CHECK(around(rax, [](Assembler& a) { a.fnstsw(ax); }) == 2);
  CHECK(around(rcx, [](Assembler& a) { a.pcmpistri(xmm0, xmm1, 0); }) == 2);
  CHECK(around(r9, [](Assembler& a) { a.mulx(r9, r10, rbx); }) == 2);
  CHECK(around(r10, [](Assembler& a) { a.mulx(r9, r10, rbx); }) == 2);
}

TEST_CASE("block_plan: a group reaches 512 bytes and no further") {
  const auto groups_with = [](i32 second) {
    return plan64([&](Assembler& a) {
             a.mov(eax, ptr(rbx));
             a.mov(eax, ptr(rbx, second));
           }).groups();
  };
  CHECK(groups_with(508) == Groups{0, 0});
  CHECK(groups_with(509) == Groups{-1, -1});
  CHECK(groups_with(-508) == Groups{0, 0});
  CHECK(groups_with(-509) == Groups{-1, -1});
  CHECK(groups_with(0x7fff'fff0) == Groups{-1, -1});
}

TEST_CASE("block_plan: segments, indices and scales keep groups apart") {
  CHECK(plan64([](Assembler& a) {
          Mem in_fs = ptr(rbx, 4);
          in_fs.setSegment(fs);
          a.mov(eax, ptr(rbx));
          a.mov(eax, in_fs);
        }).groups() == Groups{-1, -1});
  CHECK(plan64([](Assembler& a) {
          a.mov(eax, ptr(rbx, rsi, 2));
          a.mov(eax, ptr(rbx, rsi, 2, 8));
          a.mov(eax, ptr(rbx, rsi, 3, 8));
          a.mov(eax, ptr(rbx, 8));
        }).groups() == Groups{0, 0, -1, -1});
  CHECK(plan64([](Assembler& a) {
          a.mov(eax, ptr(rbx, rsi, 2));
          a.mov(rsi, rdi);
          a.mov(eax, ptr(rbx, rsi, 2));
        }).groups() == Groups{-1, -1});
}

TEST_CASE("block_plan: base and index may move by constants") {
  const Planned p = plan64([](Assembler& a) {
    a.mov(eax, ptr(rbx, rsi, 2));
    a.inc(rsi);
    a.mov(eax, ptr(rbx, rsi, 2));
    a.sub(rbx, 16);
    a.lea(rsi, ptr(rsi, 1));
    a.mov(eax, ptr(rbx, rsi, 2, 2));
  });
  REQUIRE(p.groups() == Groups{0, 0, 0});
  CHECK(p.plan.groups[0].low_from_base == -6);
  CHECK(p.plan.groups[0].span == 14);
  CHECK(p.use(0).offset == 6);
  CHECK(p.use(2).offset == 10);
  CHECK(p.use(5).offset == 0);
}

TEST_CASE("block_plan: offsets that wrap below the code's address size are checked one by one") {
  // 67h: the effective address has 32 bits, the base may have more.
  CHECK(plan64([](Assembler& a) {
          a.mov(eax, ptr(ebx));
          a.mov(eax, ptr(ebx, 4));
        }).groups() == Groups{-1, -1});
  CHECK(plan32([](Assembler& a) {
          a.mov(eax, ptr(ebx));
          a.mov(eax, ptr(ebx, 4));
        }).groups() == Groups{0, 0});
}

TEST_CASE("block_plan: a callout ends all groups, for what is behind an address may change") {
  const Planned p = plan64([](Assembler& a) {
    a.mov(eax, ptr(rbx));
    a.mov(eax, ptr(rbx, 8));
    a.cpuid();
    a.mov(eax, ptr(rbx, 16));
    a.mov(eax, ptr(rbx, 24));
  });
  CHECK(p.plan.instructions[2].treatment == Treatment::Callout);
  CHECK(p.groups() == Groups{0, 0, 1, 1});
}

/// Of supervisor code under SMAP, with AC as given: 'o' where AC is turned over, 'C' for a callout, '.' for the rest.
std::string accesses(bool ac, const Writer& write) {
  TestCpu test;
  test.enter_long();
  test.state().cr4 |= cr4::SMAP;
  test.cpu.update_paging();
  test.cpu.write_flags(ac ? rflags::AC : 0, rflags::AC);
  std::string text;
  for (const PlannedInstruction& one : plan_bytes(test, code64(kOrigin, write)).plan.instructions) {
    text += one.treatment == Treatment::Callout ? 'C' : one.other_access ? 'o' : '.';
  }
  return text;
}

TEST_CASE("block_plan: STAC and CLAC are nothing where both lie on the way") {
  const auto pair = [](Assembler& a) {
    a.stac();
    a.mov(eax, ptr(rbx));
    a.stac();
    a.clac();
    a.mov(ptr(rcx), eax);
    a.clac();
  };
  CHECK(accesses(false, pair) == ".ooo..");
  // AC is set before, and clear behind: only a callout can do that.
  CHECK(accesses(true, pair) == "...C");
  const auto other_pair = [](Assembler& a) {
    a.clac();
    a.mov(eax, ptr(rbx));
    a.stac();
    a.mov(ptr(rcx), eax);
  };
  CHECK(accesses(true, other_pair) == ".oo.");
  CHECK(accesses(false, other_pair) == "..C");
  CHECK(accesses(false, [](Assembler& a) {
          a.stac();
          a.pushfq();
          a.clac();
        }) == "C");
}

TEST_CASE("block_plan: accesses of both kinds are in different groups") {
  TestCpu test;
  test.enter_long();
  test.state().cr4 |= cr4::SMAP;
  test.cpu.update_paging();
  const Planned p = plan_bytes(test, code64(kOrigin, [](Assembler& a) {
    a.mov(eax, ptr(rbx));
    a.stac();
    a.mov(eax, ptr(rbx, 8));
    a.mov(edx, ptr(rbx, 16));
    a.clac();
    a.mov(ptr(rbx, 24), eax);
  }));
  CHECK(p.groups() == Groups{0, 1, 1, 0});
}

TEST_CASE("block_plan: a group that begins by reading says so when a later member writes") {
  const Planned reads = plan64([](Assembler& a) {
    a.mov(eax, ptr(rbx));
    a.mov(ptr(rbx, 8), eax);
    a.mov(eax, ptr(rbx, 16));
  });
  REQUIRE(reads.plan.groups.size() == 1);
  CHECK(reads.plan.groups[0].write);
  CHECK(reads.plan.groups[0].reads_first);
  const Planned writes = plan64([](Assembler& a) {
    a.mov(ptr(rbx, 8), eax);
    a.mov(eax, ptr(rbx));
  });
  REQUIRE(writes.plan.groups.size() == 1);
  CHECK(writes.plan.groups[0].write);
  CHECK_FALSE(writes.plan.groups[0].reads_first);
  const Planned updates = plan64([](Assembler& a) {
    a.add(ptr(rbx, 8), eax);  // A store must be possible, and nothing is read before that is known.
    a.mov(eax, ptr(rbx));
  });
  REQUIRE(updates.plan.groups.size() == 1);
  CHECK_FALSE(updates.plan.groups[0].reads_first);
}

TEST_CASE("block_plan: a group is kept in memory where another access comes between") {
  const Planned p = plan64([](Assembler& a) {
    a.mov(eax, ptr(rbx));
    a.mov(eax, ptr(rsi));
    a.mov(eax, ptr(rbx, 4));
    a.mov(eax, ptr(rdi));
    a.mov(eax, ptr(rdi, 4));
  });
  REQUIRE(p.groups() == Groups{0, -1, 0, 1, 1});
  CHECK(p.plan.groups[0].returns == 1);
  CHECK(p.plan.groups[1].returns == 0);
}

TEST_CASE("block_plan: an instruction that reads and pushes makes two accesses in this order") {
  const Planned p = plan64([](Assembler& a) { a.push(qword_ptr(rbx, 8)); });
  REQUIRE(p.plan.instructions[0].uses.size() == 2);
  CHECK(p.use(0).form.base == RBX);
  CHECK_FALSE(p.use(0).write);
  CHECK(p.use(0, 1).form.base == RSP);
  CHECK(p.use(0, 1).form.displacement == -8);
  CHECK(p.use(0, 1).form.segment == Seg::SS);
  CHECK(p.use(0, 1).write);
}

/// @source Intel SDM Vol. 2B, "POP": with ESP as a base, the address is computed after the increment.
TEST_CASE("block_plan: POP into memory off the stack pointer counts from the incremented one") {
  const Planned p = plan64([](Assembler& a) { a.pop(qword_ptr(rsp, 16)); });
  REQUIRE(p.plan.instructions[0].uses.size() == 2);
  CHECK(p.use(0, 1).form.displacement == 24);
  const Planned other = plan64([](Assembler& a) { a.pop(qword_ptr(rbx, 16)); });
  CHECK(other.use(0, 1).form.displacement == 16);
}

TEST_CASE("block_plan: RIP-relative operands are absolute, counted from the next instruction") {
  const Planned p = plan64([](Assembler& a) {
    a.nop();
    a.mov(eax, ptr(rip, 0x40));
  });
  CHECK(p.use(1).form.base == cpu::kZeroRegister);
  CHECK(p.use(1).form.displacement == i64{kOrigin} + 1 + p.block[1].length + 0x40);
}

TEST_CASE("block_plan: flags are seen by whoever reads them before they are set") {
  const auto seen = [](u16 mask, const Writer& behind) {
    const Planned p = plan64([&](Assembler& a) {
      a.add(rax, rbx);
      behind(a);
    });
    return flags_are_seen(p.block, p.plan, 0, mask);
  };
  const u16 all = rflags::kArithmetic;
  CHECK_FALSE(seen(all, [](Assembler& a) { a.xor_(edx, edx); }));
  CHECK_FALSE(seen(all, [](Assembler& a) { a.mov(rdx, rbx); a.cmp(rdx, 5); }));
  CHECK(seen(all, [](Assembler& a) { a.adc(edx, edx); }));
  CHECK(seen(all, [](Assembler& a) { a.setz(dl); a.cmp(edx, 5); }));
  // INC spares CF.
  CHECK(seen(rflags::CF, [](Assembler& a) { a.inc(edx); a.adc(edx, 0); }));
  CHECK_FALSE(seen(rflags::ZF, [](Assembler& a) { a.inc(edx); a.adc(edx, 0); }));
  // What is behind the block may look.
  CHECK(seen(all, [](Assembler& a) { a.mov(rdx, rbx); }));
  // A count of 0 sets nothing.
  CHECK(seen(all, [](Assembler& a) { a.shl(edx, cl); a.setz(bl); a.cmp(edx, 1); }));
}

TEST_CASE("block_plan: flags are seen where the block may be left") {
  const auto seen = [](const Writer& behind) {
    const Planned p = plan64([&](Assembler& a) {
      a.add(rax, rbx);
      behind(a);
      a.cmp(rax, rbx);
    });
    return flags_are_seen(p.block, p.plan, 0, rflags::kArithmetic);
  };
  CHECK_FALSE(seen([](Assembler& a) { a.mov(rdx, rbx); }));
  CHECK(seen([](Assembler& a) { a.mov(rdx, ptr(rbx)); }));
  CHECK(seen([](Assembler& a) { a.push(rbx); }));
  CHECK(seen([](Assembler& a) { a.rdtsc(); }));
  CHECK(seen([](Assembler& a) { a.div(rbx); }));
}

TEST_CASE("block_plan: an access that its group has checked for leaves the block no more, but one that may be misaligned does") {
  const auto seen = [](const Writer& behind) {
    const Planned p = plan64([&](Assembler& a) {
      a.mov(rdx, ptr(rsi));
      a.add(rax, rbx);
      behind(a);
      a.cmp(rax, rbx);
    });
    return flags_are_seen(p.block, p.plan, 1, rflags::kArithmetic);
  };
  CHECK_FALSE(seen([](Assembler& a) { a.mov(ptr(rsi, 8), rdx); }));
  CHECK_FALSE(seen([](Assembler& a) { a.movups(xmm0, ptr(rsi, 16)); }));
  CHECK(seen([](Assembler& a) { a.movaps(xmm0, ptr(rsi, 16)); }));
  CHECK(seen([](Assembler& a) { a.mov(rdx, ptr(rdi)); }));
  CHECK(seen([](Assembler& a) { a.mov(rdx, ptr(rsi, 0x1000)); }));
}

TEST_CASE("block_plan: flags are seen where the way enters another page") {
  const auto seen = [](u64 enters_pages) {
    const Planned p = plan64([](Assembler& a) {
      a.add(rax, rbx);
      a.mov(rdx, rbx);
      a.cmp(rax, rbx);
    }, {.enters_pages = enters_pages});
    return flags_are_seen(p.block, p.plan, 0, rflags::kArithmetic);
  };
  CHECK_FALSE(seen(0));
  CHECK_FALSE(seen(1));
  CHECK(seen(2));
  CHECK(seen(4));
}

TEST_CASE("block_plan: a way that was noted goes on behind branches, and behind the last one if it closes") {
  const auto write = [](Assembler& a) {
    a.jz(0x20000);
    a.nop();
    a.call(0x20000);
  };
  const Planned open = plan64(write);
  CHECK(open.plan.instructions[0].is_passed);
  CHECK_FALSE(open.plan.instructions[1].is_passed);
  CHECK_FALSE(open.plan.instructions[2].is_passed);
  const Planned closed = plan64(write, {.closes = true});
  CHECK(closed.plan.instructions[2].is_passed);
  CHECK(closed.plan.instructions[2].leads_to == kOrigin);
}

}  // namespace
}  // namespace doppel::jit
