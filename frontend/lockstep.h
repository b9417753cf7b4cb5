#pragma once

// `--engine lockstep`: two machines side by side, one with the engine that is checked, one with the
// interpreter.
//
// The run loop drives the first machine, the subject, as it drives any. Whatever reaches a machine
// from outside comes through few doors: a stretch of instructions, due events, a skip of time, an
// input byte, a reset. The lockstep stands at these doors and does the same to the second machine,
// the reference, at the same count of instructions. The reference's output goes nowhere. So both
// have devices and memory of their own, and both live in the same world.
//
// The processors are compared often, everything else (chips, memory) seldom, because that costs
// milliseconds. Compared too often, the engine under test would hardly run: a translated block is
// entered only where the budget lets it end, so a stretch has to be long against a block.
//
// What passed through the doors is written down. When a difference is found, a third machine repeats
// the run to the last point where all was equal (a run repeats exactly), and from there the stretch
// is tried again and again, each time half as long: `search`.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cpu/engine.h"
#include "frontend/machine.h"
#include "frontend/machine_difference.h"

namespace doppel::frontend {

class Lockstep {
 public:
  /// `subject` is complete but for this; the other machines are built beside it from `pool`.
  static Result<std::unique_ptr<Lockstep>, Error> create(Machine& subject,
                                                         mmu::MachineMemory& pool);

  // ---- the doors: called by the subject, before or after it does the same --------------------

  void boot_plan_set();
  void boot_context_taken();
  void reset();
  void run_due();
  void skip_to(u64 time_ns);
  void receive(InputPort port, u8 byte);
  void receive_frame(size_t card, std::span<const u8> frame);
  void press_power_button();
  void change_medium(const MediaChange& change);
  void press_nmi_button();
  void drop_caches();
  void request_taken(const std::optional<MachineRequest>& request);
  /// The subject was loaded: all begins anew from there.
  void loaded();
  cpu::ExitReason run(u64 budget);

  /// Compares everything, once more: for the end of a run.
  void compare_all();

  /// Found so far: one line, empty while both are the same.
  const std::string& difference() const { return difference_; }
  /// The same with all that is known about it.
  const std::string& report() const { return report_; }

  struct Counters {
    u64 comparisons = 0;
    u64 whole_comparisons = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  /// What passed a door.
  struct Step {
    enum class Kind : u8 {
      Run,
      Poke,
      RunDue,
      SkipTo,
      Receive,
      Frame,
      PowerButton,
      Medium,
      NmiButton,
      Reset,
      DropCaches,
      TakeRequest,
      Context
    };
    Kind kind = Kind::Run;
    InputPort port = InputPort::Serial0;
    u8 byte = 0;
    std::shared_ptr<const MediaChange> medium = nullptr;
    u64 value = 0;  ///< Run: until this many instructions have retired. SkipTo: the time. Frame: the card.
    std::vector<u8> frame = {};
  };

  Lockstep(Machine& subject, mmu::MachineMemory& pool);
  Result<std::unique_ptr<Machine>, Error> make_reference() const;
  void pass(const Step& step);
  void compare(bool whole);
  void found(std::string what);

  static void apply(Machine& machine, const Step& step);
  static void run_to(Machine& machine, u64 retired);
  /// Repeats the run from `step` on until so many instructions have retired.
  void repeat(Machine& machine, size_t& step, u64 until) const;
  u64 retired() const { return subject_.cpu().state.retired; }

  // lockstep_search.cpp
  struct Search;
  void search();
  std::string states() const;
  std::string trace_end(Search& search, u64 end);
  std::string listings(LinearAddr address);

  Machine& subject_;
  mmu::MachineMemory& pool_;
  std::unique_ptr<Machine> reference_;
  MachineDifference compare_;
  std::vector<u8> start_;  // A saved machine, if the run began with one.
  std::vector<Step> steps_;
  u64 next_comparison_ = 0;
  u64 next_whole_ = 0;
  u64 equal_ = 0;        // The processors were equal after so many instructions,
  u64 whole_equal_ = 0;  // and everything after so many.
  bool ahead_ = false;   // The subject took an event that the reference takes when it runs again.
  std::string difference_;
  std::string report_;
  Counters counters_;
};

}  // namespace doppel::frontend
