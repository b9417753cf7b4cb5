#include "tests/differential/guest_runner.h"

#include <cstring>

#include "cpu/base/bits.h"
#include "cpu/instruction_table.h"
#include "jit/translator.h"
#include "tests/differential/addresses.h"
#include "tests/differential/forms.h"
#include "tests/differential/host_runner.h"
#include "tests/support/empty_environment.h"

namespace doppel::differential {

namespace {

constexpr u64 kRamBytes = 8 << 20;
constexpr u64 kPageTables = 0x1000;    // Guest-physical; the first is the top level.
constexpr u64 kSystemPage = 0x2'0000;  // GDT, then LDT and TSS.
constexpr u64 kFrames = 0x10'0000;     // What the tests see.
// The kernel half: no test reaches it by accident.
constexpr u64 kSystemLinear = 0xffff'8000'0000'0000;
constexpr u64 kLdtOffset = 0x400;
constexpr u64 kTssOffset = 0x800;
constexpr u32 kTssLimit = 103;  // No I/O permission bitmap.
constexpr size_t kX87Bytes = 160;  // Both sides keep FXSAVE's layout up to the XMM registers.
constexpr u64 kMaxIterations = 1 << 20;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/// What is left to its handler: PUSHF, POPF and IRET see or load TF, with which the host is stepped and an
/// engine leaves its ordinary path; branches into themselves, across the NOP
/// behind them or into data do not stop at a HLT.
bool wants_handler(const TestCase& test, const MemoryView& memory) {
  Decoded decoded;
  if (!decode(test.size, test.bytes, test.length, decoded)) return false;
  const ZydisDecodedOperand& first = decoded.operands[0];
  if (first.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && first.imm.is_relative &&
      first.imm.value.s >= -static_cast<i64>(test.length) && first.imm.value.s <= 1) return true;
  if (decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR && first.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    const u64 target = truncate(test.before.gpr[gpr_number(first.reg.value)], decoded.insn.operand_width);
    if (memory.at(target) != nullptr) return true;
  }
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
      return true;
    default:
      return false;
  }
}

}  // namespace

GuestRunner::GuestRunner(mmu::MachineMemory machine)
    : machine_(std::move(machine)), pmap_(machine_, kRamBytes >> kPageShift), physical_(pmap_, mmio_),
      environment_(std::make_unique<test::EmptyEnvironment>()) {}

Result<std::unique_ptr<GuestRunner>, Error> GuestRunner::create(bool translates) {
  DOPPEL_TRY(mmu::MachineMemory machine, mmu::MachineMemory::create(2 * kRamBytes));
  std::unique_ptr<GuestRunner> runner(new GuestRunner(std::move(machine)));
  DOPPEL_TRY(runner->build());
  if (translates) {
    jit::TranslatorOptions options;
    options.threshold = 1;
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], nullptr, &runner->signals_[i]);
    DOPPEL_TRY(std::unique_ptr<jit::Translator> translator, jit::Translator::create(*runner->cpu_, options));
    runner->engine_ = std::move(translator);
    runner->swap_signals();
    runner->physical_.tracking().set_protect_hook([raw = runner.get()](PhysAddr page) { raw->cpu_->mmu.page_became_tracked(page); });
  }
  return runner;
}

void GuestRunner::write_phys(u64 address, u64 value) {
  physical_.write(PhysAddr(address), Width::Qword, value);
}

void GuestRunner::map(u64 linear, u64 physical, u64 flags) {
  u64 table = kPageTables;
  for (unsigned shift = 39; shift > 12; shift -= 9) {
    const u64 entry = table + (linear >> shift & 511) * 8;
    u64 next = physical_.read<u64>(PhysAddr(entry)) & kPageMask;
    if (next == 0) {
      next = next_table_;
      next_table_ += kPageSize;
      write_phys(entry, next | pte::P | pte::W | pte::U);
    }
    table = next;
  }
  write_phys(table + (linear >> 12 & 511) * 8, physical | flags | pte::P);
}

void GuestRunner::write_descriptors() {
  // As Linux fills its table; the flat user segments are asked for, so that LAR agrees.
  const auto flat = [](u16 selector) {
    const u64 a = HostRunner::access_rights(selector);
    return u64{0xffff} | (a & 0xff) << 40 | u64{0xf} << 48 | (a >> 12 & 0xf) << 52;
  };
  gdt_[1] = 0x00cf'9b00'0000'ffff;
  gdt_[2] = 0x00af'9b00'0000'ffff;
  gdt_[3] = 0x00cf'9300'0000'ffff;
  gdt_[4] = flat(kFlatCode32);
  gdt_[5] = flat(kFlatData);
  gdt_[6] = flat(kFlatCode64);
  const auto system = [&](unsigned index, u64 base, u64 limit, SystemType type) {
    gdt_[index] = (limit & 0xffff) | (base & 0xff'ffff) << 16 | (0x80 | static_cast<u64>(type)) << 40 | (base >> 24 & 0xff) << 56;
    gdt_[index + 1] = base >> 32;
  };
  system(8, kSystemLinear + kTssOffset, kTssLimit, SystemType::TssBusy);
  system(10, kSystemLinear + kLdtOffset, kLdtEntries * 8 - 1, SystemType::Ldt);
  // The segment in whose limit Linux keeps the number of the processor.
  const u64 rights = HostRunner::access_rights(kProcessorNumber);
  const u64 limit = HostRunner::segment_limit(kProcessorNumber);
  gdt_[kProcessorNumber >> 3] = (limit & 0xffff) | (rights & 0xff) << 40 | (limit >> 16 & 0xf) << 48 | (rights >> 12 & 0xf) << 52;
  for (unsigned i = 0; i < 16; ++i) write_phys(kSystemPage + i * 8, gdt_[i]);
  for (unsigned i = 0; i < kLdtEntries; ++i) write_phys(kSystemPage + kLdtOffset + i * 8, ldt_descriptor(kLdt[i]));
  write_phys(kSystemPage + kTssOffset + 102, 0xffff);
}

Result<void, Error> GuestRunner::build() {
  if (!pmap_.add_ram(PhysAddr(0), kRamBytes)) return Error{"no guest memory"};
  next_table_ = kPageTables + kPageSize;
  u64 frame = kFrames;
  const auto map_range = [&](u64 linear, unsigned pages, u64 flags) {
    u8* first = pmap_.resolve(PhysAddr(frame));
    for (unsigned i = 0; i < pages; ++i, frame += kPageSize) map(linear + i * kPageSize, frame, flags | pte::U);
    return first;
  };
  // RAM comes in runs of 2 MiB: pages that follow each other here do so in the host.
  memory_.code = map_range(kCode, kCodePages, 0);
  memory_.data = map_range(kData, kDataPages, pte::W);
  map_range(kData + kDataPages * kPageSize, 1, 0);
  memory_.stack = map_range(kStack, kStackPages, pte::W);
  map(kSystemLinear, kSystemPage, pte::W);
  write_descriptors();

  DOPPEL_TRY(model_, cpu::CpuModel::parse("max"));
  cpu_ = std::make_unique<cpu::Cpu>(model_, physical_, *environment_);
  decoder_ = std::make_unique<cpu::Decoder>(model_);
  cpu_->reset();
  cpu::CpuState& state = cpu_->state;
  state.cr0 = cr0::PE | cr0::MP | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
  state.cr3 = kPageTables;
  state.cr4 = cr4::PAE | cr4::PGE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::UMIP | cr4::FSGSBASE | cr4::OSXSAVE;
  state.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
  state.xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX;
  state.gdtr = {kSystemLinear, 16 * 8 - 1};
  state.idtr = {kSystemLinear, 0};
  state.ldtr = {kSystemLinear + kLdtOffset, kLdtEntries * 8 - 1, 10 * 8, attr::P | static_cast<u16>(SystemType::Ldt), 1, 0};
  state.tr = {kSystemLinear + kTssOffset, kTssLimit, 8 * 8, attr::P | static_cast<u16>(SystemType::TssBusy), 1, 0};
  state.ldtr.update_window();
  state.tr.update_window();
  cpu_->update_mode();
  cpu_->update_paging();
  return {};
}

void GuestRunner::load_segment(Seg segment, u16 selector) {
  cpu::SegmentRegister& reg = cpu_->state.segment(segment);
  reg = cpu::SegmentRegister{};
  reg.selector = selector;
  if ((selector & 0xfffc) != 0) {
    const u64 low = (selector & 4) != 0 ? ldt_descriptor(kLdt[selector >> 3]) : gdt_[selector >> 3];
    const Descriptor descriptor{low, 0};
    reg.base = descriptor.base32();
    reg.limit = descriptor.limit();
    reg.attributes = descriptor.attributes();
  }
  reg.update_window();
}

void GuestRunner::load(const TestCase& test, bool stepped) {
  cpu::CpuState& state = cpu_->state;
  const MachineState& before = test.before;
  std::memcpy(state.gpr, before.gpr, sizeof before.gpr);
  state.rip() = before.rip;
  state.set_rflags(stepped ? before.rflags | rflags::TF : before.rflags & ~rflags::TF);
  for (unsigned i = 0; i < kSegCount; ++i) load_segment(static_cast<Seg>(i), before.selectors[i]);
  if (test.size == CodeSize::Bits64) {
    state.segment(Seg::FS).base = before.fs_base;
    state.segment(Seg::GS).base = before.gs_base;
  }
  std::memcpy(static_cast<void*>(&state.x87), &before.fp, kX87Bytes);
  for (unsigned i = 0; i < 16; ++i) {
    std::memcpy(state.ymm[i], before.fp.xmm[i], 16);
    std::memcpy(state.ymm[i] + 16, before.ymm_high[i], 16);
  }
  state.halted = false;
  state.shutdown = false;
  state.interrupt_shadow = false;
  state.mov_ss_shadow = false;
  cpu_->set_cpl(3);
  cpu_->update_mode();
}

void GuestRunner::swap_signals() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    const struct sigaction wanted = signals_[i];
    sigaction(kSignals[i], &wanted, &signals_[i]);
  }
}

// The engine gets room for more than one instruction, or it would not translate. Behind the instruction stands
// a NOP, and all around HLT, which user code may not execute: the #GP there says that the instruction is done.
Outcome GuestRunner::run_engine(const TestCase& test) {
  cpu::CpuState& state = cpu_->state;
  swap_signals();
  // The test wrote its bytes past the machine's back.
  engine_->flush();
  const u64 end = state.retired + kMaxIterations;
  while (state.retired < end && !state.shutdown && !state.halted) engine_->run(end - state.retired);
  swap_signals();
  Outcome outcome;
  outcome.steps = 1;
  // There is no IDT: an exception is the first link of the chain that ends in a shutdown.
  if (!state.shutdown || cpu_->fault_chain().empty()) return outcome;
  const cpu::FaultRecord& fault = cpu_->fault_chain().front();
  if (fault.rip == test.before.rip) {
    outcome.faulted = true;
    outcome.vector = fault.vector;
    outcome.error_code = has_error_code(static_cast<Vector>(fault.vector)) ? fault.error_code : 0;
    if (static_cast<Vector>(fault.vector) == Vector::PF) outcome.cr2 = fault.cr2;
  }
  const u64 next = test.before.rip + test.length;
  state.rip() = fault.rip == next + 1 ? next : fault.rip;
  return outcome;
}

Outcome GuestRunner::run_handler(const TestCase& test) {
  cpu::CpuState& state = cpu_->state;
  Outcome outcome;
  cpu::Instruction insn;
  decoder_->decode(test.size, false, test.bytes, 15, insn);
  const auto fail = [&](const Fault& fault) {
    outcome.faulted = true;
    outcome.vector = static_cast<u8>(fault.vector);
    outcome.error_code = has_error_code(fault.vector) ? fault.error_code : 0;
    if (fault.vector == Vector::PF) outcome.cr2 = fault.address;
  };
  const u64 ip_mask = test.size == CodeSize::Bits64 ? ~u64{0} : test.size == CodeSize::Bits32 ? 0xffff'ffff : 0xffff;
  do {
    const u64 start = state.rip();
    state.rip() = (start + insn.length) & ip_mask;
    const Result<void> result = insn.handler(*cpu_, insn);
    ++outcome.steps;
    if (!result.ok()) {
      state.rip() = start;
      fail(result.error());
      break;
    }
    if (outcome.steps > kMaxIterations) {
      outcome.unfinished = true;
      break;
    }
  } while (test.repeats && state.rip() == test.before.rip);
  return outcome;
}

Outcome GuestRunner::run(const TestCase& test, MachineState& after) {
  const bool stepped = engine_ == nullptr || wants_handler(test, memory_);
  load(test, stepped);
  const Outcome outcome = stepped ? run_handler(test) : run_engine(test);
  const cpu::CpuState& state = cpu_->state;
  std::memcpy(after.gpr, state.gpr, sizeof after.gpr);
  after.rip = state.rip();
  after.rflags = state.rflags();
  if (!stepped) after.rflags |= rflags::TF;
  for (unsigned i = 0; i < kSegCount; ++i) after.selectors[i] = state.seg[i].selector;
  after.fs_base = state.segment(Seg::FS).base;
  after.gs_base = state.segment(Seg::GS).base;
  std::memcpy(static_cast<void*>(&after.fp), &state.x87, kX87Bytes);
  for (unsigned i = 0; i < 16; ++i) {
    std::memcpy(after.fp.xmm[i], state.ymm[i], 16);
    std::memcpy(after.ymm_high[i], state.ymm[i] + 16, 16);
  }
  return outcome;
}

std::string GuestRunner::disassemble(const TestCase& test) const {
  return decoder_->disassemble(test.size, test.bytes, test.length, test.before.rip);
}

}  // namespace doppel::differential
