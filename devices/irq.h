#pragma once

#include "cpu/base/types.h"

namespace doppel::devices {

/// A wire into an interrupt controller. Repeating a level is harmless.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool level) = 0;
  void pulse() {
    set(true);
    set(false);
  }
};

/// The processor's pins, as the board drives them.
class ProcessorLines {
 public:
  virtual ~ProcessorLines() = default;
  /// INTR: something wants to be acknowledged (PcBoard::acknowledge_interrupt gives the vector).
  virtual void set_intr(bool level) = 0;
  virtual void raise_nmi() = 0;
  virtual void raise_init() = 0;
  virtual void raise_startup(u8 vector) = 0;
};

/// What chips can do to the machine as a whole.
class MachineControl {
 public:
  virtual ~MachineControl() = default;
  enum class ResetCause : u8 { Keyboard, Port92, PortCf9, Acpi, Other };
  /// Takes effect after the current instruction.
  virtual void request_reset(ResetCause cause) = 0;
  /// Soft off (ACPI S5) or a debug port's shutdown: a clean end.
  virtual void request_shutdown() = 0;
  /// isa-debug-exit: the run ends with this process status.
  virtual void request_exit(int status) = 0;
  /// The guest says what became of it (pvpanic).
  enum class GuestEvent : u8 { Panicked, CrashLoaded };
  virtual void report_guest(GuestEvent event) = 0;
  /// Gate A20 changed (the 8042 and port 92h are wired together by the board).
  virtual void set_a20(bool on) = 0;
};

}  // namespace doppel::devices
