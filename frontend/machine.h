#pragma once

// The machine put together: memory, processor, board and engine.
//
// Here, and only here, the processor meets the chips. The machine turns the processor's questions
// (ports, acknowledge cycles, the local APIC's MSRs) over to the board, and the board's wires
// (INTR, NMI, A20, reset) back. What chips ask of the machine as a whole is kept as a request that
// the run loop takes between instructions. Nothing is global: a process may hold many machines.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "cpu/environment.h"
#include "devices/pc_board.h"
#include "devices/scheduler.h"
#include "frontend/engine_choice.h"
#include "frontend/loaders/boot_plan.h"
#include "frontend/media_change.h"
#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"

namespace doppel::frontend {

struct MachineConfig {
  explicit MachineConfig(cpu::CpuModel processor) : model(std::move(processor)) {}

  u64 ram_bytes = u64{128} << 20;
  cpu::CpuModel model;
  unsigned icount_shift = 0;  ///< An instruction takes 2^shift ns.
  u64 seed = 0;
  EngineKind engine = kDefaultEngine;
  jit::TranslatorOptions jit;
  mmu::PagingScheme paging = kDefaultPaging;
  /// Both in instructions. @see frontend/lockstep.h
  struct LockstepIntervals {
    u64 interval = 10'000;            ///< Between comparisons of the processors,
    u64 whole_interval = 20'000'000;  ///< and between those of everything.
  };
  LockstepIntervals lockstep;
  /// Tests: another engine in place of the one that `engine` names.
  std::function<std::unique_ptr<cpu::Engine>(cpu::Cpu&)> own_engine;
  std::vector<u8> firmware;  ///< Empty: direct boot, and RAM where firmware would be.
  /// `ram_bytes` and `cpus` are filled in by the machine.
  devices::BoardConfig board;
};

/// What a chip asked of the machine.
struct MachineRequest {
  enum class Kind : u8 { Reset, Shutdown, Exit, Panic, CrashLoaded };
  Kind kind = Kind::Reset;
  devices::MachineControl::ResetCause cause = devices::MachineControl::ResetCause::Other;
  int status = 0;  ///< Exit.
  bool operator==(const MachineRequest&) const = default;
};

/// Where bytes reach a machine from outside.
enum class InputPort : u8 { Serial0, Serial1, Keyboard, Mouse, Console };

class Lockstep;

class Machine final : private cpu::Environment,
                      private devices::ProcessorLines,
                      private devices::MachineControl {
 public:
  /// Frames come from `pool`, which must outlive the machine, as must the sinks in `config`.
  static Result<std::unique_ptr<Machine>, Error> create(const MachineConfig& config,
                                                        mmu::MachineMemory& pool);
  ~Machine() override;

  /// Frames that `create` may take at most, for sizing a pool.
  static u64 frames_needed(const MachineConfig& config);

  /// Writes the ACPI tables and says what a loader must know; for direct boots.
  loaders::BootContext boot_context();
  /// What every reset starts from now on.
  void set_boot_plan(loaders::BootPlan plan);
  const loaders::BootPlan& boot_plan() const { return boot_plan_; }

  // What the run loop does to a machine. These are all doors by which anything gets in; a lockstep
  // does the same to its reference.

  /// The RESET line: chips and processor, then the boot plan. Needed once before the first run.
  void reset();
  std::optional<MachineRequest> take_request();
  cpu::ExitReason run(u64 budget);
  /// Events whose time has come.
  void run_due();
  /// A halted machine: time jumps.
  void skip_to(u64 time_ns);
  /// A byte from outside; there must be room for it.
  void receive(InputPort port, u8 byte);
  devices::ByteReceiver& receiver(InputPort port);
  /// A frame from outside, for a card that can receive.
  void receive_frame(size_t card, std::span<const u8> frame);
  /// False where there is no such card, too.
  bool can_receive_frame(size_t card);
  /// The button at the front, which the guest may ignore.
  void press_power_button();
  /// Where the guest has locked the door and `force` is not given, it is only asked.
  void change_medium(const MediaChange& change);
  /// The drive's number on the board; by its name.
  std::optional<size_t> find_drive(std::string_view name) const;
  /// Opens what a change names, for a drive that exists. @errors "NAME: reason"
  Result<void, Error> open_medium(MediaChange& change) const;
  /// The NMI pin: what an operator's button does on a server.
  void press_nmi_button();
  /// Null unless the engine is `lockstep`.
  Lockstep* lockstep() { return lockstep_.get(); }

  /// Forgets what was derived from memory: decoded code and translations. No effect on the guest.
  void drop_caches();

  cpu::Cpu& cpu() { return *cpu_; }
  const cpu::Cpu& cpu() const { return *cpu_; }
  cpu::Engine& engine() { return *engine_; }
  const cpu::Engine& engine() const { return *engine_; }
  devices::PcBoard& board() { return *board_; }
  /// What the graphics card shows; null if there is none.
  devices::DisplaySource* display() { return board_->display(); }
  devices::Scheduler& scheduler() { return *scheduler_; }
  mmu::PhysicalMemory& memory() { return memory_; }
  const mmu::PhysicalMemory& memory() const { return memory_; }
  mmu::Pmap& pmap() { return pmap_; }
  const mmu::Pmap& pmap() const { return pmap_; }
  u64 now_ns() const { return scheduler_->now_ns(); }
  const MachineConfig& config() const { return config_; }
  /// The first sentence of `--mmu check`; empty while shadow page tables and walks agree.
  const std::string& paging_mismatch() const { return paging_mismatch_; }
  /// What runs it in truth: "interp", "jit" or "lockstep".
  std::string_view engine_name() const;

  /// Everything the guest could tell apart. A machine that failed to load must be thrown away.
  void serialize(Archive& archive);
  /// The same without the contents of memory, which must be there before this is loaded.
  void serialize_chips(Archive& archive);
  /// 32 hexadecimal digits: equal for machines that no guest could tell apart.
  std::string state_hash();

  // ---- for the lockstep: this machine alone, without its reference ---------------------------

  void reset_alone();
  void place(const loaders::Piece& piece);
  void change_medium_alone(const MediaChange& change);
  void serialize_alone(Archive& archive);
  const std::optional<MachineRequest>& pending_request() const { return request_; }
  void forget_request() { request_.reset(); }
  /// Takes over the state of a machine of the same configuration. Engines keep what they derived
  /// from memory that is the same in both.
  void become(Machine& other);

 private:
  Machine(const MachineConfig& config, mmu::MachineMemory& pool);
  Result<void, Error> lay_out_memory();
  Result<void, Error> place_firmware();

  // cpu::Environment
  u64 read_port(u16 port, Width width) override;
  void write_port(u16 port, Width width, u64 value) override;
  void pass_bus_time(u16 port);
  u8 acknowledge_interrupt() override;
  bool read_msr(u32 index, u64& value) override;
  bool write_msr(u32 index, u64 value) override;
  u8 cr8() override;
  void set_cr8(u8 priority) override;
  u64 tsc() override;
  std::optional<u64> tsc_base() override;
  void set_tsc(u64 value) override;
  u64 tsc_adjust() override;
  void set_tsc_adjust(u64 value) override;
  void wait(u64 time_ns) override;
  void set_ferr(bool level) override;

  // devices::ProcessorLines
  void set_intr(bool level) override;
  void raise_nmi() override;
  void raise_init() override;
  void raise_startup(u8 vector) override;

  // devices::MachineControl
  void request_reset(ResetCause cause) override;
  void request_shutdown() override;
  void request_exit(int status) override;
  void report_guest(GuestEvent event) override;
  void set_a20(bool on) override;
  void request(const MachineRequest& wanted);
  void loaded();
  void note_paging_mismatch(std::string what);

  const MachineConfig config_;
  mmu::Pmap pmap_;
  mmu::IoMap ports_;
  mmu::IoMap mmio_;
  mmu::PhysicalMemory memory_;
  std::unique_ptr<cpu::Cpu> cpu_;
  std::unique_ptr<devices::Scheduler> scheduler_;
  std::unique_ptr<devices::PcBoard> board_;
  std::unique_ptr<cpu::Engine> engine_;
  loaders::BootPlan boot_plan_;
  std::optional<MachineRequest> request_;
  std::unique_ptr<Lockstep> lockstep_;
  std::string paging_mismatch_;
  std::set<std::string> paging_mismatches_;  // Each is told once.
};

}  // namespace doppel::frontend
