#include "cpu/decoder.h"

#include <cstring>
#include <random>

#include <doctest/doctest.h>

namespace doppel::cpu {
namespace {

CpuModel model(std::string_view text) {
  Result<CpuModel, Error> result = CpuModel::parse(text);
  REQUIRE(result.ok());
  return result.take();
}

bool is_same(const Operand& a, const Operand& b) {
  return a.kind == b.kind && a.reg == b.reg && a.bytes == b.bytes && a.field == b.field;
}

bool is_same(const Instruction& a, const Instruction& b) {
  for (unsigned i = 0; i < 4; ++i) {
    if (!is_same(a.operand[i], b.operand[i])) return false;
  }
  return a.handler == b.handler && a.immediate == b.immediate && a.displacement == b.displacement &&
         a.address_mask == b.address_mask && a.mnemonic == b.mnemonic && a.immediate2 == b.immediate2 &&
         a.length == b.length && a.width == b.width && a.prefixes == b.prefixes &&
         a.stack_width == b.stack_width && a.base == b.base && a.index == b.index && a.scale == b.scale &&
         a.segment == b.segment && std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0 &&
         a.opcode_offset == b.opcode_offset && a.modrm_offset == b.modrm_offset &&
         a.ends_block == b.ends_block && a.memory_access == b.memory_access &&
         a.flags_read == b.flags_read && a.flags_written == b.flags_written &&
         a.flags_touched == b.flags_touched && a.flags_undefined == b.flags_undefined && a.thunk == b.thunk;
}

struct Mode {
  CodeSize size;
  bool real;
};

// What stands behind the head of an instruction varies, the head itself comes again.
TEST_CASE("decoder: what it remembers is what it would decode") {
  const Decoder decoder(model("max"));
  std::mt19937_64 random(20240);
  u8 bytes[24];
  u64 differences = 0;
  for (const Mode mode : {Mode{CodeSize::Bits16, true}, Mode{CodeSize::Bits16, false}, Mode{CodeSize::Bits32, false},
                          Mode{CodeSize::Bits32, true}, Mode{CodeSize::Bits64, false}}) {
    for (unsigned i = 0; i < 40'000; ++i) {
      constexpr u8 kFirst[] = {0x66, 0x67, 0xf2, 0xf3, 0x48, 0x41, 0x0f, 0xc5, 0xc4, 0x64, 0x0f, 0x26};
      for (u8& byte : bytes) byte = static_cast<u8>(random());
      const unsigned prefixes = random() % 3;
      for (unsigned n = 0; n < prefixes; ++n) bytes[n] = kFirst[random() % std::size(kFirst)];
      const unsigned kept = 1 + random() % 8;
      for (unsigned again = 0; again < 6; ++again) {
        for (unsigned n = kept; n < sizeof bytes; ++n) bytes[n] = static_cast<u8>(random());
        Instruction remembered, anew;
        const auto status = decoder.decode(mode.size, mode.real, bytes, sizeof bytes, remembered);
        CHECK(status == decoder.decode_anew(mode.size, mode.real, bytes, sizeof bytes, anew));
        if (!is_same(remembered, anew)) ++differences;
      }
    }
  }
  CHECK(differences == 0);
}

TEST_CASE("decoder: a remembered instruction whose bytes end too early needs more of them") {
  const Decoder decoder(model("max"));
  const u8 bytes[24] = {0x05, 1, 2, 3, 4};
  Instruction insn;
  CHECK(decoder.decode(CodeSize::Bits32, false, bytes, sizeof bytes, insn) == Decoder::Status::Ok);
  CHECK(decoder.decode(CodeSize::Bits32, false, bytes, 4, insn) == Decoder::Status::NeedMore);
}

}  // namespace
}  // namespace doppel::cpu
