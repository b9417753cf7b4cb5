#include "benchmarks/micro/bench_machine.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "benchmarks/micro/engines.h"

namespace doppel::bench {
namespace {

constexpr u64 kGdt = 0x1000;
constexpr u64 kIdt = 0x2000;
constexpr u64 kTss = 0x3000;
constexpr u64 kRoot = 0x10'0000;
constexpr u64 kPdpt = 0x10'1000;
constexpr u64 kLowDirectory = 0x10'2000;
constexpr u64 kSmallDirectory = 0x10'3000;
constexpr u64 kSmallTables = 0x14'0000;  // 64 of them.
constexpr u64 kTableRights = pte::P | pte::W | pte::U;
constexpr u64 kRights = kTableRights | pte::A | pte::D;

constexpr u16 kCodeSelector = 0x08, kDataSelector = 0x10, kTssSelector = 0x28;

[[noreturn]] void fail(const std::string& reason) {
  std::fprintf(stderr, "doppel_bench: %s\n", reason.c_str());
  std::exit(2);
}

template <class T>
T take(Result<T, Error> result) {
  if (!result.ok()) fail(result.error().message);
  return result.take();
}

double cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

cpu::SegmentRegister segment(u16 selector, u64 base, u32 limit, u16 attributes) {
  cpu::SegmentRegister result;
  result.selector = selector;
  result.base = base;
  result.limit = limit;
  result.attributes = attributes;
  result.update_window();
  return result;
}

}  // namespace

BenchMachine::BenchMachine(std::string_view engine)
    : pool_(take(mmu::MachineMemory::create(kRam))),
      pmap_(pool_, kRam >> kPageShift),
      memory_(pmap_, mmio_),
      cpu_(take(cpu::CpuModel::parse("max")), memory_, *this) {
  if (!pmap_.add_ram(PhysAddr(0), kRam)) fail("the memory cannot be laid out");
  memory_.tracking().set_protect_hook(
      [this](PhysAddr page) { cpu_.mmu.page_became_tracked(page); });
  cpu_.reset();
  write_tables();
  enter_long_mode();
  engine_ = take(make_engine(engine, cpu_));
}

void BenchMachine::poke(u64 address, u64 value) {
  memory_.write(PhysAddr(address), Width::Qword, value);
}

void BenchMachine::write(const Code& code) {
  memory_.write_bytes(PhysAddr(code.origin()), code.bytes());
}

// "64-Bit IDT Gate Descriptors" (Intel SDM Vol. 3A): type 14, present, open to user code.
void BenchMachine::set_vector(u8 vector, u64 handler) {
  poke(kIdt + vector * 16u, (handler & 0xffff) | u64{kCodeSelector} << 16 | u64{0xee00} << 32 |
                                (handler >> 16 & 0xffff) << 48);
  poke(kIdt + vector * 16u + 8, handler >> 32);
}

void BenchMachine::write_tables() {
  for (const u64 root : {kRoot, kOtherRoot}) poke(root, kPdpt | kTableRights);
  poke(kPdpt, kLowDirectory | kTableRights);
  poke(kPdpt + (kSmallPages >> 30) * 8, kSmallDirectory | kTableRights);
  for (u64 i = 0; i < kRam >> 21; ++i) poke(kLowDirectory + i * 8, i << 21 | kRights | pte::PS);
  for (u64 i = 0; i < kSmallPageCount / 512; ++i) {
    poke(kSmallDirectory + i * 8, (kSmallTables + (i << kPageShift)) | kTableRights);
  }
  for (u64 i = 0; i < kSmallPageCount; ++i) {
    poke(kSmallTables + i * 8, (kData + (i << kPageShift) % (u64{8} << 20)) | kRights);
  }
  // A kernel code segment, data, user data and code as SYSRET wants them, the TSS.
  poke(kGdt + kCodeSelector, 0x00af'9b00'0000'ffff);
  poke(kGdt + kDataSelector, 0x00cf'9300'0000'ffff);
  poke(kGdt + 0x18, 0x00cf'f300'0000'ffff);
  poke(kGdt + 0x20, 0x00af'fb00'0000'ffff);
  poke(kGdt + kTssSelector, 0x0000'8b00'0000'0067 | kTss << 16);
  poke(kGdt + kTssSelector + 8, 0);
  poke(kTss + 4, kStack);
}

void BenchMachine::enter_long_mode() {
  cpu::CpuState& s = cpu_.state;
  s.gdtr = {kGdt, 0x7f};
  s.idtr = {kIdt, 0xfff};
  s.tr = segment(kTssSelector, kTss, 0x67, 0x08b);
  s.ldtr = {};
  for (cpu::SegmentRegister& one : s.seg) one = segment(kDataSelector, 0, 0xffff'ffff, 0xc93);
  s.segment(Seg::CS) = segment(kCodeSelector, 0, 0xffff'ffff, 0xa9b);
  s.cpl = 0;
  s.cr3 = kRoot;
  s.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT;
  s.efer = efer::LME | efer::LMA | efer::SCE | efer::NXE;
  s.cr0 = cr0::PE | cr0::ET | cr0::NE | cr0::WP | cr0::PG;
  s.star = u64{kCodeSelector} << 32 | u64{0x10} << 48;
  s.lstar = kHandler;
  cpu_.update_paging();
  cpu_.update_mode();
  cpu_.mmu.flush_all();
}

double BenchMachine::run(u64 start) {
  cpu::CpuState& s = cpu_.state;
  s.gpr[RSP] = kStack;
  s.rip() = start;
  s.halted = false;
  const double began = cpu_ns();
  for (;;) {
    switch (engine_->run(u64{1} << 32)) {
      case cpu::ExitReason::Halted:
        return cpu_ns() - began;
      case cpu::ExitReason::Shutdown:
      case cpu::ExitReason::OutsideMemory: {
        char place[64];
        std::snprintf(place, sizeof place, "the guest died at 0x%llx",
                      static_cast<unsigned long long>(s.rip()));
        fail(place);
      }
      case cpu::ExitReason::BudgetSpent:
      case cpu::ExitReason::Attention:
        break;
    }
  }
}

}  // namespace doppel::bench
