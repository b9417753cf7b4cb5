// INT n, INT3, INT1, INTO, BOUND and the undefined instructions.
//
// RIP is already past the instruction, which is where the handler returns to.
//
// @source Intel SDM Vol. 2, "INT n/INTO/INT3/INT1", "BOUND", "UD"

#include <type_traits>

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

u8 number(Vector vector) { return static_cast<u8>(vector); }

Result<void> interpret_int(Cpu& cpu, const Instruction& insn) {
  return cpu.deliver(static_cast<u8>(insn.immediate), EventSource::SoftwareInterrupt, 0);
}

Result<void> interpret_int3(Cpu& cpu, const Instruction&) {
  return cpu.deliver(number(Vector::BP), EventSource::SoftwareException, 0);
}

Result<void> interpret_int1(Cpu& cpu, const Instruction&) {
  return cpu.deliver(number(Vector::DB), EventSource::PrivilegedSoftwareException, 0);
}

Result<void> interpret_into(Cpu& cpu, const Instruction&) {
  if (!cpu.state.flags.of()) return {};
  return cpu.deliver(number(Vector::OF), EventSource::SoftwareException, 0);
}

/// The bounds are signed; outside them #BR points at BOUND itself.
template <class T>
Result<void> interpret_bound(Cpu& cpu, const Instruction& insn) {
  using Signed = std::make_signed_t<T>;
  const u64 offset = cpu.effective_address(insn);
  DOPPEL_TRY(const T lower, cpu.load<T>(insn.segment, offset));
  DOPPEL_TRY(const T upper, cpu.load<T>(insn.segment, (offset + sizeof(T)) & insn.address_mask));
  const Signed index = static_cast<Signed>(cpu.state.at<T>(insn.operand[0].reg));
  if (index < static_cast<Signed>(lower) || index > static_cast<Signed>(upper)) {
    return Fault::make(Vector::BR);
  }
  return {};
}

}  // namespace

Handler select_int(const Instruction&) { return interpret_int; }
Handler select_int3(const Instruction&) { return interpret_int3; }
Handler select_int1(const Instruction&) { return interpret_int1; }
Handler select_into(const Instruction&) { return interpret_into; }
Handler select_bound(const Instruction& insn) {
  switch (insn.operand[0].bytes) {
    case 2: return interpret_bound<u16>;
    case 4: return interpret_bound<u32>;
    default: return interpret_invalid;
  }
}

}  // namespace doppel::cpu
