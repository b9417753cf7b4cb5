#include "tests/blocks/isolation.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <new>

namespace doppel::blocks {

Progress* shared_progress() {
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return shared == MAP_FAILED ? nullptr : new (shared) Progress;
}

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
  int status = 0;
  for (;;) {
    alarm(quiet_seconds);
    const pid_t ended = waitpid(child, &status, 0);
    alarm(0);
    if (ended == child) break;
    if (progress.ticks == seen) kill(child, SIGKILL);
    seen = progress.ticks;
  }
  return WIFEXITED(status) ? Ending{true, WEXITSTATUS(status)} : Ending{false, WTERMSIG(status)};
}

std::string describe(const Ending& ending) {
  if (ending.exited) return "ended with status " + std::to_string(ending.status);
  return ending.status == SIGKILL ? "hung" : "died of signal " + std::to_string(ending.status);
}

}  // namespace doppel::blocks
