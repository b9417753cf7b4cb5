#include <algorithm>
#include <map>
#include <memory>

#include "cpu/environment.h"
#include "mmu/machine_memory.h"
#include "mmu/pmap.h"
#include "tests/guest/machines.h"
#include "tests/guest/start_state.h"

namespace doppel::guest {
namespace {

constexpr u64 kLowRam = u64{8} << 20;
constexpr u64 kHighStart = u64{1} << 32;
constexpr u64 kHighRam = u64{4} << 20;

constexpr u16 kPortNmi = 0xf4;
constexpr u16 kPortIntr = 0xf5;
constexpr u16 kPortIntrLater = 0xf6;
constexpr u16 kPortVector = 0xf7;

class BareMachine final : private cpu::Environment {
 public:
  BareMachine(mmu::MachineMemory pool, const cpu::CpuModel& model)
      : pool_(std::move(pool)),
        pmap_(pool_, (kLowRam + kHighRam) >> kPageShift),
        memory_(pmap_, mmio_),
        cpu_(model, memory_, *this) {
    memory_.tracking().set_protect_hook(
        [this](PhysAddr page) { cpu_.mmu.page_became_tracked(page); });
  }

  Result<void, Error> build(frontend::EngineKind kind) {
    jit::TranslatorOptions options;
    options.threshold = kTranslationThreshold;
    DOPPEL_TRY(engine_, frontend::make_engine(kind, cpu_, options));
    // Where there is no translator the frontend takes the interpreter; a test must not.
    const bool translates = frontend::translator_statistics(*engine_) != nullptr;
    if (kind == frontend::EngineKind::Translator && !translates) return Error{"there is no translator here"};
    if (!pmap_.add_ram(PhysAddr(0), kLowRam) || !pmap_.add_ram(PhysAddr(kHighStart), kHighRam)) {
      return Error{"the memory cannot be laid out"};
    }
    return {};
  }

  Outcome run(const Program& program) {
    cpu_.reset();
    place(program, cpu_);
    Outcome outcome;
    outcome.ending = run_to_end(program.limit);
    for (const cpu::FaultRecord& record : cpu_.fault_chain()) {
      outcome.story += "vector " + std::to_string(record.vector) + " (" + record.failure + ") ";
    }
    outcome.state = cpu_.state;
    outcome.memory = [this](u64 address, unsigned size) {
      return memory_.read(PhysAddr(address), static_cast<Width>(size));
    };
    return outcome;
  }

 private:
  Outcome::Ending run_to_end(u64 limit) {
    const cpu::CpuState& state = cpu_.state;
    const u64 end = state.retired + limit;
    // Each return without progress is one look around; a machine that only looks around ends too.
    for (u64 looks = 0; state.retired < end && looks < limit * 2; ++looks) {
      if (state.retired >= interrupt_at_) {
        interrupt_at_ = kNever;
        cpu_.set_intr(true);
      }
      switch (engine_->run(std::min(end, interrupt_at_) - state.retired)) {
        case cpu::ExitReason::Halted:
          return Outcome::Ending::Halted;
        case cpu::ExitReason::Shutdown:
          return Outcome::Ending::Shutdown;
        case cpu::ExitReason::OutsideMemory:
          return Outcome::Ending::OutsideMemory;
        case cpu::ExitReason::BudgetSpent:
        case cpu::ExitReason::Attention:
          break;
      }
    }
    return Outcome::Ending::LimitReached;
  }

  u64 read_port(u16 port, Width width) override {
    u64 value = 0;
    for (unsigned i = 0; i < bytes(width); ++i) {
      const auto found = latches_.find(static_cast<u16>(port + i));
      value |= u64{found == latches_.end() ? u8{0xff} : found->second} << (i * 8);
    }
    return value;
  }
  void write_port(u16 port, Width width, u64 value) override {
    for (unsigned i = 0; i < bytes(width); ++i) {
      latches_[static_cast<u16>(port + i)] = static_cast<u8>(value >> (i * 8));
    }
    if (port == kPortNmi) cpu_.raise_nmi();
    if (port == kPortIntr) {
      latches_[kPortVector] = static_cast<u8>(value);
      cpu_.set_intr(true);
    }
    if (port == kPortIntrLater) {
      interrupt_at_ = cpu_.state.retired + (value & 0xff);
      cpu_.attention = true;
    }
  }
  u8 acknowledge_interrupt() override {
    cpu_.set_intr(false);
    return latches_[kPortVector];
  }
  bool read_msr(u32, u64&) override { return false; }
  bool write_msr(u32, u64) override { return false; }
  u8 cr8() override { return cr8_; }
  void set_cr8(u8 value) override { cr8_ = value; }
  u64 tsc() override { return cpu_.state.retired + tsc_offset_; }
  void set_tsc(u64 value) override { tsc_offset_ = value - cpu_.state.retired; }
  u64 tsc_adjust() override { return tsc_offset_; }
  void set_tsc_adjust(u64 value) override { tsc_offset_ = value; }
  void wait(u64) override {}
  void set_ferr(bool) override {}

  static constexpr u64 kNever = ~u64{0};

  mmu::MachineMemory pool_;
  mmu::IoMap mmio_;
  mmu::Pmap pmap_;
  mmu::PhysicalMemory memory_;
  cpu::Cpu cpu_;
  std::unique_ptr<cpu::Engine> engine_;
  std::map<u16, u8> latches_;
  u64 interrupt_at_ = kNever;
  u64 tsc_offset_ = 0;
  u8 cr8_ = 0;
};

}  // namespace

Result<Outcome, Error> run_on_bare_machine(const Program& program, frontend::EngineKind engine) {
  DOPPEL_TRY(const cpu::CpuModel model, cpu::CpuModel::parse(program.model));
  DOPPEL_TRY(mmu::MachineMemory pool, mmu::MachineMemory::create(kLowRam + kHighRam));
  // The outcome reads the machine's memory: it lives as long.
  auto machine = std::make_shared<BareMachine>(std::move(pool), model);
  DOPPEL_TRY(machine->build(engine));
  Outcome outcome = machine->run(program);
  outcome.memory = [machine, read = outcome.memory](u64 address, unsigned size) {
    return read(address, size);
  };
  return outcome;
}

}  // namespace doppel::guest
