// What the workloads share. Each runs a number of units of fixed work and returns a checksum that
// depends neither on the word size nor on the floating-point unit nor on time: host and guest,
// 64-bit and 32-bit builds must all print the same.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// Runs `units` of work; returns the checksum.
typedef uint64_t (*WorkloadFunction)(uint32_t units);

/// A workload that knows how many system calls, faults or new instructions its work consisted of
/// counts them here; zero means nobody asked.
extern uint64_t operations;

/// Prints the reason with errno and ends the process.
void fail(const char* reason);

/// The multiplier and increment are Knuth's MMIX generator; the high half is the random one.
static inline uint32_t next_random(uint64_t* state) {
  *state = *state * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)(*state >> 32);
}

static inline uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 29);
}

uint64_t run_intmix(uint32_t units);
uint64_t run_sha256(uint32_t units);
uint64_t run_lz(uint32_t units);
uint64_t run_interp(uint32_t units);
uint64_t run_fib(uint32_t units);
uint64_t run_hashq(uint32_t units);
uint64_t run_nbody(uint32_t units);
uint64_t run_mandel(uint32_t units);
uint64_t run_lu(uint32_t units);
uint64_t run_simd(uint32_t units);
uint64_t run_chase(uint32_t units);
uint64_t run_repmovb(uint32_t units);
uint64_t run_repmovd(uint32_t units);
uint64_t run_plainmem(uint32_t units);
uint64_t run_copymem(uint32_t units);
uint64_t run_aliasmem(uint32_t units);
uint64_t run_aliasnear(uint32_t units);
uint64_t run_aliasfar(uint32_t units);
uint64_t run_syscall(uint32_t units);
uint64_t run_forkexec(uint32_t units);
uint64_t run_mmap(uint32_t units);
uint64_t run_pipe(uint32_t units);
uint64_t run_jitcold(uint32_t units);
uint64_t run_jitgen(uint32_t units);
uint64_t run_jitsmc(uint32_t units);
