#include "frontend/terminal.h"

#include <atomic>
#include <csignal>
#include <cstdlib>

#include <termios.h>
#include <unistd.h>

namespace doppel::frontend {
namespace {

// Signal handlers can reach nothing else.
termios saved_mode;
termios raw_mode;
std::atomic<bool> raw_active = false;
std::atomic<int> received_signal = 0;

void restore_mode() {
  if (raw_active.load(std::memory_order_relaxed)) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
}

void set_handler(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  // Translated code runs on a small stack of its own; its engine gives the thread another one for
  // signals. Where there is none the flag means nothing.
  action.sa_flags = flags | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

void on_stop_request(int signal) {
  // A second request does not wait for a machine that does not listen.
  if (received_signal.exchange(signal) != 0) {
    restore_mode();
    set_handler(signal, SIG_DFL, 0);
    ::raise(signal);
  }
}

void on_failure(int signal) {
  restore_mode();
  ::raise(signal);  // SA_RESETHAND: the second one ends the process with a core.
}

void on_suspend(int) {
  restore_mode();
  set_handler(SIGTSTP, SIG_DFL, 0);
  ::raise(SIGTSTP);
}

void on_continue(int) {
  if (raw_active.load(std::memory_order_relaxed)) ::tcsetattr(STDIN_FILENO, TCSANOW, &raw_mode);
  set_handler(SIGTSTP, on_suspend, SA_RESTART);
}

}  // namespace

bool Terminal::input_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

Terminal::Terminal(bool signals) {
  if (!input_is_terminal() || ::tcgetattr(STDIN_FILENO, &saved_mode) != 0) return;
  // In the background a change of mode would stop the process.
  if (::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return;
  raw_mode = saved_mode;
  raw_mode.c_iflag &=
      ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  raw_mode.c_lflag &=
      ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN | (signals ? 0 : ISIG));
  raw_mode.c_cflag = (raw_mode.c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
  raw_mode.c_cc[VMIN] = 1;
  raw_mode.c_cc[VTIME] = 0;
  raw_active = true;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw_mode);
  set_handler(SIGTSTP, on_suspend, SA_RESTART);
  set_handler(SIGCONT, on_continue, SA_RESTART);
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE}) {
    // An engine may catch some itself: SIGFPE is a guest's unmasked exception.
    struct sigaction present = {};
    if (::sigaction(signal, nullptr, &present) != 0 || present.sa_handler != SIG_DFL) continue;
    set_handler(signal, on_failure, SA_RESETHAND | SA_NODEFER);
  }
}

Terminal::~Terminal() {
  if (!raw_active) return;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_mode);
  raw_active = false;
}

void watch_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) set_handler(signal, on_stop_request, 0);
  set_handler(SIGPIPE, SIG_IGN, 0);
}

int stop_signal() { return received_signal.load(std::memory_order_relaxed); }

void die_of_signal(int signal) {
  set_handler(signal, SIG_DFL, 0);
  ::raise(signal);
  std::_Exit(128 + signal);
}

}  // namespace doppel::frontend
