#include "tests/blocks/isolation.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <new>

namespace doppel::blocks {

Progress* shared_progress() {
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return shared == MAP_FAILED ? nullptr : new (shared) Progress;
}

namespace {

/// Seconds for which a child has had a processor; on a busy host that is much less than has passed.
double cpu_seconds(pid_t child) {
  clockid_t clock = 0;
  timespec used = {};
  if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace

Ending run_in_child(const std::function<int()>& work, const Progress& progress, unsigned quiet_seconds) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return {false, 0};
  if (child == 0) {
    const int status = work();
    std::fflush(stdout);
    _exit(status);
  }
  // The alarm wakes the wait, so that a child that hangs is noticed.
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  u64 seen = progress.ticks;
  double used_then = 0;
  int status = 0;
  for (;;) {
    alarm(1);
    const pid_t ended = waitpid(child, &status, 0);
    alarm(0);
    if (ended == child) break;
    const double used = cpu_seconds(child);
    if (progress.ticks != seen) {
      seen = progress.ticks;
      used_then = used;
    } else if (used - used_then >= quiet_seconds) {
      kill(child, SIGKILL);
    }
  }
  return WIFEXITED(status) ? Ending{true, WEXITSTATUS(status)} : Ending{false, WTERMSIG(status)};
}

std::string describe(const Ending& ending) {
  if (ending.exited) return "ended with status " + std::to_string(ending.status);
  return ending.status == SIGKILL ? "hung" : "died of signal " + std::to_string(ending.status);
}

}  // namespace doppel::blocks
