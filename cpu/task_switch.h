#pragma once

// Hardware task switching. @source Intel SDM Vol. 3A, "Task Management"

#include "cpu/cpu.h"
#include "cpu/segmentation.h"

namespace doppel::cpu {

enum class TaskSwitchCause : u8 { Jump, Call, Return, Interrupt };

/// Saves the present task, loads the one behind `selector`. `next_rip` is what the old task resumes
/// at. `error_code`: pushed on the new task's stack (exceptions with one).
/// Before the commit point faults belong to the old task and are returned; after it they belong to
/// the new one and are raised there at once, as the manual's table "Exception Conditions Checked
/// During a Task Switch" has it: the result is then success.
Result<void> switch_task(Cpu& cpu, Selector selector, TaskSwitchCause cause, u64 next_rip,
                         const u32* error_code);

/// As switch_task, for delivery, which combines faults itself: nothing is raised here.
struct TaskSwitchResult {
  Fault fault;
  bool committed = false;   ///< The fault is the new task's; RIP is its first instruction.
  bool debug_trap = false;  ///< The new task's T bit asks for #DB before its first instruction.
};
TaskSwitchResult try_switch_task(Cpu& cpu, Selector selector, TaskSwitchCause cause, u64 next_rip,
                                 const u32* error_code);

}  // namespace doppel::cpu
