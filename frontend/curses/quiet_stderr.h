#pragma once

namespace doppel::frontend::curses {

/// Keeps lines on standard error off the picture, where both are the same terminal; they are shown
/// at the end.
class QuietStderr {
 public:
  QuietStderr();
  ~QuietStderr();
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

 private:
  int terminal_ = -1;  // What standard error was; -1: it is left alone.
  int kept_ = -1;
};

}  // namespace doppel::frontend::curses
