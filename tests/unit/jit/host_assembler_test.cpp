// What HostAssembler writes is read again and compared with what asmjit writes for the same operands.

#include "jit/host_assembler.h"

#include <string>
#include <vector>

#include <Zydis/Zydis.h>
#include <doctest/doctest.h>

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using asmjit::Imm;

constexpr u64 kBase = 0x10'0000;

/// The instructions that `write` makes `Writer` write, as text.
template <class Writer, class Write>
std::string text_of(Write write) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host(), kBase);
  std::vector<u8> room(64);
  asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  buffer._data = room.data();
  buffer._capacity = buffer._size = room.size();
  buffer._flags |= asmjit::CodeBufferFlags::kIsExternal | asmjit::CodeBufferFlags::kIsFixed;
  Writer writer;
  holder.attach(&writer);
  writer.setOffset(0);
  write(writer);
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::string text;
  for (size_t at = 0; at < writer.offset();) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, room.data() + at, writer.offset() - at, &insn, operands))) return text + "(no instruction)";
    char line[128];
    ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, line, sizeof line, kBase + at, nullptr);
    text += line;
    text += '\n';
    at += insn.length;
  }
  return text;
}

template <class Write>
void check(Write write) {
  const std::string wanted = text_of<Assembler>(write);
  REQUIRE_FALSE(wanted.empty());
  CHECK(text_of<HostAssembler>(write) == wanted);
}

/// With every pair of registers, and operands in memory of every shape.
template <class Use>
void with_memory(Use use) {
  for (u32 base = 0; base < 16; ++base) {
    for (const i32 displacement : {0, 1, -128, 127, 128, -129, 0x1234'5678}) {
      use(ptr(gpq(base), displacement), gpq(15 - base));
      for (u32 index = 0; index < 16; ++index) {
        if (index != Gp::kIdSp) use(ptr(gpq(base), gpq(index), index % 4, displacement), gpq(index));
      }
    }
  }
}

TEST_CASE("host assembler: loads, stores and addresses") {
  with_memory([](const Mem& memory, const Gpq& reg) {
    check([&](auto& a) { a.lea(reg, memory); });
    check([&](auto& a) { a.lea(reg.r32(), memory); });
    check([&](auto& a) { a.mov(reg, memory); });
    check([&](auto& a) { a.mov(reg.r32(), memory); });
    check([&](auto& a) { a.mov(memory, reg); });
    check([&](auto& a) { a.mov(memory, reg.r32()); });
    check([&](auto& a) { a.add(reg, memory); });
    check([&](auto& a) { a.pext(reg, r13, memory); });
    check([&](auto& a) { a.pext(reg.r32(), edx, memory); });
  });
}

TEST_CASE("host assembler: operands of other kinds go another way") {
  const Mem memory = ptr(rbx, rsi, 1, 5);
  check([&](auto& a) { a.mov(r9b, memory); });
  check([&](auto& a) { a.mov(memory, cx); });
  check([&](auto& a) { a.mov(memory, dl); });
  check([&](auto& a) { a.mov(r8w, cx); });
  check([&](auto& a) { a.mov(ah, 3); });
  check([&](auto& a) { a.mov(rax, ptr_abs(0x1000)); });
  check([&](auto& a) { a.lea(rax, ptr_abs(0x1000, rcx, 2)); });
  check([&](auto& a) { a.mov(byte_ptr(rdi, 7), 0x55); });
  check([&](auto& a) { a.mov(qword_ptr(r12), -1); });
  check([&](auto& a) { a.cmp(cl, 5); });
  Mem far = ptr(rdi, 8);
  far.setSegment(fs);
  check([&](auto& a) { a.mov(rax, far); });
}

TEST_CASE("host assembler: registers") {
  for (u32 to = 0; to < 16; ++to) {
    for (u32 from = 0; from < 16; ++from) {
      check([&](auto& a) { a.mov(gpq(to), gpq(from)); });
      check([&](auto& a) { a.mov(gpd(to), gpd(from)); });
      check([&](auto& a) { a.shrx(gpq(to), gpq(from), gpq(from ^ 5)); });
      check([&](auto& a) { a.shrx(gpd(to), gpd(from), gpd(to ^ 9)); });
    }
  }
}

TEST_CASE("host assembler: constants") {
  for (u32 reg = 0; reg < 16; ++reg) {
    for (const i64 value : {i64{0}, i64{1}, i64{-1}, i64{127}, i64{-128}, i64{128}, i64{0x7fff'ffff}, -i64{0x8000'0000}}) {
      CAPTURE(value);
      check([&](auto& a) { a.mov(gpq(reg), value); });
      check([&](auto& a) { a.mov(gpd(reg), value); });
      check([&](auto& a) { a.sub(gpq(reg), value); });
      check([&](auto& a) { a.cmp(gpq(reg), value); });
      check([&](auto& a) { a.cmp(gpd(reg), value); });
      check([&](auto& a) { a.mov(dword_ptr(gpq(reg), 64), value); });
    }
    check([&](auto& a) { a.mov(gpq(reg), i64{0x1234'5678'9abc'def0}); });
    check([&](auto& a) { a.mov(gpq(reg), i64{0x8000'0000}); });
  }
}

TEST_CASE("host assembler: far jumps and calls, bytes as they are") {
  for (const u64 target : {kBase, kBase + 0x4000, kBase - 0x4000}) {
    const auto with_asmjit = [&](auto& a) {
      a.ret();
      a.long_().jmp(target);
      a.long_().call(target);
    };
    const std::string wanted = text_of<Assembler>(with_asmjit);
    CHECK(text_of<HostAssembler>([&](HostAssembler& a) {
            a.ret();
            a.jump_far(kBase, target);
            a.call_far(kBase, target);
          }) == wanted);
  }
  const u8 bytes[] = {0x0f, 0x1f, 0x00};
  CHECK(text_of<HostAssembler>([&](HostAssembler& a) { a.put_bytes(bytes, sizeof bytes); }) == "nop [rax], eax\n");
}

}  // namespace
}  // namespace doppel::jit
