// Makes memory operands lead somewhere interesting, by solving for the registers they are made of.

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "cpu/arch/registers.h"
#include "cpu/arch/rflags.h"
#include "cpu/base/bits.h"
#include "tests/differential/addresses.h"
#include "tests/differential/generator.h"

namespace doppel::differential {

namespace {

bool uses_stack(const Decoded& decoded) {
  for (unsigned i = decoded.insn.operand_count_visible; i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && gpr_number(operand.mem.base) == RSP) return true;
  }
  return decoded.insn.mnemonic == ZYDIS_MNEMONIC_ENTER || decoded.insn.mnemonic == ZYDIS_MNEMONIC_LEAVE;
}

}  // namespace

u64 Generator::target_address(u64 size, bool stack) {
  const u64 first = stack ? kStack : kData;
  const u64 writable = (stack ? kStackPages : kDataPages) * kPageSize;
  u64 alignment = 1;
  while (alignment < size && alignment < 64) alignment *= 2;
  switch (random_.below(stack ? 24 : 16)) {
    case 0: return first + kPageSize - random_.below(size + 1);             // Across two pages.
    case 1: return first + writable - random_.below(size + 1);              // Into what may not be written.
    case 2: return first - random_.below(size + 1);                         // From what is not there.
    case 3:
      if (!stack) return first + writable + random_.below(kPageSize);       // Read-only.
      return first + writable - random_.below(64);
    case 4: return first + kDataBytes - random_.below(size + 1);
    case 5:
    case 6:
    case 7: return first + random_.below(writable - size);
    default: return first + align_down(random_.below(writable - size), alignment);
  }
}

void Generator::solve_memory(TestCase& test, Decoded& decoded) {
  const bool stack = uses_stack(decoded);
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) solve_vsib(test, decoded, operand);
    else if (!stack || gpr_number(operand.mem.base) != RSP) solve_operand(test, decoded, operand);
  }
  if (!stack) return;
  u64 base = segment_base(test, ZYDIS_REGISTER_SS);
  u64 mask = test.size == CodeSize::Bits64 ? ~u64{0} : 0xffff'ffff;
  const LdtEntry* entry = ldt_entry(test.before.selectors[2]);
  if (test.size != CodeSize::Bits64 && entry != nullptr && !entry->is_32bit) mask = 0xffff;
  test.before.gpr[RSP] = (target_address(8, true) - base) & mask;
  const ZydisMnemonic mnemonic = decoded.insn.mnemonic;
  if (mnemonic == ZYDIS_MNEMONIC_ENTER || mnemonic == ZYDIS_MNEMONIC_LEAVE) {
    test.before.gpr[RBP] = (target_address(8, true) - base) & mask;
  }
}

void Generator::solve_operand(TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand) {
  const ZydisDecodedOperandMem& mem = operand.mem;
  const u64 size = operand.size != 0 ? std::min<u64>(operand.size / 8, 1024) : 64;
  const u64 target = target_address(size, false);
  // Contents that suit the operand.
  if (operand.size != 0 && operand.size <= 512) {
    u8 bytes[64];
    if (operand.size == 80) {
      random_extended(bytes);
    } else {
      const bool f32 = operand.element_type == ZYDIS_ELEMENT_TYPE_FLOAT32;
      const bool f64 = operand.element_type == ZYDIS_ELEMENT_TYPE_FLOAT64;
      const unsigned element = f32 ? 4 : f64 ? 8 : static_cast<unsigned>(std::min<u64>(size, 8));
      for (u64 at = 0; at + element <= size; at += element) random_element(bytes + at, element, f32 || f64);
    }
    patch(test, target, bytes, size);
  }
  const unsigned width = decoded.insn.address_width;
  u64 offset = truncate(target - segment_base(test, mem.segment), width);
  const u64 displacement = displacement_of(decoded, mem);

  const auto patch_displacement = [&](u64 value) {
    const auto& raw = decoded.insn.raw.disp;
    if (raw.size < 16) return;
    std::memcpy(test.bytes + raw.offset, &value, raw.size / 8);
  };
  if (mem.base == ZYDIS_REGISTER_RIP || mem.base == ZYDIS_REGISTER_EIP) {
    patch_displacement(offset - test.before.rip - test.length);
    return;
  }
  const int base = base_number(decoded, mem);
  const int index = gpr_number(mem.index);
  // AL is part of XLAT's address.
  const u64 scale = mem.scale != 0 ? mem.scale : 1;
  const u64 index_value = index >= 0 ? test.before.gpr[index]
                          : mem.index == ZYDIS_REGISTER_AL ? test.before.gpr[RAX] & 0xff : 0;
  if (base < 0 && index < 0) {
    patch_displacement(offset);
  } else if (base >= 0 && base == index) {
    // Nothing to solve: what it leads to is an address like any other.
  } else if (base >= 0) {
    if (index >= 0 && random_.one_in(2)) test.before.gpr[index] = random_.below(0x200);
    const u64 scaled = index >= 0 ? test.before.gpr[index] * scale : index_value;
    u64 value = truncate(offset - displacement - scaled, width);
    // What lies above a 16- or 32-bit address must not matter.
    if (width < 64 && random_.one_in(4)) value |= random_.next() & ~((u64{1} << width) - 1);
    if (test.size != CodeSize::Bits64) value &= 0xffff'ffff;
    test.before.gpr[base] = value;
  } else if (scale == 1 && random_.one_in(2)) {
    u64 value = truncate(offset - displacement, width);
    test.before.gpr[index] = value;
  } else {
    test.before.gpr[index] = random_.below(0x400);
    patch_displacement(offset - test.before.gpr[index] * scale);
  }
}

void Generator::solve_vsib(TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand) {
  const ZydisDecodedOperandMem& mem = operand.mem;
  const int base = base_number(decoded, mem);
  const u64 segment = segment_base(test, mem.segment);
  if (base >= 0) {
    const u64 target = kData + 0x800 + random_.below(0x2000);
    test.before.gpr[base] = target - segment - static_cast<u64>(mem.disp.value);
    if (test.size != CodeSize::Bits64) test.before.gpr[base] &= 0xffff'ffff;
  }
  // Indices near zero, some of them far out: a gather stops at the element that faults.
  const unsigned number = static_cast<unsigned>(ZydisRegisterGetId(mem.index)) & 15;
  const unsigned element = random_.one_in(2) ? 4 : 8;
  u8 bytes[32];
  for (unsigned at = 0; at < 32; at += element) {
    const u64 wide = random_.one_in(24) ? random_.next() : random_.below(0x100) - 0x80;
    std::memcpy(bytes + at, &wide, element);
  }
  std::memcpy(test.before.fp.xmm[number], bytes, 16);
  std::memcpy(test.before.ymm_high[number], bytes + 16, 16);
}

void Generator::suit_mnemonic(TestCase& test, const Decoded& decoded) {
  u64* gpr = test.before.gpr;
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      // Most quotients should fit.
      if (random_.one_in(4)) break;
      if (decoded.insn.operand_width == 8) gpr[RAX] = sign_extend(random_integer(), 8) & (random_.one_in(2) ? 0xffffu : 0x3fu);
      else gpr[RDX] = random_.one_in(2) ? random_.below(4) : (gpr[RAX] >> (decoded.insn.operand_width - 1) & 1) != 0 ? ~u64{0} : 0;
      break;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
      // The bit offset is part of the address.
      if (decoded.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && decoded.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER && !random_.one_in(8)) {
        const int bits = gpr_number(decoded.operands[1].reg.value);
        if (bits >= 0 && bits != gpr_number(decoded.operands[0].mem.base) && bits != gpr_number(decoded.operands[0].mem.index)) {
          gpr[bits] = random_.below(0x200) - 0x80;
          if (test.size != CodeSize::Bits64) gpr[bits] &= 0xffff'ffff;
        }
      }
      break;
    case ZYDIS_MNEMONIC_CMPXCHG:
      if (random_.one_in(2) && decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const unsigned id = static_cast<unsigned>(ZydisRegisterGetId(decoded.operands[0].reg.value)) & 15;
        gpr[RAX] = gpr[id];
      }
      [[fallthrough]];
    case ZYDIS_MNEMONIC_CMPXCHG8B:
    case ZYDIS_MNEMONIC_CMPXCHG16B:
      // Equal in half of the tests: memory gets what the accumulator holds.
      if (!test.patches.empty() && random_.one_in(2)) {
        std::vector<u8>& bytes = test.patches.back().bytes;
        const size_t half = decoded.insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG ? bytes.size() : bytes.size() / 2;
        std::memcpy(bytes.data(), &gpr[RAX], std::min<size_t>(half, 8));
        if (half < bytes.size()) std::memcpy(bytes.data() + half, &gpr[RDX], std::min<size_t>(half, 8));
      }
      break;
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64: {
      // An image that can be loaded, in most tests.
      if (test.patches.empty()) break;
      const u64 at = test.patches.back().address;
      if (random_.one_in(6)) {
        // Any other may hold what must be refused; MXCSR's bit 17 exists on AMD's processors alone.
        const u32 mxcsr = static_cast<u32>(random_.next() & ~0x20000u);
        patch(test, at + offsetof(FloatImage, mxcsr), &mxcsr, sizeof mxcsr);
        break;
      }
      FloatImage image = test.before.fp;
      image.fcw = static_cast<u16>(0x37f | random_.below(4) << 10);
      image.fsw = static_cast<u16>(random_.next() & 0x7f00);
      u8 header[64] = {};
      header[0] = static_cast<u8>(random_.below(8));
      patch(test, at, &image, sizeof image);
      patch(test, at + 512, header, sizeof header);
      break;
    }
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
      if (!test.patches.empty()) {
        // Bit 17 exists on AMD's processors alone.
        const u32 value = static_cast<u32>(random_.next() & (random_.one_in(4) ? ~0x20000u : 0xffff));
        patch(test, test.patches.back().address, &value, 4);
      }
      break;
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
      // The selector follows the offset.
      if (!test.patches.empty()) {
        const u16 selector = random_selector(false);
        patch(test, test.patches.back().address + decoded.insn.operand_width / 8, &selector, 2);
      }
      break;
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_ARPL: {
      const bool to_segment = decoded.insn.mnemonic == ZYDIS_MNEMONIC_MOV && decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                              ZydisRegisterGetClass(decoded.operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
      if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_MOV && !to_segment) break;
      const unsigned source = decoded.insn.mnemonic == ZYDIS_MNEMONIC_VERR || decoded.insn.mnemonic == ZYDIS_MNEMONIC_VERW ? 0 : 1;
      const u16 selector = random_selector(false);
      if (decoded.operands[source].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const int reg = gpr_number(decoded.operands[source].reg.value);
        if (reg >= 0) gpr[reg] = (gpr[reg] & ~u64{0xffff}) | selector;
      } else if (!test.patches.empty()) {
        patch(test, test.patches.back().address, &selector, 2);
      }
      break;
    }
    default:
      break;
  }
  if (decoded.insn.mnemonic >= ZYDIS_MNEMONIC_XRSTOR && decoded.insn.mnemonic <= ZYDIS_MNEMONIC_XSAVES64) {
    // The host may have enabled more components than the guest.
    gpr[RAX] = random_.one_in(4) ? gpr[RAX] & 7 : 7;
    gpr[RDX] = 0;
  }
  const bool string = decoded.insn.meta.category == ZYDIS_CATEGORY_STRINGOP || decoded.insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
  if (test.repeats && string) {
    // Processors disagree about INS and OUTS with nothing to do: AMD's check the right to the port first.
    const bool io = decoded.insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
    const u64 count = random_.one_in(16) ? 200 : random_.below(12) + (io ? 1 : 0);
    gpr[RCX] = count;
    if (decoded.insn.address_width < 64 && random_.one_in(4)) gpr[RCX] |= random_.next() & ~((u64{1} << decoded.insn.address_width) - 1);
    if (test.size != CodeSize::Bits64) gpr[RCX] &= 0xffff'ffff;
    // Equal stretches, for the comparing ones.
    if (random_.one_in(2)) {
      std::vector<u8> same(256, static_cast<u8>(random_.next()));
      for (int reg : {RSI, RDI}) {
        const u64 base = segment_base(test, reg == RSI ? ZYDIS_REGISTER_DS : ZYDIS_REGISTER_ES);
        patch(test, truncate(gpr[reg], decoded.insn.address_width) + base, same.data(), same.size());
      }
      gpr[RAX] = same[0] * u64{0x0101'0101'0101'0101};
      if (test.size != CodeSize::Bits64) gpr[RAX] &= 0xffff'ffff;
    }
  }
}

void Generator::prepare_far_frame(TestCase& test, const Decoded& decoded) {
  // A 16-bit stack pointer carries the host kernel's bits above it (its way around a leak in IRET).
  // In 64-bit code they count, so no test goes from the one to the other.
  const LdtEntry* stack = ldt_entry(test.before.selectors[2]);
  const bool stack16 = test.size != CodeSize::Bits64 && stack != nullptr && !stack->is_32bit;
  const auto code_selector = [&] {
    const u16 selector = random_selector(true);
    return stack16 && (selector & 0xfffc) == (kFlatCode64 & 0xfffc) ? kFlatCode32 : selector;
  };
  const unsigned width = decoded.insn.operand_width / 8;
  const auto put = [&](u64 at, u64 value, unsigned bytes) { patch(test, at, &value, bytes); };
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_POP:
      if (decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
          ZydisRegisterGetClass(decoded.operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT) {
        put(test.before.gpr[RSP] + segment_base(test, ZYDIS_REGISTER_SS), random_selector(false), 2);
      }
      break;
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_RET: {
      if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_RET && decoded.insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) break;
      const u64 at = test.before.gpr[RSP] + segment_base(test, ZYDIS_REGISTER_SS);
      put(at, random_.next() & (random_.one_in(2) ? 0xffff : 0x7fff'ffff), width);
      put(at + width, code_selector(), width);
      put(at + 2 * width, (random_.next() & 0x0ed5) | rflags::TF, width);
      if (test.size == CodeSize::Bits64) {
        put(at + 3 * width, target_address(8, true), width);
        put(at + 4 * width, random_.one_in(3) ? random_selector(false) : kFlatData, width);
      }
      break;
    }
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_JMP: {
      if (decoded.insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) break;
      const u16 selector = code_selector();
      if (decoded.operands[0].type == ZYDIS_OPERAND_TYPE_POINTER) {
        std::memcpy(test.bytes + test.length - 2, &selector, 2);
        if (random_.one_in(2) && width == 4) std::memset(test.bytes + test.length - 4, 0, 2);
      } else if (!test.patches.empty()) {
        const u64 address = test.patches.front().address;
        put(address, random_.next() & 0x7fff'ffff, width);
        put(address + width, selector, 2);
      }
      break;
    }
    default:
      break;
  }
}

bool Generator::wraps_around(const TestCase& test, const Decoded& decoded) const {
  // What an access across the end of a 4 GiB segment does is the implementation's choice.
  // @source Intel SDM Vol. 3A, "Limit Checking"
  if (test.size == CodeSize::Bits64 || decoded.insn.address_width != 32) return false;
  constexpr u64 kWidest = 4096;
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) continue;
    if (effective_address(test, decoded, operand) > 0x1'0000'0000 - kWidest) return true;
  }
  return false;
}

void Generator::keep_branch_canonical(TestCase& test, const Decoded& decoded) {
  // Processors disagree about which instruction faults on a target that is not canonical.
  if (test.size != CodeSize::Bits64 || decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return;
  const ZydisMnemonic mnemonic = decoded.insn.mnemonic;
  if (mnemonic == ZYDIS_MNEMONIC_RET) {
    const u64 target = sign_extend(random_integer(), 47);
    patch(test, test.before.gpr[RSP], &target, 8);
  } else if (mnemonic == ZYDIS_MNEMONIC_CALL || mnemonic == ZYDIS_MNEMONIC_JMP) {
    const u64 target = sign_extend(random_integer(), 47);
    const ZydisDecodedOperand& operand = decoded.operands[0];
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && gpr_number(operand.reg.value) >= 0) {
      u64& reg = test.before.gpr[gpr_number(operand.reg.value)];
      reg = sign_extend(reg, 47);
    } else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && !test.patches.empty()) {
      patch(test, test.patches.front().address, &target, 8);
    }
  }
}

}  // namespace doppel::differential
