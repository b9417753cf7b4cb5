#include "jit/reencode.h"

#include <initializer_list>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/jit/encoding_check.h"
#include "tests/unit/jit/guest_encodings.h"

namespace doppel::jit {
namespace {

using cpu::CodeSize;
using cpu::Decoder;
using cpu::Instruction;
using cpu::OperandKind;
using differential::Form;

Instruction insn_of(CodeSize size, std::initializer_list<u8> code) {
  std::array<u8, 15> bytes{};
  std::copy(code.begin(), code.end(), bytes.begin());
  Instruction insn;
  REQUIRE(decode_identical(size, bytes, insn));
  REQUIRE(insn.length == code.size());
  return insn;
}

std::vector<u8> encode(const Instruction& insn, const Substitution& with) {
  u8 out[kMaxHostInstruction];
  const size_t size = reencode(insn, with, out);
  return {out, out + size};
}

/// The translator's usual places.
Substitution usual_places(Random& random) {
  Substitution with = identity();
  with.registers[RSP] = 12;
  with.registers[R12] = 10;
  with.registers[R13] = 11;
  with.registers[RCX] = 14;
  with.registers[R10] = 1;
  with.registers[R11] = 4;
  with.registers[R14] = 13;
  with.memory = make_memory(random);
  return with;
}

/// Encodes and compares; a sentence if something is wrong. `encoded` becomes true on success.
std::string try_one(CodeSize size, const Instruction& insn, const Substitution& with, bool must,
                    bool& encoded) {
  u8 out[kMaxHostInstruction + 17];
  std::fill(std::begin(out), std::end(out), u8{0xcc});
  const size_t length = reencode(insn, with, out);
  const std::span<const u8> guest(insn.bytes, insn.length);
  if (length == 0) {
    return must && !may_be_refused(insn, with) ? "refused: " + bytes_text(guest) : std::string();
  }
  encoded = true;
  const std::string difference = compare_encodings(size, insn, with, {out, length});
  if (difference.empty()) return {};
  return bytes_text(guest) + "became " + bytes_text({out, length}) + ": " + difference;
}

/// Every form in several encodings; returns the forms that were never encoded.
template <typename Choose>
std::set<std::string> try_all_forms(u64 seed, unsigned rounds, const Choose& choose) {
  Random random(seed);
  std::set<std::string> never;
  unsigned failures = 0;
  for (const Form& form : identical_forms()) {
    bool decoded = false;
    bool encoded = false;
    std::string first_failure;
    for (unsigned round = 0; round < rounds; ++round) {
      Instruction insn;
      if (!decode_identical(form.size, make_guest_bytes(form, random), insn)) continue;
      decoded = true;
      const Substitution with = choose(random);
      const std::string failure = try_one(form.size, insn, with, true, encoded);
      if (first_failure.empty()) first_failure = failure;
    }
    if (!first_failure.empty() && ++failures <= 20) FAIL_CHECK(form.text << ": " << first_failure);
    if (decoded && !encoded) never.insert(form.text);
  }
  CHECK(failures == 0);
  return never;
}

TEST_CASE("reencode: every identical instruction survives with its own registers") {
  const std::set<std::string> never = try_all_forms(1, 24, [](Random& random) {
    Substitution with = identity();
    with.memory = make_memory(random);
    return with;
  });
  // What may_be_refused knows, form by form.
  for (const std::string& form : never) {
    const bool is_known =
        form.find("sreg") != std::string::npos || form.find(" cr") != std::string::npos ||
        form.find(" dr") != std::string::npos || form.find("movsd (") != std::string::npos ||
        form.find("cmpsd (") != std::string::npos || form.find("bswap r16") != std::string::npos ||
        form.find("movsxd r16") != std::string::npos ||
        (form.find(" bt") != std::string::npos && form.find(", r") != std::string::npos);
    CHECK_MESSAGE(is_known, form << " was never encoded");
  }
}

TEST_CASE("reencode: every identical instruction takes the translator's registers") {
  try_all_forms(2, 16, usual_places);
}

TEST_CASE("reencode: every identical instruction takes any registers and memory") {
  try_all_forms(3, 32, make_substitution);
}

TEST_CASE("reencode: a register operand moves to memory or the instruction is refused") {
  Random random(4);
  unsigned failures = 0;
  unsigned moved = 0;
  for (const Form& form : identical_forms()) {
    for (unsigned round = 0; round < 12; ++round) {
      Instruction insn;
      if (form.memory || !decode_identical(form.size, make_guest_bytes(form, random), insn))
        continue;
      for (u8 i = 0; i < 4; ++i) {
        if (insn.operand[i].kind != OperandKind::Gpr) continue;
        Substitution with = make_substitution(random);
        with.operand_in_memory = i;
        bool encoded = false;
        const std::string failure = try_one(form.size, insn, with, false, encoded);
        if (encoded) ++moved;
        if (!failure.empty() && ++failures < 20) FAIL_CHECK(form.text << ": " << failure);
      }
    }
  }
  CHECK(failures == 0);
  CHECK(moved > 5000);
}

using Bytes = std::vector<u8>;

Substitution in_memory(u8 operand) {
  Substitution with = identity();
  with.memory = {.base = 15, .displacement = -4};
  with.operand_in_memory = operand;
  return with;
}

TEST_CASE("reencode: a register in ModRM.reg moves through the direction twin") {
  // add eax, ecx: 01 C8 has eax in rm, 03 C1 has it in reg.
  CHECK(encode(insn_of(CodeSize::Bits32, {0x01, 0xc8}), in_memory(0)) ==
        Bytes{0x41, 0x01, 0x4f, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x01, 0xc8}), in_memory(1)) ==
        Bytes{0x41, 0x03, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x03, 0xc1}), in_memory(0)) ==
        Bytes{0x41, 0x01, 0x4f, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x89, 0xc8}), in_memory(1)) ==
        Bytes{0x41, 0x8b, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x8a, 0xc8}), in_memory(0)) ==
        Bytes{0x41, 0x88, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x85, 0xc8}), in_memory(1)) ==
        Bytes{0x41, 0x85, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x87, 0xc8}), in_memory(1)) ==
        Bytes{0x41, 0x87, 0x47, 0xfc});
  // imul eax, ecx and xadd eax, ecx have no twin.
  CHECK(encode(insn_of(CodeSize::Bits32, {0x0f, 0xaf, 0xc1}), in_memory(0)).empty());
  CHECK(encode(insn_of(CodeSize::Bits32, {0x0f, 0xc1, 0xc8}), in_memory(1)).empty());
}

TEST_CASE("reencode: a register in the opcode moves through the general form") {
  CHECK(encode(insn_of(CodeSize::Bits32, {0x41}), in_memory(0)) == Bytes{0x41, 0xff, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits16, {0x49}), in_memory(0)) ==
        Bytes{0x66, 0x41, 0xff, 0x4f, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0xb9, 1, 2, 3, 4}), in_memory(0)) ==
        Bytes{0x41, 0xc7, 0x47, 0xfc, 1, 2, 3, 4});
  CHECK(encode(insn_of(CodeSize::Bits64, {0x48, 0xb9, 1, 2, 3, 0x84, 0xff, 0xff, 0xff, 0xff}),
               in_memory(0)) == Bytes{0x49, 0xc7, 0x47, 0xfc, 1, 2, 3, 0x84});
  CHECK(encode(insn_of(CodeSize::Bits64, {0x48, 0xb9, 1, 2, 3, 0x84, 0, 0, 0, 0}), in_memory(0))
            .empty());
  CHECK(encode(insn_of(CodeSize::Bits32, {0x91}), in_memory(0)) == Bytes{0x41, 0x87, 0x47, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x91}), in_memory(1)) == Bytes{0x41, 0x87, 0x4f, 0xfc});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x0f, 0xc9}), in_memory(0)).empty());
}

TEST_CASE("reencode: bit tests with a register index do not move to memory") {
  CHECK(encode(insn_of(CodeSize::Bits32, {0x0f, 0xa3, 0xc1}), in_memory(0)).empty());
  CHECK(encode(insn_of(CodeSize::Bits32, {0x0f, 0xba, 0xe1, 5}), in_memory(0)) ==
        Bytes{0x41, 0x0f, 0xba, 0x67, 0xfc, 5});
}

TEST_CASE("reencode: an extraction that would write fewer bytes does not move to memory") {
  CHECK(encode(insn_of(CodeSize::Bits32, {0x66, 0x0f, 0x3a, 0x14, 0xc1, 3}), in_memory(0)).empty());
  CHECK_FALSE(
      encode(insn_of(CodeSize::Bits32, {0x66, 0x0f, 0x3a, 0x16, 0xc1, 3}), in_memory(0)).empty());
}

TEST_CASE("reencode: a high byte is refused beside anything that needs REX") {
  Substitution with = identity();
  const Instruction high = insn_of(CodeSize::Bits32, {0x88, 0xe1});  // mov cl, ah
  CHECK(encode(high, with) == Bytes{0x88, 0xe1});
  with.registers[RCX] = 9;
  CHECK(encode(high, with).empty());
  with.registers[RCX] = 6;
  CHECK(encode(high, with).empty());
  with = identity();
  with.registers[RAX] = 2;
  CHECK(encode(high, with).empty());
  with = identity();
  const Instruction store = insn_of(CodeSize::Bits32, {0x88, 0x23});  // mov [ebx], ah
  CHECK(encode(store, with) == Bytes{0x88, 0x26});
  with.memory.base = 13;
  CHECK(encode(store, with).empty());
}

TEST_CASE("reencode: short forms are kept where their register is") {
  Substitution with = identity();
  CHECK(encode(insn_of(CodeSize::Bits16, {0x05, 1, 2}), with) == Bytes{0x66, 0x05, 1, 2});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x43}), with) == Bytes{0xff, 0xc3});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x90 + RBX}), with) == Bytes{0x87, 0xc3});
  with.registers[RAX] = 9;
  CHECK(encode(insn_of(CodeSize::Bits16, {0x05, 1, 2}), with) ==
        Bytes{0x66, 0x41, 0x81, 0xc1, 1, 2});
  CHECK(encode(insn_of(CodeSize::Bits32, {0xa8, 7}), with) == Bytes{0x41, 0xf6, 0xc1, 7});
  CHECK(encode(insn_of(CodeSize::Bits32, {0xa1, 1, 2, 3, 4}), with) == Bytes{0x44, 0x8b, 0x0e});
}

TEST_CASE("reencode: 90 with R8 is an exchange even behind F3") {
  CHECK(encode(insn_of(CodeSize::Bits64, {0xf3, 0x49, 0x90}), identity()) ==
        Bytes{0x49, 0x87, 0xc0});
}

TEST_CASE("reencode: LOCK stays with memory and useless prefixes go") {
  const Substitution with = identity();
  CHECK(encode(insn_of(CodeSize::Bits32, {0x65, 0xf0, 0x01, 0x0b}), with) ==
        Bytes{0xf0, 0x01, 0x0e});
  CHECK(encode(insn_of(CodeSize::Bits32, {0xf2, 0x67, 0x01, 0xcb}), with) == Bytes{0x01, 0xcb});
  CHECK(encode(insn_of(CodeSize::Bits16, {0x66, 0x0f, 0x6e, 0xc1}), with) ==
        Bytes{0x66, 0x0f, 0x6e, 0xc1});
  CHECK(encode(insn_of(CodeSize::Bits32, {0x66, 0xf2, 0x0f, 0x58, 0xc1}), with) ==
        Bytes{0xf2, 0x0f, 0x58, 0xc1});
}

TEST_CASE("reencode: bit scans keep the meaning the model gives them") {
  const Decoder old(*cpu::CpuModel::parse("x86-64-v1"));
  const u8 bytes[15] = {0xf3, 0x0f, 0xbc, 0xc1};
  Instruction insn;
  REQUIRE(old.decode(CodeSize::Bits64, false, bytes, sizeof bytes, insn) == Decoder::Status::Ok);
  CHECK(encode(insn, identity()) == Bytes{0x0f, 0xbc, 0xc1});
  CHECK(encode(insn_of(CodeSize::Bits64, {0xf3, 0x0f, 0xbc, 0xc1}), identity()) ==
        Bytes{0xf3, 0x0f, 0xbc, 0xc1});
}

TEST_CASE("reencode: what is not identical, and memory without a base, is refused") {
  const u8 push[15] = {0x50};
  Instruction insn;
  REQUIRE(decoder_of_everything().decode(CodeSize::Bits64, false, push, sizeof push, insn) ==
          Decoder::Status::Ok);
  CHECK(encode(insn, identity()).empty());
  Substitution with = identity();
  with.memory.base = HostMemory::kNone;
  CHECK(encode(insn_of(CodeSize::Bits32, {0x01, 0x0b}), with).empty());
  with.memory = {.base = 0, .index = 4};
  CHECK(encode(insn_of(CodeSize::Bits32, {0x01, 0x0b}), with).empty());
}

}  // namespace
}  // namespace doppel::jit
