#pragma once

// The face of a machine on the host: a window, or whatever else shows a screen and has keys.
//
// The run loop lends it the thread now and then, about every hundredth of a second. What the person
// does goes into the input queue; that is the only way to the machine.

#include "cpu/base/types.h"

namespace doppel::frontend {

/// What is held while a key is meant for the front and not for the guest.
enum class FrontKeys : u8 { CtrlAlt, ShiftCtrlAlt, RightCtrl };

class HostFront {
 public:
  /// What a title line tells.
  struct Status {
    bool paused = false;
    u64 instructions = 0;  ///< Since the machine began.
    u64 virtual_ns = 0;
    u64 disk_accesses = 0;  ///< Since the machine began.
  };
  virtual ~HostFront() = default;
  /// Takes what the person did. True if something for the machine came of it.
  virtual bool poll(const Status& status) = 0;
  /// Shows what the machine's screen shows now.
  virtual void refresh(const Status& status) = 0;
  /// The person wants to end it.
  virtual bool quit_requested() const = 0;
};

}  // namespace doppel::frontend
