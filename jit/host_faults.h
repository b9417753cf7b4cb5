#pragma once

// Faults of the host while translated code runs.
//
// An address check proves that memory is there, but not that a vector access is aligned, nor that a
// division has a result: the host's processor finds that out, and raises a signal. Where the program
// counter lies in translated code the signal is the guest's: execution goes on at the cold code that
// leaves the block before the instruction. All other signals go to whoever had them before.

#include <cstddef>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::jit {

class HostFaultClient {
 public:
  virtual ~HostFaultClient() = default;
  /// Called in a signal handler: where to go on after a fault at `pc` that touched `address`;
  /// `stack` may be changed. 0: not the client's.
  virtual u64 resume_after_fault(u64 pc, u64 address, u64& stack) = 0;
};

/// While it lives, faults of this thread are shown to the client; there may be one inside another.
class HostFaultScope {
 public:
  explicit HostFaultScope(HostFaultClient& client);
  ~HostFaultScope();
  HostFaultScope(const HostFaultScope&) = delete;
  HostFaultScope& operator=(const HostFaultScope&) = delete;

 private:
  HostFaultClient* const outer_;
};

/// Puts the handlers in force. Done when a translator is made: again where somebody (a test runner)
/// has installed others since.
void catch_host_faults();
/// Gives this thread a stack for signal handlers, if it has none. Cheap when done before.
void ensure_signal_stack();

}  // namespace doppel::jit
