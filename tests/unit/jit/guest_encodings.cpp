#include "tests/unit/jit/guest_encodings.h"

#include <algorithm>
#include <numeric>

#include "cpu/instruction_table.h"

namespace doppel::jit {

using cpu::CodeSize;
using differential::Form;
using differential::OpcodeMap;
using differential::OpcodePrefix;

namespace {

bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

/// Appends bytes; what does not fit is lost, and then the encoding is too long anyway.
struct Bytes {
  std::array<u8, 15> data{};
  size_t size = 0;
  void put(unsigned byte) {
    if (size < data.size()) data[size++] = static_cast<u8>(byte);
  }
};

void put_useless_prefixes(Bytes& bytes, Random& random) {
  static constexpr u8 kPrefixes[] = {0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
                                     0x67, 0xf2, 0xf3, 0x66, 0xf0};
  while (chance(random, 25)) bytes.put(kPrefixes[random() % std::size(kPrefixes)]);
}

void put_legacy_opcode(Bytes& bytes, const Form& form, Random& random) {
  static constexpr u8 kPrefixBytes[] = {0, 0x66, 0xf3, 0xf2};
  put_useless_prefixes(bytes, random);
  if (form.prefix != OpcodePrefix::None)
    bytes.put(kPrefixBytes[static_cast<unsigned>(form.prefix)]);
  if (form.size == CodeSize::Bits64 && (form.w || chance(random, 50))) {
    bytes.put(0x40 | (form.w ? 8 : 0) | random() % 8);
  }
  if (form.map != OpcodeMap::OneByte) bytes.put(0x0f);
  if (form.map == OpcodeMap::Map0F38) bytes.put(0x38);
  if (form.map == OpcodeMap::Map0F3A) bytes.put(0x3a);
}

void put_vex_opcode(Bytes& bytes, const Form& form, Random& random) {
  if (chance(random, 10)) bytes.put(0x65);
  // Outside 64-bit code R and X of zero would make it LES or LDS.
  const bool is_64 = form.size == CodeSize::Bits64;
  const unsigned rxb = is_64 ? random() % 8 : 6 | random() % 2;
  // Half of the instructions demand 1111.
  const unsigned vvvv = chance(random, 50) ? 15 : is_64 ? random() % 16 : 8 | random() % 8;
  const unsigned last = vvvv << 3 | (form.l ? 4 : 0) | static_cast<unsigned>(form.prefix);
  if (form.map == OpcodeMap::Map0F && !form.w && chance(random, 30)) {
    bytes.put(0xc5);
    bytes.put((is_64 && (rxb & 4) == 0 ? 0 : 0x80) | (is_64 ? last : last | 0x40));
    return;
  }
  bytes.put(0xc4);
  bytes.put(rxb << 5 | static_cast<unsigned>(form.map));
  bytes.put((form.w ? 0x80 : 0) | last);
}

bool is_identical(u16 mnemonic) {
  return cpu::instruction_row(mnemonic).translation == cpu::Translation::identical;
}

}  // namespace

const cpu::Decoder& decoder_of_everything() {
  static const cpu::Decoder decoder(*cpu::CpuModel::parse("max"));
  return decoder;
}

const std::vector<Form>& identical_forms() {
  static const std::vector<Form> forms = [] {
    std::vector<Form> all = differential::enumerate_forms();
    std::erase_if(all, [](const Form& form) { return !is_identical(form.mnemonic); });
    return all;
  }();
  return forms;
}

bool decode_identical(CodeSize size, const std::array<u8, 15>& bytes, cpu::Instruction& insn) {
  return decoder_of_everything().decode(size, false, bytes.data(), bytes.size(), insn) ==
             cpu::Decoder::Status::Ok &&
         insn.handler != cpu::interpret_invalid && insn.handler != cpu::interpret_too_long &&
         is_identical(insn.mnemonic);
}

std::array<u8, 15> make_guest_bytes(const Form& form, Random& random) {
  Bytes bytes;
  if (form.vex) {
    put_vex_opcode(bytes, form, random);
  } else {
    put_legacy_opcode(bytes, form, random);
  }
  bytes.put(form.opcode | (form.register_in_opcode ? random() % 8 : 0));
  if (form.has_modrm) {
    const unsigned mod = form.memory ? random() % 3 : 3;
    const u64 reg = form.fixed_reg >= 0 ? static_cast<u64>(form.fixed_reg) : random() % 8;
    const u64 rm = form.fixed_rm >= 0 ? static_cast<u64>(form.fixed_rm) : random() % 8;
    bytes.put(static_cast<unsigned>(mod << 6 | reg << 3 | rm));
  }
  while (bytes.size < bytes.data.size()) bytes.put(static_cast<unsigned>(random()));
  return bytes.data;
}

HostMemory make_memory(Random& random) {
  HostMemory memory;
  memory.base = static_cast<u8>(random() % 16);
  if (chance(random, 50)) {
    do {
      memory.index = static_cast<u8>(random() % 16);
    } while (memory.index == 4);
    memory.scale = static_cast<u8>(random() % 4);
  }
  switch (random() % 4) {
    case 0:
      break;
    case 1:
      memory.displacement = static_cast<i8>(random());
      break;
    case 2:
      memory.displacement = static_cast<i32>(random());
      break;
    case 3:
      memory.displacement = chance(random, 50) ? 128 : -129;
      break;
  }
  return memory;
}

Substitution make_substitution(Random& random) {
  Substitution with;
  std::iota(std::begin(with.registers), std::end(with.registers), u8{0});
  std::shuffle(std::begin(with.registers), std::end(with.registers), random);
  with.memory = make_memory(random);
  return with;
}

Substitution identity() {
  Substitution with;
  std::iota(std::begin(with.registers), std::end(with.registers), u8{0});
  with.memory.base = 6;
  return with;
}

}  // namespace doppel::jit
