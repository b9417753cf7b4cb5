#pragma once

// The process's terminal and the signals that concern it.
//
// In raw mode each key goes to the guest. Whatever happens, the terminal is put back: at the end,
// when a signal ends or stops the process, and when doppel itself fails. Signals belong to the
// process, so what is remembered here does too.

namespace doppel::frontend {

class Terminal {
 public:
  /// Raw mode if standard input is a terminal. `signals`: Ctrl-C and Ctrl-Z stay the terminal's
  /// own.
  explicit Terminal(bool signals);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static bool input_is_terminal();
};

/// From now on SIGINT, SIGTERM and SIGHUP ask for an orderly end, SIGPIPE is an error of write().
void watch_signals();
/// The signal that asked for an end; 0: none yet.
int stop_signal();
/// Ends the process as the signal would have. Call when everything is put away.
[[noreturn]] void die_of_signal(int signal);

}  // namespace doppel::frontend
