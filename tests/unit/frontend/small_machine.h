#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "frontend/loaders/flat.h"
#include "frontend/machine.h"
#include "frontend/run_loop.h"

namespace doppel::frontend {

/// A machine of 2 MiB that starts a real-mode program at 0:7C00.
class SmallMachine {
 public:
  /// Changes the configuration before the machine is built.
  using Adjust = std::function<void(MachineConfig&)>;
  explicit SmallMachine(std::vector<u8> program, devices::ByteSink* serial = nullptr,
                        const Adjust& adjust = {})
      : SmallMachine(plan_of(std::move(program)), serial, adjust) {}
  explicit SmallMachine(loaders::BootPlan plan, devices::ByteSink* serial = nullptr,
                        const Adjust& adjust = {})
      : pool_(mmu::MachineMemory::create(u64{16} << 20).take()) {
    MachineConfig config(cpu::CpuModel::parse("max").take());
    config.ram_bytes = u64{2} << 20;
    config.board.debug_exit = devices::BoardConfig::DebugExit{0x501, 2};
    config.board.serial[0] = serial;
    if (adjust) adjust(config);
    auto made = Machine::create(config, pool_);
    REQUIRE(made.ok());
    machine_ = made.take();
    machine_->set_boot_plan(std::move(plan));
    machine_->reset();
  }

  static loaders::BootPlan plan_of(std::vector<u8> program) {
    loaders::BootPlan plan;
    plan.kind = "test";
    plan.pieces.push_back({PhysAddr(0x7c00), std::move(program)});
    plan.entry = loaders::entry_at(0x7c00);
    return plan;
  }

  Machine& operator*() { return *machine_; }
  Machine* operator->() { return machine_.get(); }

  RunOutcome run(RunConfig config = {}) {
    InputQueue queue;
    return run(queue, std::move(config));
  }
  RunOutcome run(InputQueue& queue, RunConfig config) {
    CharacterDevices characters;
    config.no_reboot = true;
    if (!config.flush_output) config.flush_output = [] {};
    if (!config.timeout_virtual_ns) config.timeout_virtual_ns = 5'000'000'000;
    RunLoop loop(*machine_, queue, characters, std::move(config));
    return loop.run();
  }

 private:
  mmu::MachineMemory pool_;
  std::unique_ptr<Machine> machine_;
};

/// Gathers what a serial port sends.
class TextSink final : public devices::ByteSink {
 public:
  void write(u8 byte) override { text += static_cast<char>(byte); }
  std::string text;
};

}  // namespace doppel::frontend
