// Work for the guest's kernel: system calls, processes, page faults, context switches.

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

// 50 000 getpid and 50 000 reads of one byte a unit.
uint64_t run_syscall(uint32_t units) {
  enum { kPairs = 50000 };
  const int zero = open("/dev/zero", O_RDONLY);
  uint64_t good = 0;
  char byte;
  if (zero < 0) fail("/dev/zero");
  for (uint32_t unit = 0; unit < units; unit++) {
    for (int i = 0; i < kPairs; i++) {
      good += syscall(SYS_getpid) > 0;
      good += read(zero, &byte, 1) == 1 && byte == 0;
    }
  }
  close(zero);
  operations = 2ull * kPairs * units;
  return good;
}

// Each unit forks, executes this very program with nothing to do, and waits.
uint64_t run_forkexec(uint32_t units) {
  uint64_t good = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    int status;
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      execl("/proc/self/exe", "workloads", "true", (char*)NULL);
      _exit(127);
    }
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      good++;
    }
  }
  operations = units;
  return good;
}

// Maps 8 MiB, touches each page, unmaps. Small pages: otherwise there would be four faults.
uint64_t run_mmap(uint32_t units) {
  enum { kSize = 8 << 20, kPage = 4096 };
  uint64_t sum = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    uint8_t* memory = mmap(NULL, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    madvise(memory, kSize, MADV_NOHUGEPAGE);
    volatile uint8_t* bytes = memory;
    for (size_t i = 0; i < kSize; i += kPage) {
      bytes[i] = (uint8_t)unit;
      sum += bytes[i + 1];
    }
    munmap(memory, kSize);
    sum++;
  }
  operations = (uint64_t)units * (kSize / kPage);
  return sum;
}

// 1000 round trips a unit between two processes on one processor: two switches of the address
// space and four system calls each.
uint64_t run_pipe(uint32_t units) {
  int there[2], back[2], status;
  uint32_t value = 0;
  cpu_set_t one, before;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  sched_setaffinity(0, sizeof one, &one);
  if (pipe(there) || pipe(back)) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &value, 4) == 4) {
      value = value * 3 + 1;
      if (write(back[1], &value, 4) != 4) break;
    }
    _exit(0);
  }
  for (uint32_t i = 0; i < units * 1000u; i++) {
    if (write(there[1], &value, 4) != 4 || read(back[0], &value, 4) != 4) fail("pipe");
  }
  close(there[1]);
  waitpid(child, &status, 0);
  close(there[0]);
  close(back[0]);
  close(back[1]);
  sched_setaffinity(0, sizeof before, &before);
  operations = units * 1000ull;
  return value;
}
