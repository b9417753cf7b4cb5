#pragma once

// Guest code for tests of the translator: written with asmjit, read by doppel's decoder.

#include <span>
#include <vector>

#include <asmjit/x86.h>

#include "cpu/base/check.h"
#include "cpu/decoder.h"
#include "jit/mode.h"
#include "tests/support/test_cpu.h"

namespace doppel::jit {

/// Bytes of what `write` emits, for 64-bit code at `origin`.
template <class Write>
std::vector<u8> code64(u64 origin, Write write, asmjit::Arch arch = asmjit::Arch::kX64) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(arch), origin);
  asmjit::x86::Assembler a(&holder);
  write(a);
  const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  DOPPEL_CHECK(!holder.hasUnresolvedLinks() && !holder.hasRelocEntries(), "a label of a test's program is not bound, or its address is wanted");
  return {buffer.data(), buffer.data() + buffer.size()};
}

/// The same for 32-bit code.
template <class Write>
std::vector<u8> code32(u64 origin, Write write) {
  return code64(origin, write, asmjit::Arch::kX86);
}

/// All of `bytes`, as instructions of this processor in its present mode.
inline std::vector<cpu::Instruction> decode_all(test::TestCpu& test, std::span<const u8> bytes) {
  const Mode mode = Mode::of(test.cpu);
  std::vector<cpu::Instruction> block;
  while (!bytes.empty()) {
    cpu::Instruction insn;
    const auto status = test.decoder.decode(mode.code_size(), test.state().real_or_v86(), bytes.data(),
                                            bytes.size(), insn);
    DOPPEL_CHECK(status == cpu::Decoder::Status::Ok && insn.length <= bytes.size(), "a test's code ends too early");
    block.push_back(insn);
    bytes = bytes.subspan(insn.length);
  }
  return block;
}

/// Lets SSE and AVX instructions run.
inline void allow_vectors(test::TestCpu& test) {
  test.state().cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
  test.state().xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX;
  test.state().x87.fcw = 0x37f;
  test.cpu.update_mode();
}

}  // namespace doppel::jit
