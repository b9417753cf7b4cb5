#include "jit/home_choice.h"

#include <functional>

#include <doctest/doctest.h>

#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;

constexpr u64 kOrigin = 0x10000;

struct Planned {
  std::vector<cpu::Instruction> block;
  Mode mode;
  BlockPlan plan;

  explicit Planned(const std::function<void(Assembler&)>& write) {
    TestCpu test;
    test.enter_long();
    allow_vectors(test);
    block = decode_all(test, code64(kOrigin, write));
    mode = Mode::of(test.cpu);
    plan = plan_block(block, mode, kOrigin, {});
  }
};

HomeSwaps chosen(const std::function<void(Assembler&)>& write, bool repeats) {
  const Planned planned(write);
  return choose_homes(planned.block, planned.plan, repeats);
}

GroupHomes chosen_for_groups(const std::function<void(Assembler&)>& write) {
  const Planned planned(write);
  return choose_group_homes(planned.block, planned.plan, choose_homes(planned.block, planned.plan, true), planned.mode, true);
}

TEST_CASE("home_choice: a register used much takes the place of one not used") {
  const auto write = [](Assembler& a) {
    a.mov(r14, rax);
    a.ror(r14, 5);
    a.xor_(r14, rdx);
    a.add(r14, r14);
  };
  const HomeSwaps swaps = chosen(write, false);
  REQUIRE(swaps.size() == 1);
  CHECK(swaps[0].comes == R14);
  CHECK(swaps[0].leaves == RBX);
  const Homes homes = homes_with(swaps);
  CHECK(homes[R14] == kHome[RBX]);
  CHECK(homes[RBX] == kNoHome);
  CHECK(homes[RAX] == kHome[RAX]);
}

TEST_CASE("home_choice: one use pays in a loop only") {
  const auto write = [](Assembler& a) { a.add(rax, r10); };
  CHECK(chosen(write, false).empty());
  REQUIRE(chosen(write, true).size() == 1);
  CHECK(chosen(write, true)[0].comes == R10);
}

TEST_CASE("home_choice: registers of the opcode, of the stack and high bytes stay") {
  const HomeSwaps swaps = chosen([](Assembler& a) {
    a.add(r10, r11);
    a.add(r12, r13);
    a.add(r14, r15);
    a.push(r10);
    a.mov(bh, 1);
    a.cmpxchg(ptr(rsi), rdi);
  }, true);
  for (const HomeSwap& swap : swaps) {
    CAPTURE(int{swap.leaves});
    CHECK(swap.leaves != RAX);
    CHECK(swap.leaves != RCX);
    CHECK(swap.leaves != RDX);
    CHECK(swap.leaves != RBX);
    CHECK(swap.leaves != RSP);
  }
  CHECK(!swaps.empty());
}

TEST_CASE("home_choice: handlers find every register where it belongs") {
  CHECK(chosen([](Assembler& a) {
          a.add(r14, 1);
          a.cpuid();
          a.add(r14, 1);
        }, true).empty());
}

/// From one array to another.
void copy(Assembler& a, int times) {
  for (int i = 0; i < times; ++i) {
    a.add(rax, ptr(rsi, 8 * i));
    a.mov(ptr(rdi, 8 * i), rax);
  }
}

TEST_CASE("home_choice: a group between whose accesses others come takes a place that the block leaves alone") {
  const GroupHomes homes = chosen_for_groups([](Assembler& a) { copy(a, 8); });
  REQUIRE(homes.size() == 2);
  for (const GroupHome& home : homes) {
    CHECK(home.host == kHome[home.leaves]);
    CHECK(home.leaves != RSI);
    CHECK(home.leaves != RDI);
    CHECK(homes_with({}, homes)[home.leaves] == kNoHome);
  }
  CHECK(homes[0].leaves != homes[1].leaves);
  CHECK(chosen_for_groups([](Assembler& a) { copy(a, 4); }).empty());
  CHECK(chosen_for_groups([](Assembler& a) {
          copy(a, 8);
          a.cpuid();
        }).empty());
}

TEST_CASE("home_choice: groups take neither places of swaps nor of registers that the block names") {
  const Planned planned([](Assembler& a) {
    copy(a, 8);
    a.add(r10, rax);
    a.add(r11, rax);
    a.add(r14, rbx);
    a.add(r15, rbp);
  });
  const HomeSwaps swaps = choose_homes(planned.block, planned.plan, true);
  const GroupHomes homes = choose_group_homes(planned.block, planned.plan, swaps, planned.mode, true);
  CHECK(swaps.size() == 3);  // RSP, R8 and R9 are all that is left alone.
  CHECK(homes.empty());
}

TEST_CASE("home_choice: groups of 32-bit code take R8 and R9, round or not") {
  TestCpu test;
  test.enter_protected();
  const Mode mode = Mode::of(test.cpu);
  const std::vector<cpu::Instruction> block = decode_all(test, code32(kOrigin, [](Assembler& a) {
    for (int i = 0; i < 2; ++i) {
      a.add(eax, ptr(esi, 4 * i));
      a.add(eax, ptr(ebx, 4 * i));
      a.mov(ptr(edi, 4 * i), eax);
    }
  }));
  const BlockPlan plan = plan_block(block, mode, kOrigin, {});
  REQUIRE(plan.groups.size() == 3);
  for (const bool repeats : {false, true}) {
    const GroupHomes homes = choose_group_homes(block, plan, {}, mode, repeats);
    REQUIRE(homes.size() == 2);
    CHECK(homes[0].leaves == R8);
    CHECK(homes[1].leaves == R9);
  }
}

}  // namespace
}  // namespace doppel::jit
