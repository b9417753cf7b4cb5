#include "jit/home_choice.h"

#include <functional>

#include <doctest/doctest.h>

#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;

constexpr u64 kOrigin = 0x10000;

HomeSwaps chosen(const std::function<void(Assembler&)>& write, bool repeats) {
  TestCpu test;
  test.enter_long();
  allow_vectors(test);
  const std::vector<cpu::Instruction> block = decode_all(test, code64(kOrigin, write));
  const BlockPlan plan = plan_block(block, Mode::of(test.cpu), kOrigin, {});
  return choose_homes(block, plan, repeats);
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

}  // namespace
}  // namespace doppel::jit
