#include <algorithm>
#include <memory>

#include "frontend/machine.h"
#include "tests/guest/machines.h"
#include "tests/guest/start_state.h"

namespace doppel::guest {
namespace {

constexpr u64 kRam = u64{16} << 20;

struct Board {
  mmu::MachineMemory pool;
  std::unique_ptr<frontend::Machine> machine;
};

Outcome::Ending run_to_end(frontend::Machine& machine, u64 limit) {
  const cpu::CpuState& state = machine.cpu().state;
  devices::Scheduler& scheduler = machine.scheduler();
  const u64 end = state.retired + limit;
  for (u64 looks = 0; state.retired < end && looks < limit * 2; ++looks) {
    scheduler.run_due();
    if (machine.take_request()) return Outcome::Ending::Shutdown;
    const u64 budget = std::min(end - state.retired, scheduler.instructions_until_next());
    if (budget == 0) continue;
    switch (machine.run(budget)) {
      case cpu::ExitReason::Halted:
        if (!machine.cpu().interrupts_enabled()) return Outcome::Ending::Halted;
        if (scheduler.next_deadline_ns() == devices::Scheduler::kNever)
          return Outcome::Ending::LimitReached;
        scheduler.skip_to(scheduler.next_deadline_ns());
        break;
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

}  // namespace

Result<Outcome, Error> run_on_board(const Program& program, frontend::EngineKind engine) {
  DOPPEL_TRY(cpu::CpuModel model, cpu::CpuModel::parse(program.model));
  frontend::MachineConfig config(std::move(model));
  config.ram_bytes = kRam;
  config.engine = engine;
  config.jit.threshold = kTranslationThreshold;
  DOPPEL_TRY(mmu::MachineMemory pool,
             mmu::MachineMemory::create(frontend::Machine::frames_needed(config) << kPageShift));
  auto board = std::make_shared<Board>(Board{std::move(pool), nullptr});
  DOPPEL_TRY(board->machine, frontend::Machine::create(config, board->pool));
  frontend::Machine& machine = *board->machine;
  const bool translates = frontend::translator_statistics(machine.engine()) != nullptr;
  if (engine == frontend::EngineKind::Translator && !translates) return Error{"there is no translator here"};
  machine.reset();
  machine.memory().set_a20(true);
  place(program, machine.cpu());

  Outcome outcome;
  outcome.ending = run_to_end(machine, program.limit);
  for (const cpu::FaultRecord& record : machine.cpu().fault_chain()) {
    outcome.story += "vector " + std::to_string(record.vector) + " (" + record.failure + ") ";
  }
  outcome.state = machine.cpu().state;
  outcome.memory = [board](u64 address, unsigned size) {
    return board->machine->memory().read(PhysAddr(address), static_cast<Width>(size));
  };
  return outcome;
}

}  // namespace doppel::guest
