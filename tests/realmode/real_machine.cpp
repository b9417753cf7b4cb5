#include "tests/realmode/real_machine.h"

#include <algorithm>
#include <cstdio>

#include <Zydis/Zydis.h>

#include "cpu/segmentation.h"
#include "tests/differential/compare_rules.h"
#include "tests/support/empty_environment.h"

namespace doppel::realmode {

namespace {

constexpr u64 kRamBytes = 0x40'0000;       // Real-mode addresses end a little above 1 MiB.
constexpr u64 kMaxInstructions = 200'000;  // A repeated instruction counts its iterations.
// Bits 12-15 cannot be set in real mode on an 80286; later processors keep IOPL and NT there.
constexpr u16 kFlagsOf286 = 0x0fff;

Gpr gpr_of(unsigned index) { return static_cast<Gpr>(index); }

std::string sentence(const char* what, u32 expected, u32 got) {
  char text[96];
  std::snprintf(text, sizeof text, "%s: 80286 %04x, doppel %04x", what, expected, got);
  return text;
}

bool decode_instruction(const Capture& capture, differential::Decoded& decoded) {
  return differential::decode(cpu::CodeSize::Bits16, capture.bytes.data(), capture.bytes.size(), decoded);
}

/// Flags that mean something after the instruction, among those an 80286 has.
u16 comparable_flags(const Capture& capture) {
  differential::Decoded decoded;
  if (!decode_instruction(capture, decoded)) return kFlagsOf286;
  differential::TestCase test;
  test.size = cpu::CodeSize::Bits16;
  test.before.gpr[RCX] = capture.initial.regs[kCx];
  return static_cast<u16>(kFlagsOf286 & ~differential::undefined_flags(test, decoded));
}

bool is_string(const Capture& capture) {
  differential::Decoded decoded;
  return decode_instruction(capture, decoded) &&
         (decoded.insn.meta.category == ZYDIS_CATEGORY_STRINGOP || decoded.insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP);
}

constexpr unsigned kSegmentOverrun = 13;

}  // namespace

RealMachine::RealMachine(mmu::MachineMemory machine)
    : machine_(std::move(machine)), pmap_(machine_, kRamBytes >> kPageShift), physical_(pmap_, mmio_),
      bus_(std::make_unique<test::EmptyEnvironment>()) {}

Result<std::unique_ptr<RealMachine>, Error> RealMachine::create() {
  DOPPEL_TRY(mmu::MachineMemory memory, mmu::MachineMemory::create(2 * kRamBytes));
  std::unique_ptr<RealMachine> machine(new RealMachine(std::move(memory)));
  DOPPEL_TRY(machine->build());
  return machine;
}

Result<void, Error> RealMachine::build() {
  if (!pmap_.add_ram(PhysAddr(0), kRamBytes)) return Error{"no guest memory"};
  DOPPEL_TRY(const cpu::CpuModel model, cpu::CpuModel::parse("max"));
  cpu_ = std::make_unique<cpu::Cpu>(model, physical_, *bus_);
  interpreter_ = std::make_unique<cpu::Interpreter>(*cpu_);
  return {};
}

void RealMachine::load(const Snapshot& snapshot) {
  cpu_->reset();
  cpu::CpuState& state = cpu_->state;
  for (unsigned i = kAx; i <= kDi; ++i) state.gpr[gpr_of(i)] = snapshot.regs[i];
  const std::pair<Seg, unsigned> segments[] = {{Seg::ES, kEs}, {Seg::CS, kCs}, {Seg::SS, kSs}, {Seg::DS, kDs}};
  for (const auto& [seg, index] : segments) cpu::set_real_segment(state.segment(seg), snapshot.regs[index], false);
  state.rip() = snapshot.regs[kIp];
  state.set_rflags(snapshot.regs[kFlags] & kFlagsOf286);
  cpu_->update_mode();
  for (const auto& [address, byte] : snapshot.ram) physical_.write(PhysAddr(address), Width::Byte, byte);
}

std::vector<std::string> RealMachine::run(const Capture& capture) {
  load(capture.initial);
  u64 left = kMaxInstructions;
  cpu::ExitReason reason = cpu::ExitReason::Attention;
  // Stores beside code, and port accesses, bring the engine back; the instruction goes on.
  while (left > 0 && reason == cpu::ExitReason::Attention) {
    const u64 before = cpu_->state.retired;
    reason = interpreter_->run(left);
    left -= std::max<u64>(1, cpu_->state.retired - before) > left ? left : std::max<u64>(1, cpu_->state.retired - before);
  }
  return compare(capture, reason);
}

std::vector<std::string> RealMachine::compare(const Capture& capture, cpu::ExitReason reason) {
  std::vector<std::string> lines;
  const cpu::CpuState& state = cpu_->state;
  if (reason != cpu::ExitReason::Halted) lines.push_back("did not reach the HLT");
  u16 got[kRegisters];
  for (unsigned i = kAx; i <= kDi; ++i) got[i] = static_cast<u16>(state.gpr[gpr_of(i)]);
  got[kEs] = state.segment(Seg::ES).selector;
  got[kCs] = state.segment(Seg::CS).selector;
  got[kSs] = state.segment(Seg::SS).selector;
  got[kDs] = state.segment(Seg::DS).selector;
  got[kIp] = static_cast<u16>(state.rip());
  got[kFlags] = static_cast<u16>(state.rflags());
  const u16 flags = comparable_flags(capture);
  // An 80286 moves the indices and the count before it finds that an operand overruns its segment;
  // later processors leave the element that faulted undone.
  const bool moved_early = capture.exception && capture.exception->number == kSegmentOverrun && is_string(capture);
  for (unsigned i = 0; i < kRegisters; ++i) {
    if (moved_early && (i == kCx || i == kSi || i == kDi)) continue;
    const u16 mask = i == kFlags ? flags : 0xffff;
    if ((got[i] & mask) != (capture.final.regs[i] & mask)) {
      lines.push_back(sentence(kRegisterNames[i], capture.final.regs[i] & mask, got[i] & mask));
    }
  }
  // Where an exception pushed FLAGS: above the return address.
  const u16* final = capture.final.regs;
  const u32 pushed = final[kSs] * 16u + static_cast<u16>(final[kSp] + 4);
  for (const auto& [address, byte] : capture.final.ram) {
    u8 mask = 0xff;
    if (capture.exception && address == pushed) mask = static_cast<u8>(flags);
    if (capture.exception && address == pushed + 1) mask = static_cast<u8>(flags >> 8);
    const u8 now = physical_.read<u8>(PhysAddr(address));
    if ((now & mask) == (byte & mask)) continue;
    char where[32];
    std::snprintf(where, sizeof where, "[%05x]", address);
    lines.push_back(sentence(where, byte & mask, now & mask));
  }
  return lines;
}

std::string reason_to_skip(const Capture& capture) {
  if (capture.bytes.size() > 11) return "an 80286 refuses more than 10 bytes, later processors more than 15";
  differential::Decoded decoded;
  const bool decodes = decode_instruction(capture, decoded);
  for (unsigned i = 0; decodes && i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
        (operand.reg.value == ZYDIS_REGISTER_FS || operand.reg.value == ZYDIS_REGISTER_GS)) {
      return "an 80286 has no FS and GS";
    }
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.segment == ZYDIS_REGISTER_SS && capture.exception &&
        capture.exception->number == kSegmentOverrun) {
      return "an operand that overruns SS is exception 13 on an 80286, 12 on later processors";
    }
  }
  const bool has_lock = std::find(capture.bytes.begin(), capture.bytes.end(), 0xf0) != capture.bytes.end();
  if (!decodes && has_lock) {
    std::vector<u8> without = capture.bytes;
    std::erase(without, u8{0xf0});
    Capture plain;
    plain.bytes = without;
    if (decode_instruction(plain, decoded)) return "later processors refuse this LOCK";
  }
  return {};
}

}  // namespace doppel::realmode
