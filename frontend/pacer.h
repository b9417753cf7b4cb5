#pragma once

// How virtual time follows the host's where a person is watching.
//
//     host time    ---------|----idle----|------------>
//     virtual time ----|....caught up....|------------>
//
// A busy machine's time goes as fast as its instructions, slower or faster than the host's, unless
// somebody looks at its screen: then it waits or jumps (RunLoop::keep_pace). An idle
// machine waits for its next event until the host's clock is there too. What it fell behind while it
// was busy it makes up for by not waiting, but not for long: after a minute of work nobody wants to
// see the clock race.

#include <algorithm>

#include "cpu/base/types.h"

namespace doppel::frontend {

class Pacer {
 public:
  /// Both clocks are right as they are.
  void start(u64 now_virtual_ns, i64 now_host_ns) {
    offset_ns_ = now_host_ns - static_cast<i64>(now_virtual_ns);
  }
  /// Host time until this moment of virtual time should come; zero or less: it is late.
  i64 wait_ns(u64 virtual_ns, i64 now_host_ns) const {
    return static_cast<i64>(virtual_ns) + offset_ns_ - now_host_ns;
  }
  /// The moment of virtual time that should be now.
  u64 virtual_ns(i64 now_host_ns) const {
    return static_cast<u64>(std::max<i64>(now_host_ns - offset_ns_, 0));
  }
  /// What virtual time is too far behind is lost.
  void forget_lag(u64 now_virtual_ns, i64 now_host_ns) {
    const i64 offset = now_host_ns - static_cast<i64>(now_virtual_ns);
    offset_ns_ = std::max(offset_ns_, offset - kMostBehind);
  }
  /// What it is too far ahead will not be waited for.
  void forget_lead(u64 now_virtual_ns, i64 now_host_ns) {
    const i64 offset = now_host_ns - static_cast<i64>(now_virtual_ns);
    offset_ns_ = std::min(offset_ns_, offset + kMostAhead);
  }

 private:
  static constexpr i64 kMostBehind = 50'000'000;
  static constexpr i64 kMostAhead = 2'000'000;

  i64 offset_ns_ = 0;  // Host time minus virtual time, while all is well.
};

}  // namespace doppel::frontend
