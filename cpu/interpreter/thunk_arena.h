#pragma once

// Executable memory for host thunks, and the net under it.
//
// A thunk is a few dozen bytes of host code that run one guest instruction on the host's own unit.
// Thunks hold no guest state and never change once written, so all machines of the process share
// one arena. The memory is seen twice: through one mapping it is written, through the other it
// runs, and no page is ever both.
//
// A guest may unmask SIMD exceptions; its instruction then faults on the host too. The arena
// catches that SIGFPE, and only where the program counter lies in the arena: it hands the status
// bits to the guest's MXCSR and makes the thunk return `kTrapped`. All other signals go to whoever
// had the handler before.

#include <mutex>
#include <span>
#include <string>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::cpu {

class ThunkArena {
 public:
  /// What a thunk returns whose instruction raised an unmasked SIMD exception.
  static constexpr u64 kTrapped = u64{1} << 32;

  /// The one of this process; made on first use.
  static ThunkArena& shared();

  /// @errors why the host gave no executable memory. Nothing can be appended then.
  Result<void, Error> status() const;
  /// Copies position-independent code to executable memory. Null if there is no room.
  const void* append(std::span<const u8> code);

  /// Puts the handler for SIGFPE in force. Done at the start; again where somebody (a test runner)
  /// has installed one since. What was there is asked about all signals that are not the arena's.
  void catch_traps();

  ThunkArena(const ThunkArena&) = delete;
  ThunkArena& operator=(const ThunkArena&) = delete;

 private:
  ThunkArena();
  void map();
  void append_recovery();

  std::mutex mutex_;
  std::string problem_;
  u8* writable_ = nullptr;
  u8* executable_ = nullptr;
  size_t used_ = 0;
};

}  // namespace doppel::cpu
