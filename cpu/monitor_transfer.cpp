// CALL, JMP and RET far as instructions: where the far pointer comes from.

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"
#include "cpu/segmentation.h"

namespace doppel::cpu {
namespace {

struct FarPointer {
  u64 offset = 0;
  u16 selector = 0;
};

template <class T>
Result<FarPointer> load_far_pointer(Cpu& cpu, const Instruction& insn) {
  const u64 address = cpu.effective_address(insn);
  FarPointer pointer;
  DOPPEL_TRY(pointer.offset, cpu.load<T>(insn.segment, address));
  DOPPEL_TRY(pointer.selector, cpu.load<u16>(insn.segment, (address + sizeof(T)) & insn.address_mask));
  return pointer;
}

Result<FarPointer> far_pointer(Cpu& cpu, const Instruction& insn) {
  if (insn.operand[0].kind == OperandKind::FarPointer) {
    const u64 mask = insn.width == 2 ? 0xffff : 0xffff'ffff;
    return FarPointer{insn.immediate & mask, insn.immediate2};
  }
  switch (insn.width) {
    case 2: return load_far_pointer<u16>(cpu, insn);
    case 4: return load_far_pointer<u32>(cpu, insn);
    default: return load_far_pointer<u64>(cpu, insn);
  }
}

Result<void> interpret_far_call(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const FarPointer pointer, far_pointer(cpu, insn));
  return far_call(cpu, pointer.selector, pointer.offset, insn.width);
}

Result<void> interpret_far_jump(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const FarPointer pointer, far_pointer(cpu, insn));
  return far_jump(cpu, pointer.selector, pointer.offset, insn.width);
}

Result<void> interpret_far_return(Cpu& cpu, const Instruction& insn) {
  const bool releases = insn.operand[0].kind == OperandKind::Immediate;
  return far_return(cpu, insn.width, releases ? static_cast<u16>(insn.immediate) : u16{0});
}

}  // namespace

bool is_far_transfer(const Instruction& insn) {
  switch (insn.bytes[insn.opcode_offset]) {
    case 0x9a:  // CALL ptr16
    case 0xea:  // JMP ptr16
    case 0xca:  // RETF imm16
    case 0xcb:  // RETF
      return true;
    case 0xff: {
      const unsigned extension = insn.bytes[insn.modrm_offset] >> 3 & 7;
      return extension == 3 || extension == 5;
    }
    default:
      return false;
  }
}

Handler select_far_call(const Instruction&) { return interpret_far_call; }
Handler select_far_jump(const Instruction&) { return interpret_far_jump; }
Handler select_far_return(const Instruction&) { return interpret_far_return; }

}  // namespace doppel::cpu
