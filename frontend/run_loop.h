#pragma once

// What drives a machine from one event to the next until the run ends.
//
//     look around: events due, wishes of chips, host input, limits
//     run:         as many instructions as fit before the next event
//     halted:      virtual time jumps to the next event, or waits for it where a person is typing
//
// Everything the guest can notice depends on instruction counts and virtual time alone; the host's
// clock decides only when the host is looked at. So the same command gives the same run.

#include <functional>
#include <optional>
#include <string>

#include "frontend/character/devices.h"
#include "frontend/host_front.h"
#include "frontend/input_queue.h"
#include "frontend/machine.h"
#include "frontend/network/host_networks.h"
#include "frontend/pacer.h"
#include "frontend/run_events.h"
#include "frontend/script.h"
#include "frontend/state_directory.h"

namespace doppel::frontend {

/// What follows when a guest says that it crashed (-action panic=).
enum class PanicAction : u8 { None, Pause, Shutdown, ExitFailure };

struct RunConfig {
  bool no_reboot = false;
  bool no_shutdown = false;
  PanicAction on_panic = PanicAction::ExitFailure;
  bool start_paused = false;
  bool real_time = false;      ///< An idle machine waits as long as its virtual time takes.
  bool keep_pace = false;      ///< A busy one neither runs ahead of the host's time nor falls behind.
  HostFront* front = nullptr;  ///< A window, which must outlive the loop; null: there is none.
  /// For the window's title; empty: there is no disk.
  std::function<u64()> disk_accesses;
  std::optional<u64> timeout_virtual_ns;
  std::optional<u64> timeout_host_ns;
  /// Called once when virtual time reaches `save_at_ns`.
  std::optional<u64> save_at_ns;
  std::function<Result<void, Error>()> save;
  /// Brings a saved machine back, by its name. `after` says whether this one is still good.
  std::function<Result<void, Error>(const std::string& name, MachineAfter& after)> load;
  /// Called often enough that what the guest wrote appears at once.
  std::function<void()> flush_output;
  std::function<void()> after_reset;
  /// Is told what happens to the machine; may be empty.
  RunObserver observer;
  /// What network cards speak to; null: nothing. It must outlive the loop.
  HostNetworks* networks = nullptr;
  /// Acts on the machine by itself; may be null. It must outlive the loop.
  Script* script = nullptr;
  Script::World script_world;
};

struct RunOutcome {
  enum class Kind : u8 {
    Shutdown,   ///< The guest switched the machine off.
    Reset,      ///< The guest reset the machine, and -no-reboot.
    DebugExit,  ///< isa-debug-exit.
    Panic,      ///< The guest said so (pvpanic).
    Quit,       ///< The person ended it.
    Signal,
    TripleFault,
    OutsideMemory,  ///< The processor fetches from where nothing is.
    Deadlock,       ///< Halted, and nothing can wake it.
    VirtualTimeout,
    HostTimeout,
    ReplayDiverged,
    NotSeen,        ///< A text that the script expects did not come.
    EnginesDiffer,  ///< Lockstep: the two machines are no longer the same.
    PagingDiffers,  ///< --mmu check: the shadow page tables and the walk disagree.
    Failed,         ///< The host could not do something that was asked for.
  };
  Kind kind = Kind::Shutdown;
  int status = 0;
  std::string reason;   ///< A line.
  std::string details;  ///< More lines, for the person only.

  /// Stable word for reports: "shutdown", "triple_fault", ...
  const char* name() const;
  /// The guest died: somebody will want to know of what.
  bool is_death() const {
    return kind == Kind::Panic || kind == Kind::TripleFault || kind == Kind::OutsideMemory || kind == Kind::Deadlock;
  }
};

class RunLoop {
 public:
  /// References must outlive the loop.
  RunLoop(Machine& machine, InputQueue& queue, CharacterDevices& characters, RunConfig config);

  RunOutcome run();

  // The monitor's wishes; they take effect between instructions.
  void pause();
  /// False: the machine is off, and only a reset brings it back.
  bool resume();
  void quit() { quit_ = true; }
  /// Another machine takes this one's place, as soon as nothing is under way.
  void load(std::string name) { load_wanted_ = std::move(name); }
  bool load_wanted() const { return load_wanted_.has_value(); }
  bool paused() const { return paused_; }
  enum class State : u8 { Running, Paused, Prelaunch, Shutdown };
  State state() const;
  u64 resets() const { return resets_; }

 private:
  using Ending = std::optional<RunOutcome>;

  RunOutcome run_to_end();
  Ending look_around();
  Ending take_request();
  Ending after_panic();
  Ending after_triple_fault();
  Ending check_engines();
  Ending check_limits();
  Ending save_if_due();
  Ending load_if_wanted();
  Ending follow_script();
  Ending deliver_input();
  Ending visit_host();
  Ending wait_paused();
  Ending idle();
  Ending dead(std::string reason);
  Ending wait_for_input_only();
  bool wait_for_person(i64 most_ns);
  bool poll_front();
  bool poll_outside(i64 timeout_ns);
  void keep_pace();
  void follow_network();
  bool network_open() const { return config_.networks != nullptr && config_.networks->is_open(); }
  void skip_in_real_time(u64 until_ns);
  u64 budget() const;
  void reset_machine(RunEvent::Cause cause);
  void tell(RunEvent::Kind kind, RunEvent::Cause cause = RunEvent::Cause::None) const;
  bool inside_string_instruction();
  bool quit_requested() const;
  bool window_closed() const;
  bool input_open() const {
    return characters_.can_receive() || config_.front != nullptr || network_open();
  }
  i64 host_ns() const;
  i64 host_time_left(i64 most_ns) const;

  Machine& machine_;
  InputQueue& queue_;
  CharacterDevices& characters_;
  RunConfig config_;
  bool paused_ = false;
  bool quit_ = false;
  std::optional<std::string> load_wanted_;
  bool launched_ = false;   // Has run since the start.
  bool shut_down_ = false;  // -no-shutdown: off, and still here.
  u64 resets_ = 0;
  i64 started_ns_ = 0;
  i64 visited_ns_ = 0;
  i64 flushed_ns_ = 0;
  i64 front_ns_ = 0;
  i64 shown_ns_ = 0;
  bool network_was_open_ = false;
  Pacer pacer_;
  u64 dead_since_ns_ = 0;          // Halted with interrupts off since then,
  u64 dead_at_retired_ = ~u64{0};  // at this count.
};

}  // namespace doppel::frontend
