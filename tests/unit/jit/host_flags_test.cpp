#include "jit/host_flags.h"

#include <functional>

#include <doctest/doctest.h>

#include "cpu/arch/rflags.h"
#include "cpu/interpreter/interpreter.h"
#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;
using Writer = std::function<void(Assembler&)>;

cpu::Instruction decode_one(const Writer& write) {
  TestCpu test;
  test.enter_long();
  const std::vector<cpu::Instruction> block = decode_all(test, code64(0x10000, write));
  REQUIRE(block.size() == 1);
  return block[0];
}

FlagRepair repair_of(const Writer& write) {
  static const HostFlags host = HostFlags::probe();
  return host.repair_of(decode_one(write));
}

struct Values {
  u64 rax, rbx, rdx;
  u8 cl;
  u64 flags;
};

/// Flags after the instruction on this host: SF ZF AF PF CF by LAHF, OF by SETO.
u64 on_host(const Writer& write, const Values& values) {
  asmjit::JitRuntime runtime;
  asmjit::CodeHolder holder;
  holder.init(runtime.environment());
  Assembler a(&holder);
  a.push(rbx);
  a.mov(r8, asmjit::imm(values.rbx));
  a.mov(rbx, r8);
  a.mov(rdx, asmjit::imm(values.rdx));
  a.mov(ecx, values.cl);
  a.mov(eax, static_cast<u32>((values.flags & 0xff) << 8 | (values.flags >> 11 & 1)));
  a.add(al, 127);
  a.sahf();
  a.mov(rax, asmjit::imm(values.rax));
  write(a);
  a.lahf();
  a.seto(al);
  a.movzx(eax, ax);
  a.pop(rbx);
  a.ret();
  u64 (*run)() = nullptr;
  REQUIRE(runtime.add(&run, &holder) == asmjit::kErrorOk);
  const u64 word = run();
  runtime.release(run);
  return (word >> 8 & 0xd5) | (word & 1) << 11;
}

/// The same by doppel's rules.
u64 by_rule(const Writer& write, const Values& values) {
  TestCpu test;
  test.enter_long();
  const cpu::Instruction insn = decode_one(write);
  cpu::CpuState& s = test.state();
  s.gpr[RAX] = values.rax;
  s.gpr[RBX] = values.rbx;
  s.gpr[RCX] = values.cl;
  s.gpr[RDX] = values.rdx;
  s.flags.set(values.flags);
  REQUIRE(insn.handler(test.cpu, insn).ok());
  return s.flags.get();
}

/// Whether the host's flags are doppel's for some values that the probe does not use.
bool host_agrees(const Writer& write, u64 looked_at = rflags::kArithmetic) {
  for (const u64 a : {u64{3}, u64{0x8000'0000}, u64{0x7fff'ffff'ffff}, u64{0xf0f0'f0f0}}) {
    for (const u64 b : {u64{7}, u64{0x8000'0080}, u64{0x1'0000'0000}}) {
      for (const u64 flags : {u64{0}, rflags::kArithmetic}) {
        const Values values{a, b, 0, 5, flags};
        if (((on_host(write, values) ^ by_rule(write, values)) & looked_at) != 0) return false;
      }
    }
  }
  return true;
}

TEST_CASE("host_flags: where nothing is repaired the host does what doppel's rule says") {
  const std::vector<Writer> instructions = {
      [](Assembler& a) { a.shl(eax, 5); },       [](Assembler& a) { a.shr(rax, 5); },
      [](Assembler& a) { a.sar(eax, 5); },       [](Assembler& a) { a.shl(eax, cl); },
      [](Assembler& a) { a.shld(eax, ebx, 5); }, [](Assembler& a) { a.shrd(rax, rbx, cl); },
      [](Assembler& a) { a.mul(ebx); },          [](Assembler& a) { a.imul(rbx); },
      [](Assembler& a) { a.imul(eax, ebx); },    [](Assembler& a) { a.imul(rax, rbx, 77); },
      [](Assembler& a) { a.bsf(eax, ebx); },     [](Assembler& a) { a.bsr(rax, rbx); },
      [](Assembler& a) { a.tzcnt(eax, ebx); },   [](Assembler& a) { a.lzcnt(rax, rbx); },
      [](Assembler& a) { a.bextr(eax, ebx, eax); }, [](Assembler& a) { a.and_(eax, ebx); },
      [](Assembler& a) { a.andn(eax, ebx, edx); }, [](Assembler& a) { a.bzhi(rax, rbx, rdx); },
      [](Assembler& a) { a.blsr(eax, ebx); },    [](Assembler& a) { a.bt(eax, 3); },
      [](Assembler& a) { a.rol(eax, 5); },       [](Assembler& a) { a.rcr(eax, 5); }};
  for (size_t i = 0; i < instructions.size(); ++i) {
    CAPTURE(i);
    if (repair_of(instructions[i]) == FlagRepair::None) CHECK(host_agrees(instructions[i]));
  }
  const Writer divide = [](Assembler& a) { a.div(rbx); };
  if (repair_of(divide) == FlagRepair::None) CHECK(host_agrees(divide));
}

TEST_CASE("host_flags: a repair of AF alone is enough, for the other flags are the host's") {
  const u64 others = rflags::kArithmetic & ~u64{rflags::AF};
  CHECK(host_agrees([](Assembler& a) { a.shl(eax, 5); }, others));
  CHECK(host_agrees([](Assembler& a) { a.shr(eax, 31); }, others));
  CHECK(host_agrees([](Assembler& a) { a.sar(rax, 40); }, others));
  CHECK(host_agrees([](Assembler& a) { a.shl(eax, cl); }, others));
  CHECK(host_agrees([](Assembler& a) { a.shld(rax, rbx, 9); }, others));
  CHECK(host_agrees([](Assembler& a) { a.shrd(eax, ebx, cl); }, others));
}

TEST_CASE("host_flags: instructions without undefined flags are never repaired") {
  for (const Writer& write :
       {Writer([](Assembler& a) { a.add(eax, ebx); }), Writer([](Assembler& a) { a.cmp(rax, 5); }),
        Writer([](Assembler& a) { a.inc(eax); }), Writer([](Assembler& a) { a.mov(eax, ebx); }),
        Writer([](Assembler& a) { a.rol(eax, 1); }), Writer([](Assembler& a) { a.popcnt(eax, ebx); }),
        Writer([](Assembler& a) { a.mulx(rax, rbx, rdx); }), Writer([](Assembler& a) { a.shlx(rax, rbx, rdx); })}) {
    CHECK(repair_of(write) == FlagRepair::None);
  }
}

TEST_CASE("host_flags: members of a family are repaired alike") {
  const FlagRepair fixed = repair_of([](Assembler& a) { a.shl(eax, 5); });
  const bool shifts_differ = fixed != FlagRepair::None;
  CHECK(fixed == (shifts_differ ? FlagRepair::ClearAdjust : FlagRepair::None));
  CHECK(repair_of([](Assembler& a) { a.sar(r9, 3); }) == fixed);
  CHECK(repair_of([](Assembler& a) { a.shld(eax, ebx, 5); }) == fixed);
  const FlagRepair counted = shifts_differ ? FlagRepair::ClearAdjustUnlessZero : FlagRepair::None;
  CHECK(repair_of([](Assembler& a) { a.shr(eax, cl); }) == counted);
  CHECK(repair_of([](Assembler& a) { a.shrd(rax, rbx, cl); }) == counted);
  CHECK(repair_of([](Assembler& a) { a.mul(rbx); }) == repair_of([](Assembler& a) { a.imul(rax, rbx, 3); }));
  CHECK(repair_of([](Assembler& a) { a.div(rbx); }) == repair_of([](Assembler& a) { a.idiv(ebx); }));
  CHECK(repair_of([](Assembler& a) { a.bsf(rax, rbx); }) == repair_of([](Assembler& a) { a.bsr(eax, ebx); }));
  CHECK(repair_of([](Assembler& a) { a.tzcnt(rax, rbx); }) == repair_of([](Assembler& a) { a.lzcnt(eax, ebx); }));
}

TEST_CASE("host_flags: a shift by a constant that the mask makes 0 changes nothing to repair") {
  CHECK(repair_of([](Assembler& a) { a.shl(eax, 32); }) == FlagRepair::None);
  CHECK(repair_of([](Assembler& a) { a.shr(rax, 64); }) == FlagRepair::None);
  CHECK(repair_of([](Assembler& a) { a.shl(rax, 32); }) == repair_of([](Assembler& a) { a.shl(rax, 5); }));
}

}  // namespace
}  // namespace doppel::jit
