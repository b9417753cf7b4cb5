// Random programs: equal on both engines, and their host code passes the verifier.

#include "tests/unit/jit/guest_encodings.h"
#include "tests/unit/jit/twins.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kCode = TestCpu::kCode;
constexpr u64 kHandler = 0x20000;
constexpr u64 kCounter = 0x300000;

/// Writes programs that end. RDX and RBX point at memory (RDX sometimes does not), RSP at the stack.
class ProgramWriter {
 public:
  ProgramWriter(Assembler& a, Random& random) : a_(a), random_(random) {}

  void write() {
    const asmjit::Label top = a_.newLabel();
    function_ = a_.newLabel();
    a_.bind(top);
    for (u64 i = 3 + below(45); i > 0; --i) one();
    a_.mov(r14, ptr(rip, 0));
    a_.mov(r15d, static_cast<u32>(kCounter));
    a_.dec(dword_ptr(r15));
    a_.jnz(top);
    a_.hlt();
    in_function_ = true;  // It calls nobody.
    a_.bind(function_);
    for (u64 i = below(4); i > 0; --i) one();
    a_.ret();
  }

 private:
  u64 below(u64 end) { return random_() % end; }
  Gpq any() {
    // Not RSP, nor the bases.
    static constexpr u8 kRegisters[] = {0, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return gpq(kRegisters[below(std::size(kRegisters))]);
  }
  Gp sized(const Gpq& reg, u64 size) {
    switch (size) {
      case 0: return reg.r8();
      case 1: return reg.r16();
      case 2: return reg.r32();
      default: return reg;
    }
  }
  Mem memory(u32 bytes = 0) {
    const Gpq base = below(2) == 0 ? rdx : rbx;
    // Around the end of a page, now and then.
    const i32 offset = below(8) == 0 ? static_cast<i32>(0xff0 + below(16)) : static_cast<i32>(below(200)) - 40;
    return Mem(base, offset, bytes);
  }
  void one() {
    const u64 size = below(4);
    const Gp x = sized(any(), size), y = sized(any(), size);
    static constexpr asmjit::InstId kTwo[] = {Inst::kIdAdd, Inst::kIdAdc, Inst::kIdSub, Inst::kIdSbb, Inst::kIdAnd,
                                              Inst::kIdOr,  Inst::kIdXor, Inst::kIdCmp, Inst::kIdMov};
    static constexpr asmjit::InstId kShifts[] = {Inst::kIdShl, Inst::kIdShr, Inst::kIdSar, Inst::kIdRol, Inst::kIdRor};
    static constexpr asmjit::InstId kOne[] = {Inst::kIdInc, Inst::kIdDec, Inst::kIdNeg, Inst::kIdNot};
    static constexpr asmjit::InstId kSse[] = {Inst::kIdPaddd, Inst::kIdPxor, Inst::kIdAddps, Inst::kIdMulpd, Inst::kIdPshufb};
    const auto pick = [&](const auto& list) { return list[below(std::size(list))]; };
    switch (below(26)) {
      case 0: case 1: case 2: a_.emit(pick(kTwo), x, y); break;
      case 3: a_.emit(pick(kTwo), x, asmjit::imm(static_cast<i8>(random_()))); break;
      case 4: case 5: case 6: a_.emit(pick(kTwo), x, memory()); break;
      case 7: case 8: a_.emit(pick(kTwo), memory(), x); break;
      case 9: a_.emit(pick(kShifts), x, asmjit::imm(below(33))); break;
      case 10: a_.emit(pick(kShifts), x, cl); break;
      case 11: a_.emit(pick(kOne), x); break;
      case 12: a_.emit(pick(kOne), memory(1u << size)); break;
      case 13: a_.imul(any(), any()); break;
      case 14: a_.mul(any()); a_.mov(edx, 0x200800); break;
      case 15: a_.push(any()); a_.inc(any()); a_.pop(any()); break;
      case 16: a_.push(qword_ptr(rbx, static_cast<i32>(below(64)))); a_.pop(memory(8)); break;
      case 17: a_.setz(any().r8()); a_.cmovb(any(), any()); break;
      case 18: a_.lea(any(), ptr(rbx, any(), static_cast<u32>(below(4)), static_cast<i32>(below(100)))); break;
      case 19: a_.xchg(any(), any()); a_.movzx(any().r32(), any().r8()); a_.movsx(any(), any().r16()); break;
      case 20: a_.bsf(any(), any()); a_.tzcnt(any().r32(), any().r32()); a_.popcnt(any(), any()); break;
      case 21: a_.emit(pick(kSse), xmm(static_cast<u32>(below(4))), xmm(static_cast<u32>(below(16)))); break;
      case 22: a_.movups(xmm(static_cast<u32>(below(4))), memory(16)); a_.movd(memory(4), xmm1); break;
      case 23: {
        const asmjit::Label over = a_.newLabel();
        a_.emit(below(2) == 0 ? Inst::kIdJz : Inst::kIdJc, over);
        a_.add(any(), 3);
        a_.bind(over);
        break;
      }
      case 24:
        if (!in_function_ && below(2) == 0) a_.call(function_);
        break;
      case 25:
        if (below(3) == 0) a_.mov(edx, 0x900000);  // Nothing is there: the handler leads RDX back.
        break;
    }
  }

  Assembler& a_;
  Random& random_;
  asmjit::Label function_;
  bool in_function_ = false;
};

void randomise(TestCpu& test, u64 seed) {
  Random random(seed);
  cpu::CpuState& s = test.state();
  for (unsigned i = 0; i < 16; ++i) {
    if (i == RSP) continue;
    s.gpr[i] = random() >> (random() % 64);
  }
  s.gpr[RDX] = 0x200800;
  s.gpr[RBX] = 0x201000;
  s.flags.set(random());
  for (auto& reg : s.ymm) {
    for (unsigned i = 0; i < 16; ++i) reg[i] = static_cast<u8>(random());
  }
}

TEST_CASE("translator: random programs with faults end as they do on the interpreter") {
  u64 entries = 0, retired = 0, ends = 0;
  for (u64 seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Twins twins;
    Random random(seed);
    twins.put(kCode, code64(kCode, [&](Assembler& a) { ProgramWriter(a, random).write(); }));
    twins.put(kHandler, code64(kHandler, [](Assembler& a) {
      a.mov(edx, 0x200800);
      a.xor_(r14, ptr(rsp, 24));
      a.add(rsp, 8);
      a.iretq();
    }));
    twins.both([&](TestCpu& test) {
      test.enter_long();
      allow_vectors(test);
      test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
      test.poke<u32>(kCounter, 200);
      randomise(test, seed);
    });
    for (unsigned stretch = 0; stretch < 40; ++stretch) {
      CAPTURE(stretch);
      const ExitReason reason = twins.run(100 + random() % 700);
      CHECK_SAME(twins);
      if (reason != ExitReason::BudgetSpent) break;
    }
    entries += twins.statistics().entries;
    retired += twins.subject.test.state().retired;
    ends += twins.subject.test.state().halted ? 1 : 0;
  }
  CHECK(entries > 1000);
  CHECK(retired > 300'000);
  CHECK(ends > 20);
}

TEST_CASE("translator: random forms in any order pass the verifier and change what they should") {
  const std::vector<differential::Form>& forms = identical_forms();
  u64 retired = 0;
  Twins twins;
  for (u64 seed = 1; seed <= 250; ++seed) {
    CAPTURE(seed);
    Random random(seed * 977);
    std::vector<u8> program;
    std::vector<u64> starts;
    const u64 length = 1 + random() % 30;
    for (u64 i = 0; i < length;) {
      const std::array<u8, 15> bytes = make_guest_bytes(forms[random() % forms.size()], random);
      cpu::Instruction insn;
      if (!decode_identical(cpu::CodeSize::Bits64, bytes, insn)) continue;
      starts.push_back(kCode + program.size());
      program.insert(program.end(), bytes.begin(), bytes.begin() + insn.length);
      ++i;
    }
    program.push_back(0xf4);
    twins.put(kCode, program);
    // Faults end a run, for there are no handlers: so it begins at every instruction once.
    for (const u64 start : starts) {
      CAPTURE(start);
      std::array<u64, 16> registers;  // Most addresses lead to memory.
      for (u64& one : registers) one = 0x200000 + (random() & 0xff0);
      twins.both([&](TestCpu& test) {
        test.cpu.reset();
        test.enter_long();
        allow_vectors(test);
        randomise(test, seed);
        std::copy(registers.begin(), registers.end(), test.state().gpr);
        test.state().rip() = start;
      });
      const u64 before = twins.subject.test.state().retired;
      twins.run(200);
      CHECK_SAME(twins);
      retired += twins.subject.test.state().retired - before;
    }
  }
  CHECK(twins.statistics().blocks > 2500);
  CHECK(twins.statistics().entries > 2500);
  CHECK(retired > 10'000);
}

}  // namespace
}  // namespace doppel::jit
