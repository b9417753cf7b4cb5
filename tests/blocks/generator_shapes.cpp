// Patterns of ordinary code: branches, loops, calls, strings, and code that changes itself.

#include <cstring>

#include "tests/blocks/generator.h"

namespace doppel::blocks {

using differential::Decoded;
using differential::Form;

void BlockGenerator::add(std::initializer_list<u64> bytes, std::vector<Fixup> fixups) {
  Item item;
  item.id = next_id_[section_]++;
  item.section = section_;
  for (u64 byte : bytes) item.bytes.push_back(static_cast<u8>(byte));
  item.fixups = std::move(fixups);
  block_.items.push_back(std::move(item));
}

void BlockGenerator::instruction() {
  for (int attempt = 0; attempt < 50; ++attempt) {
    const Form* form = random_form();
    std::vector<u8> bytes;
    Decoded decoded;
    if (!assembler_.encode(*form, roles_, bytes, decoded)) continue;
    Item item;
    item.id = next_id_[section_]++;
    item.section = section_;
    item.bytes = std::move(bytes);
    if (assembler_.fixup().kind != Fixup::Kind::None) item.fixups.push_back(assembler_.fixup());
    block_.items.push_back(std::move(item));
    for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
      const ZydisElementType type = decoded.operands[i].element_type;
      if (type == ZYDIS_ELEMENT_TYPE_FLOAT32 || type == ZYDIS_ELEMENT_TYPE_FLOAT64 || type == ZYDIS_ELEMENT_TYPE_FLOAT80) {
        used_.push_back(form);
        break;
      }
    }
    return;
  }
}

/// Bytes that nobody meant as instructions.
void BlockGenerator::noise() {
  Item item;
  item.id = next_id_[section_]++;
  item.section = section_;
  for (u64 n = 1 + random_.below(6); n > 0; --n) item.bytes.push_back(static_cast<u8>(random_.next()));
  block_.items.push_back(std::move(item));
}

void BlockGenerator::short_branch(u8 opcode, int target) {
  add({opcode, 0}, {{Fixup::Kind::Relative, 1, 1, 0, false, target, 0}});
}

void BlockGenerator::near_branch(std::initializer_list<u64> opcode, int target) {
  Item item;
  item.id = next_id_[section_]++;
  item.section = section_;
  if (roles_.wide) item.bytes.push_back(0x66);
  for (u64 byte : opcode) item.bytes.push_back(static_cast<u8>(byte));
  const u8 bytes = bits16() && !roles_.wide ? 2 : 4;
  item.fixups.push_back({Fixup::Kind::Relative, static_cast<u8>(item.bytes.size()), bytes, 0, false, target, 0});
  item.bytes.resize(item.bytes.size() + bytes);
  block_.items.push_back(std::move(item));
}

/// As wide as the calls are, mostly.
void BlockGenerator::ret() {
  if (bits16() && roles_.wide != random_.one_in(16)) add({0x66, 0xc3});
  else add({0xc3});
}

/// An instruction of two registers, as wide as addresses are.
void BlockGenerator::on_registers(u64 opcode, u8 reg, u8 rm) {
  const u64 mod_rm = u64{0xc0} | (reg & 7) << 3 | (rm & 7);
  if (bits64()) add({u64{0x48} | (reg >> 3) << 2 | (rm >> 3), opcode, mod_rm});
  else add({opcode, mod_rm});
}

/// MOV to, [from + a little]
void BlockGenerator::load(u8 to, u8 from) {
  const u64 mod_rm = u64{0x40} | (to & 7) << 3 | (from & 7);
  const u64 displacement = random_.below(64);
  const u64 rex = u64{0x48} | (to >> 3) << 2 | (from >> 3);
  constexpr u64 kNoIndex = 0x24;
  if (!bits64()) add({0x8b, mod_rm, displacement});
  else if ((from & 7) == RSP) add({rex, 0x8b, mod_rm, kNoIndex, displacement});
  else add({rex, 0x8b, mod_rm, displacement});
}

/// A comparison whose operand a load overwrites, and then an access that may fault: who wants its flags then cannot
/// compute them again. Behind it nobody wants them.
void BlockGenerator::overwritten_operand() {
  if (bits16()) return instruction();
  constexpr u64 kCompare = 0x39, kTest = 0x85;
  const u8 overwritten = free_register(), other = free_register();
  on_registers(random_.one_in(2) ? kCompare : kTest, random_.one_in(2) ? other : overwritten, overwritten);
  if (random_.one_in(4)) instruction();
  load(overwritten, pick(roles_.pointers));
  if (random_.one_in(4)) instruction();
  load(other, random_.one_in(2) ? overwritten : pick(roles_.pointers));
  on_registers(kTest, other, other);
}

void BlockGenerator::forward_branch() {
  const int inside = 1 + static_cast<int>(random_.below(4));
  const int target = next_id_[section_] + 1 + inside;
  switch (random_.below(12)) {
    case 0: short_branch(0xeb, target); break;
    case 1: short_branch(static_cast<u8>(0xe0 + random_.below(4)), target); break;  // LOOPNE LOOPE LOOP JCXZ
    case 2: near_branch({0x0f, 0x80 + random_.below(16)}, target); break;
    case 3: near_branch({0xe9}, target); break;
    default: short_branch(static_cast<u8>(0x70 + random_.below(16)), target); break;
  }
  for (int i = 0; i < inside; ++i) instruction();
}

void BlockGenerator::loop() {
  const u8 counter = random_.one_in(2) ? u8{RCX} : free_register();
  load_immediate(counter, static_cast<u32>(1 + random_.below(random_.one_in(4) ? 40 : 6)));
  const int head = next_id_[section_];
  for (u64 n = 1 + random_.below(4); n > 0; --n) instruction();
  if (random_.one_in(4)) call_procedure();
  if (is_kernel(block_.setting) && random_.one_in(12)) remap();
  if (counter == RCX && random_.one_in(2)) return short_branch(0xe2, head);
  count_down(counter, head);
}

/// Two items.
void BlockGenerator::count_down(u8 counter, int head) {
  // DEC r, or SUB r, 1: the one leaves CF alone.
  const u64 rm = counter & 7;
  if (random_.one_in(2)) {
    if (bits64()) add({u64{0x40} | (counter >> 3), 0xff, 0xc8 | rm});
    else add({0xff, 0xc8 | rm});
  } else {
    if (bits64()) add({u64{0x48} | (counter >> 3), 0x83, 0xe8 | rm, 1});
    else add({0x83, 0xe8 | rm, 1});
  }
  if (random_.one_in(2)) short_branch(0x75, head);
  else near_branch({0x0f, 0x85}, head);
}

void BlockGenerator::call_procedure() {
  has_procedure_ = true;
  near_branch({random_.one_in(4) ? u64{0xe9} : u64{0xe8}}, kOtherSectionIds + static_cast<int>(random_.below(3)));
}

void BlockGenerator::call_over() {
  // CALL to the next instruction, or across a procedure in the block.
  if (random_.one_in(3)) {
    near_branch({0xe8}, next_id_[section_] + 1);
    add({u64{0x58} | (roles_.free[0] & 7)});
    return;
  }
  const int inside = 1 + static_cast<int>(random_.below(3));
  const int start = next_id_[section_];
  near_branch({0xe8}, start + 2);
  short_branch(0xeb, start + 3 + inside);
  for (int i = 0; i < inside; ++i) instruction();
  if (random_.one_in(4)) add({0xc2, random_.below(3) * 8, 0});
  else ret();
}

/// A procedure that a loop calls, directly or through a register that may hold one of two addresses; with a branch inside.
void BlockGenerator::loop_of_calls() {
  const u8 counter = free_register();
  load_immediate(counter, static_cast<u32>(2 + random_.below(30)));
  const int head = next_id_[section_];
  if (random_.one_in(2)) instruction();
  const bool is_direct = random_.one_in(2);
  const bool has_two = !is_direct && !bits16() && random_.one_in(2);
  const int after = static_cast<int>(random_.below(3));
  const int loads = is_direct ? 0 : has_two ? 3 : 1;
  const int procedure = next_id_[section_] + loads + 1 + after + 3;
  if (is_direct) {
    near_branch({0xe8}, procedure);
  } else {
    const u8 reg = free_register();
    load_address(reg, procedure, 0);
    if (has_two) load_one_of_two(reg, procedure + 1);
    call_register(reg, true);
  }
  for (int i = 0; i < after; ++i) instruction();
  count_down(counter, head);
  const int inside = 1 + static_cast<int>(random_.below(3));
  short_branch(0xeb, procedure + inside + 2);
  instruction();
  short_branch(static_cast<u8>(0x70 + random_.below(16)), procedure + inside + 1);
  for (int i = 1; i < inside; ++i) instruction();
  if (random_.one_in(4)) add({0xc2, random_.below(3) * 8, 0});
  else ret();
}

void BlockGenerator::push_pop() {
  const u64 count = 1 + random_.below(3);
  for (u64 i = 0; i < count; ++i) {
    const u8 reg = random_.one_in(4) ? static_cast<u8>(random_.below(8)) : free_register();
    if (random_.one_in(4)) add({0x6a, random_.below(256)});
    else if ((reg & 8) != 0) add({0x41, u64{0x50} | (reg & 7)});
    else add({u64{0x50} | reg});
  }
  if (random_.one_in(2)) instruction();
  for (u64 i = 0; i < count; ++i) {
    const u8 reg = free_register();
    if ((reg & 8) != 0) add({0x41, u64{0x58} | (reg & 7)});
    else add({u64{0x58} | reg});
  }
}

void BlockGenerator::load_immediate(u8 reg, u32 value) {
  const u64 opcode = u64{0xb8} | (reg & 7);
  if (bits16()) add({opcode, value & 0xff, value >> 8 & 0xff});
  else if ((reg & 8) != 0) add({0x41, opcode, value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24});
  else add({opcode, value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24});
}

void BlockGenerator::load_address(u8 reg, int target, i64 addend) {
  // The upper half stays what it was now and then.
  const bool wide = roles_.wide && !random_.one_in(10);
  const u8 bytes = bits16() && !wide ? 2 : 4;
  Item item;
  item.id = next_id_[section_]++;
  item.section = section_;
  if (wide) item.bytes.push_back(0x66);
  if ((reg & 8) != 0) item.bytes.push_back(0x41);
  item.bytes.push_back(static_cast<u8>(0xb8 | (reg & 7)));
  item.fixups.push_back({Fixup::Kind::Absolute, static_cast<u8>(item.bytes.size()), bytes, 0, false, target, addend});
  item.bytes.resize(item.bytes.size() + bytes);
  block_.items.push_back(std::move(item));
}

/// `reg` holds a target: another one, by a flag. Two items.
void BlockGenerator::load_one_of_two(u8 reg, int other) {
  const u8 second = free_register();
  load_address(second, other, 0);
  const u64 cmov = 0x40 | random_.below(16);
  const u64 modrm = 0xc0 | (reg & 7u) << 3 | (second & 7u);
  if (bits64()) add({u64{0x48} | (reg >> 3) << 2 | second >> 3, 0x0f, cmov, modrm});
  else add({0x0f, cmov, modrm});
}

/// CALL, or JMP.
void BlockGenerator::call_register(u8 reg, bool call) {
  const u64 modrm = (call ? u64{0xd0} : u64{0xe0}) | (reg & 7);
  if (reg >= 8) add({0x41, 0xff, modrm});
  else if (roles_.wide) add({0x66, 0xff, modrm});
  else add({0xff, modrm});
}

void BlockGenerator::indirect() {
  const u8 reg = free_register();
  const bool call = random_.one_in(3);
  // To an instruction further on, sometimes through the page's other address, sometimes to the procedure.
  const bool away = random_.one_in(4);
  if (away) has_procedure_ = true;
  const int inside = static_cast<int>(random_.below(3));
  const int target = away ? kOtherSectionIds : next_id_[section_] + 2 + inside + (random_.one_in(3) ? 1 : 0);
  const i64 addend = !away && block_.setting != Setting::Real && random_.one_in(6) ? static_cast<i64>(kAliasPage) : 0;
  load_address(reg, target, addend);
  if (random_.one_in(4) && !bits16()) load_one_of_two(reg, target + 1);
  switch (random_.below(4)) {
    case 0:
      // Through the stack.
      if (reg >= 8) add({0x41, u64{0x50} | (reg & 7)});
      else if (roles_.wide) add({0x66, u64{0x50} | reg});
      else add({u64{0x50} | reg});
      if (random_.one_in(2)) ret();
      else if (bits64()) add({0xff, call ? 0x14u : 0x24u, 0x24});
      else ret();
      break;
    default: call_register(reg, call); break;
  }
  for (int i = 0; i < inside; ++i) instruction();
}

void BlockGenerator::unbalanced() {
  switch (random_.below(4)) {
    case 0:  // A call whose return address is thrown away.
      near_branch({0xe8}, next_id_[section_] + 1);
      if (bits64()) add({0x48, 0x83, 0xc4, 8});
      else add({0x83, 0xc4, bits16() ? 2u : 4u});
      break;
    case 1: {  // A return to elsewhere than behind the call.
      near_branch({0xe8}, next_id_[section_] + 1);
      const u64 step = random_.below(8);
      if (bits64()) add({0x48, 0x83, 0x04, 0x24, step});
      else if (!bits16()) add({0x83, 0x04, 0x24, step});
      ret();
      break;
    }
    case 2: ret(); break;
    default: {  // Two returns for one call.
      load_address(roles_.free[0], next_id_[section_] + 5, 0);
      add({u64{0x50} | (roles_.free[0] & 7)});
      near_branch({0xe8}, next_id_[section_] + 1);
      ret();
      break;
    }
  }
}

void BlockGenerator::string() {
  if (!random_.one_in(4)) load_immediate(RCX, static_cast<u32>(random_.one_in(12) ? random_.below(600) : random_.below(12)));
  static constexpr u8 kOpcodes[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
  const u64 opcode = kOpcodes[random_.below(sizeof kOpcodes)];
  const u64 repeat = random_.one_in(4) ? 0xf2 : 0xf3;
  switch (random_.below(5)) {
    case 0:
      // Both ways.
      if (random_.one_in(6)) add({0xfd});
      for (u64 n = 1 + random_.below(3); n > 0; --n) {
        if (random_.one_in(3)) add({random_.one_in(3) ? 0x64u : bits64() ? 0x48u : 0x66u, opcode});
        else add({opcode});
      }
      if (random_.one_in(2)) add({0xfc});
      break;
    case 1: if (bits64()) add({repeat, 0x48, opcode}); else add({0x66, repeat, opcode}); break;
    case 2: if (bits64()) add({repeat, opcode}); else add({repeat, 0x64, opcode}); break;
    default: add({repeat, opcode}); break;
  }
}

void BlockGenerator::change_code() {
  // An instruction before, behind, or the next one; mostly its last bytes, which are often an immediate.
  const int here = next_id_[section_];
  const int target = random_.one_in(2) ? here + 1 + static_cast<int>(random_.below(4)) : static_cast<int>(random_.below(static_cast<u64>(here + 1)));
  static constexpr u8 kValues[] = {0x90, 0x90, 0xf8, 0xf9, 0x40, 0x01, 0x33, 0xc3, 0xf4};
  const u64 value = random_.one_in(3) ? random_.next() & 0xff : kValues[random_.below(sizeof kValues)];
  const i64 addend = static_cast<i64>(random_.below(7)) + (block_.setting != Setting::Real && random_.one_in(5) ? static_cast<i64>(kAliasPage) : 0);
  // MOV, ADD or XOR to a byte, or MOV to four.
  const unsigned kind = static_cast<unsigned>(random_.below(4));
  const u64 opcode = kind == 3 ? 0xc7 : kind == 0 ? 0x80 : 0xc6;
  const u64 field = kind == 0 ? (random_.one_in(2) ? 0x30 : 0x00) : 0x00;
  const u8 immediate = kind == 3 ? (bits16() ? 2 : 4) : 1;
  Item item;
  item.id = next_id_[section_]++;
  item.section = section_;
  const auto byte = [&](u64 b) { item.bytes.push_back(static_cast<u8>(b)); };
  // GS reaches code in every mode but the 64-bit one.
  if (!bits64()) byte(0x65);
  byte(opcode);
  byte(field | (bits16() ? 6 : 5));
  Fixup fixup;
  fixup.kind = bits64() ? Fixup::Kind::Relative : Fixup::Kind::Absolute;
  fixup.at = static_cast<u8>(item.bytes.size());
  fixup.bytes = bits16() ? 2 : 4;
  fixup.tail = immediate;
  // The flat GS of 32-bit code wants linear addresses, the others begin where code does.
  fixup.linear = !bits64() && !bits16();
  fixup.target = target;
  fixup.addend = addend;
  if (bits16()) fixup.linear = false;
  item.fixups.push_back(fixup);
  for (unsigned i = 0; i < fixup.bytes; ++i) byte(0);
  byte(value);
  for (unsigned i = 1; i < immediate; ++i) byte(random_.one_in(2) ? 0x90 : random_.next());
  block_.items.push_back(std::move(item));
}

void BlockGenerator::change_code_by_string() {
  if (bits16()) {
    add({0x0f, 0xa8});  // PUSH GS; POP ES
    add({0x07});
  }
  const int target = next_id_[section_] + static_cast<int>(random_.below(7));
  load_address(RDI, target, 0);
  load_immediate(RCX, static_cast<u32>(random_.below(9)));
  load_immediate(RAX, random_.one_in(3) ? 0xf4f8f990 : 0x90909090);
  const u64 opcode = random_.one_in(3) ? 0xab : 0xaa;
  if (random_.one_in(2)) add({0xfc});
  add({0xf3, opcode});
}

}  // namespace doppel::blocks
