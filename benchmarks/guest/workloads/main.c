// All workloads in one static program, so that host and guest run the same bytes.
//
//   workloads list               names and classes
//   workloads NAME... | all      runs them
//   workloads -s PERCENT NAME... with so much of the usual work
//   workloads -m NAME...         with a line before and one after each, for whoever watches the
//   clock
//
// Result line:  RESULT name checksum seconds cpu_seconds operations
// CPU seconds are those of the process and its children.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

uint64_t operations;

typedef struct {
  const char* name;
  const char* class_name;
  uint32_t units;  // At 100 percent: a tenth of a second to a second of a processor of 2023.
  WorkloadFunction run;
} Workload;

// clang-format off
static const Workload kWorkloads[] = {
    {"intmix",    "int",   1000, run_intmix},
    {"sha256",    "int",     60, run_sha256},
    {"lz",        "int",      8, run_lz},
    {"interp",    "int",     50, run_interp},
    {"fib",       "int",     38, run_fib},
    {"hashq",     "int",      3, run_hashq},
    {"nbody",     "fp",    1500, run_nbody},
    {"mandel",    "fp",      12, run_mandel},
    {"lu",        "fp",      30, run_lu},
    {"simd",      "simd",  8000, run_simd},
    {"chase",     "mem",     20, run_chase},
    {"repmovb",   "mem",     24, run_repmovb},
    {"repmovd",   "mem",     40, run_repmovd},
    {"plainmem",  "mem",     80, run_plainmem},
    {"copymem",   "alias",   40, run_copymem},
    {"aliasmem",  "alias",   40, run_aliasmem},
    {"aliasnear", "alias",   40, run_aliasnear},
    {"aliasfar",  "alias",   40, run_aliasfar},
    {"syscall",   "sys",     20, run_syscall},
    {"forkexec",  "sys",    200, run_forkexec},
    {"mmap",      "sys",     60, run_mmap},
    {"pipe",      "sys",     25, run_pipe},
    {"jitcold",   "jit",      4, run_jitcold},
    {"jitgen",    "jit",    400, run_jitgen},
    {"jitsmc",    "jit",    100, run_jitsmc},
};
// clang-format on
enum { kCount = sizeof kWorkloads / sizeof kWorkloads[0] };

void fail(const char* reason) {
  perror(reason);
  exit(1);
}

static double seconds_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double cpu_seconds(void) {
  static const int kWhom[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
  double sum = 0;
  for (int i = 0; i < 2; ++i) {
    struct rusage usage;
    getrusage(kWhom[i], &usage);
    sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    sum += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  }
  return sum;
}

static uint32_t scaled_units(const Workload* workload, uint32_t percent) {
  if (workload->run != run_fib) {
    const uint32_t units = (uint32_t)((uint64_t)workload->units * percent / 100);
    return units == 0 ? 1 : units;
  }
  // Each number costs 1.618 times the work of the one before.
  uint32_t number = workload->units;
  double factor = percent / 100.0;
  for (; factor < 0.72 && number > 5; factor *= 1.618) --number;
  for (; factor > 1.4; factor /= 1.618) ++number;
  return number;
}

static void run(const Workload* workload, uint32_t percent, int marks) {
  const uint32_t units = scaled_units(workload, percent);
  operations = 0;
  if (marks) printf("BEGIN %s\n", workload->name);
  fflush(stdout);
  tcdrain(STDOUT_FILENO);  // The line has left before the work begins, where this is a serial line.
  const double started = seconds_now(), cpu_started = cpu_seconds();
  const uint64_t checksum = workload->run(units);
  const double cpu = cpu_seconds() - cpu_started, wall = seconds_now() - started;
  if (marks) printf("END %s\n", workload->name);
  printf("RESULT %s %016llx %.6f %.6f %llu\n", workload->name, (unsigned long long)checksum, wall,
         cpu, (unsigned long long)operations);
  fflush(stdout);
}

static int usage(void) {
  fprintf(stderr, "usage: workloads [-m] [-s PERCENT] list|all|NAME...\n");
  return 2;
}

int main(int argc, char** argv) {
  uint32_t percent = 100;
  int marks = 0, at = 1;
  if (argc > 1 && strcmp(argv[1], "true") == 0) _exit(0);  // What forkexec executes.
  for (; at < argc && argv[at][0] == '-'; ++at) {
    if (strcmp(argv[at], "-m") == 0) {
      marks = 1;
    } else if (strcmp(argv[at], "-s") == 0 && at + 1 < argc) {
      percent = (uint32_t)atoi(argv[++at]);
    } else {
      return usage();
    }
  }
  if (at == argc) return usage();
  for (; at < argc; ++at) {
    int known = 0;
    for (int i = 0; i < kCount; ++i) {
      if (strcmp(argv[at], "list") == 0) {
        printf("%s %s\n", kWorkloads[i].name, kWorkloads[i].class_name);
        known = 1;
      } else if (strcmp(argv[at], "all") == 0 || strcmp(argv[at], kWorkloads[i].name) == 0) {
        run(&kWorkloads[i], percent, marks);
        known = 1;
      }
    }
    if (!known) {
      fprintf(stderr, "workloads: there is no '%s'\n", argv[at]);
      return 2;
    }
  }
  return 0;
}
