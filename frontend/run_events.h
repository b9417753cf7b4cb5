#pragma once

// What happens to a machine as a whole, for whoever wants to be told.

#include <functional>

#include "cpu/base/types.h"

namespace doppel::frontend {

struct RunEvent {
  enum class Kind : u8 {
    Stop,
    Resume,
    Reset,
    PowerButton,
    Shutdown,  ///< The run ends, or the machine is off and stays (-no-shutdown).
  };
  /// QEMU's ShutdownCause.
  enum class Cause : u8 {
    None,
    GuestShutdown,
    GuestReset,
    HostMonitor,  ///< "host-qmp-quit"; of a reset "host-qmp-system-reset".
    HostSignal,
    HostWindow,
    HostError,
  };
  Kind kind = Kind::Stop;
  Cause cause = Cause::None;
};

using RunObserver = std::function<void(const RunEvent&)>;

}  // namespace doppel::frontend
