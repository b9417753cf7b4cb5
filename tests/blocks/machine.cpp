#include "tests/blocks/machine.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "cpu/arch/paging.h"
#include "cpu/segmentation.h"
#include "tests/blocks/engines.h"

namespace doppel::blocks {
namespace {

constexpr size_t kX87Bytes = 160;  // Both sides keep FXSAVE's layout up to the XMM registers.
constexpr u64 kSyscallFlags = rflags::TF | rflags::IF | rflags::DF;
constexpr u8 kUntouched = 0xf4;    // HLT: what a wild jump finds.

using Paging = std::array<u64, 5>;
Paging paging(const cpu::CpuState& state) { return {state.cr0, state.cr3, state.cr4, state.efer, state.pkru}; }

}  // namespace

BlockMachine::BlockMachine(mmu::MachineMemory memory)
    : machine_(std::move(memory)), pmap_(machine_, kRamBytes >> kPageShift), physical_(pmap_, mmio_) {}

Result<std::unique_ptr<BlockMachine>, Error> BlockMachine::create(std::string_view engine, unsigned threshold) {
  DOPPEL_TRY(mmu::MachineMemory memory, mmu::MachineMemory::create(kRamBytes));
  std::unique_ptr<BlockMachine> machine(new BlockMachine(std::move(memory)));
  DOPPEL_TRY(machine->build(engine, threshold));
  return machine;
}

Result<void, Error> BlockMachine::build(std::string_view engine, unsigned threshold) {
  if (!pmap_.add_ram(PhysAddr(0), kRamBytes)) return Error{"no guest memory"};
  DOPPEL_TRY(model_, cpu::CpuModel::parse("max"));
  cpu_.reset(new cpu::Cpu(model_, physical_, *this));
  physical_.tracking().set_protect_hook([this](PhysAddr page) { cpu_->mmu.page_became_tracked(page); });
  cpu_->reset();
  DOPPEL_TRY(engine_, make_engine(engine, *cpu_, threshold));
  write_tables();
  pristine_.resize(kLowSets);
  physical_.read_bytes(PhysAddr(0), pristine_);
  pristine_warm_ = pristine_;
  for (u64 at = kPageTables; at < next_table_; at += 4) {
    u32 entry;
    std::memcpy(&entry, pristine_.data() + at, sizeof entry);
    if ((entry & pte::P) != 0) entry |= pte::A | pte::D;
    std::memcpy(pristine_warm_.data() + at, &entry, sizeof entry);
  }
  return {};
}

void BlockMachine::put(u64 physical, const void* bytes, size_t size) {
  physical_.write_bytes(PhysAddr(physical), {static_cast<const u8*>(bytes), size});
}

void BlockMachine::place(const BlockCase& block, const LaidOut& code) {
  const std::vector<u8>& from = block.warm ? pristine_warm_ : pristine_;
  if (touched_low_) {
    put_back({0, kLowSets}, from);
  } else {
    BlockCase paged;
    for (const Window& window : windows(paged)) {
      if (window.first < kLowSets) put_back(window, from);
    }
  }
  touched_low_ = block.setting == Setting::Real;
  const u64 frames = code_frames(block);
  std::vector<u8> page(kSetFrames * kPageSize, kUntouched);
  std::copy(code.main.begin(), code.main.end(), page.begin() + block.entry_offset);
  std::copy(code.other.begin(), code.other.end(), page.begin() + static_cast<long>(kOtherPage) + block.other_offset);
  // What stands in for the other page does other things at the same place.
  Random random(block.replacement_seed);
  for (u64 at = 3 * kPageSize; at < 4 * kPageSize; ++at) {
    static constexpr u8 kHarmless[] = {0x90, 0xf8, 0xf9, 0xf5, 0x98, 0xc3, 0xf4};  // NOP CLC STC CMC CBW RET HLT
    page[at] = kHarmless[random.below(sizeof kHarmless)];
  }
  put(frames, page.data(), page.size());
  map_code(block);
}

void BlockMachine::put_back(const Window& window, const std::vector<u8>& from) {
  for (u64 at = window.first; at < window.first + window.bytes; at += kPageSize) {
    if (std::memcmp(host(at), from.data() + at, kPageSize) == 0) continue;
    put(at, from.data() + at, kPageSize);
  }
}

std::vector<Window> BlockMachine::windows(const BlockCase& block) const {
  if (block.setting == Setting::Real) return {{0, kRealModeEnd}};
  return {{0, next_table_},
          {kDataFrames, kDataFrameCount * kPageSize},
          {kStackFrames, kStackFrameCount * kPageSize},
          {code_frames(block), kSetFrames * kPageSize}};
}

void BlockMachine::load(const BlockCase& block, const RunSpec& run, bool first) {
  cpu::CpuState& state = cpu_->state;
  const u64 retired = state.retired;
  const bool long_mode = is_long(block.setting);
  const Paging before = paging(state);
  // Not Cpu::reset: translations of addresses stay warm from run to run, as in a running system.
  state = cpu::CpuState{};
  state.retired = retired;
  state.dr[6] = dr6::kFixedOnes;
  state.dr[7] = dr7::kFixedOnes;
  cpu_->pdpte = {};
  start_ = retired;
  tsc_offset_ = 0;
  cr8_ = 0;
  cpu_->set_intr(false);
  (void)cpu_->mmu.take_breakpoint_hits();

  state.cr0 = cr0::ET | cr0::NE | cr0::MP;
  state.cr4 = cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
  state.efer = efer::SCE;
  state.xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX;
  state.idtr = {0, 0x3ff};
  if (block.setting != Setting::Real) {
    state.cr0 |= cr0::PE | cr0::PG | cr0::WP | cr0::AM;
    state.cr3 = long_mode ? kPageTables : directory_;
    state.gdtr = {kSystem + kGdt, kGdtLimit};
    state.idtr = long_mode ? cpu::TableRegister{kSystem + kIdt64, 256 * 16 - 1} : cpu::TableRegister{kSystem + kIdt32, 256 * 8 - 1};
  }
  if (long_mode) {
    state.cr4 |= cr4::PAE | cr4::FSGSBASE;
    state.efer |= efer::LME | efer::LMA | efer::NXE;
    state.star = u64{selector_of(kCode64, 0)} << 32;
    state.lstar = state.cstar = kSystem + kHandlers + kHaltHandler;
    state.sfmask = kSyscallFlags;
  }
  state.ldtr = {};
  state.tr = {long_mode ? kSystem + kTss64 : kSystem + kTss32, 103, long_mode ? kTss64Selector : kTss32Selector,
              attr::P | static_cast<u16>(SystemType::TssBusy), 1, 0};
  state.ldtr.update_window();
  state.tr.update_window();

  const StartState& start = run.start;
  std::memcpy(state.gpr, start.gpr, sizeof start.gpr);
  state.rip() = code_linear(block) - code_segment_base(block) + block.entry_offset;
  state.set_rflags(start.rflags);
  state.cpl = is_kernel(block.setting) ? 0 : 3;
  load_segments(block);
  if (block.size == CodeSize::Bits64) {
    state.segment(Seg::FS).base = start.fs_base;
    state.segment(Seg::GS).base = start.gs_base;
  }
  std::memcpy(static_cast<void*>(&state.x87), &start.fp, kX87Bytes);
  for (unsigned i = 0; i < 16; ++i) {
    std::memcpy(state.ymm[i], start.fp.xmm[i], 16);
    std::memcpy(state.ymm[i] + 16, start.ymm_high[i], 16);
  }
  if (first || paging(state) != before) cpu_->update_paging();
  cpu_->update_mode();
  // Walks must not depend on what the cases before have taught.
  const bool have_changed = have_tables_changed();
  if (first) {
    cpu_->mmu.start_anew();
  } else if (have_changed) {
    cpu_->mmu.flush_all();
  }
}

/// Since the last call, but for accessed and dirty bits. A run may end between its change of a page table
/// and its INVLPG: when an old translation is walked anew is then each engine's own affair.
bool BlockMachine::have_tables_changed() {
  constexpr u64 kAccessedDirty = 0x60'0000'0060;
  constexpr u64 kEntries = kPageSize / sizeof(u64);
  tables_seen_.resize((next_table_ - kPageTables) / sizeof(u64));
  bool changed = false;
  for (u64 at = kPageTables; at < next_table_; at += kPageSize) {
    u64* seen = tables_seen_.data() + (at - kPageTables) / sizeof(u64);
    const u8* page = host(at);
    if (std::memcmp(page, seen, kPageSize) == 0) continue;  // Nearly all of them.
    std::array<u64, kEntries> now;
    std::memcpy(now.data(), page, kPageSize);
    for (u64 i = 0; i < kEntries; ++i) changed = changed || ((now[i] ^ seen[i]) & ~kAccessedDirty) != 0;
    std::copy(now.begin(), now.end(), seen);
  }
  return changed;
}

void BlockMachine::load_segments(const BlockCase& block) {
  for (unsigned i = 0; i < kSegCount; ++i) {
    cpu::SegmentRegister& reg = cpu_->state.seg[i];
    reg = cpu::SegmentRegister{};
    const u16 selector = block.selectors[i];
    if (is_low(block.setting)) {
      cpu::set_real_segment(reg, selector, block.setting == Setting::V86);
      continue;
    }
    reg.selector = selector;
    if ((selector & 0xfffc) != 0) {
      u64 low;
      std::memcpy(&low, pristine_.data() + kGdt + (selector & 0xfff8), 8);
      const Descriptor descriptor{low, 0};
      reg.base = descriptor.base32();
      reg.limit = descriptor.limit();
      reg.attributes = descriptor.attributes();
    }
    reg.update_window();
  }
}

bool BlockMachine::run_to(u64 target) {
  // Each return without progress is one look around; a machine that only looks around must end too.
  for (u64 looks = 0; cpu_->state.retired < target && looks < 1000; ++looks) {
    switch (engine_->run(target - cpu_->state.retired)) {
      case cpu::ExitReason::Halted:
      case cpu::ExitReason::Shutdown:
      case cpu::ExitReason::OutsideMemory:
        return false;
      case cpu::ExitReason::BudgetSpent:
      case cpu::ExitReason::Attention:
        break;
    }
  }
  return !cpu_->state.halted && !cpu_->state.shutdown;
}

void BlockMachine::raise_interrupt() { cpu_->set_intr(true); }

}  // namespace doppel::blocks
