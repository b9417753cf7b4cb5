// Code that is new or changes: what a just-in-time compiler in the guest does to a translator.

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

typedef uint32_t (*Function)(void);

// A function of `kSteps` + 2 instructions: eax = seed, then arithmetic chosen by the seed.
enum { kSteps = 12, kInstructions = kSteps + 2, kLongest = 5 + 6 * kSteps + 1 };

static uint8_t* put(uint8_t* at, uint32_t value) {
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static uint8_t* emit_function(uint8_t* at, uint32_t seed) {
  *at++ = 0xb8;  // mov eax, seed
  at = put(at, seed);
  for (int step = 0; step < kSteps; step++) {
    seed = seed * 1664525u + 1013904223u;
    switch (seed >> 30) {
      case 0:
        *at++ = 0x05;  // add eax, seed
        at = put(at, seed);
        break;
      case 1:
        *at++ = 0x35;  // xor eax, seed
        at = put(at, seed);
        break;
      case 2:
        *at++ = 0xc1;  // rol eax, seed
        *at++ = 0xc0;
        *at++ = seed & 31;
        break;
      default:
        *at++ = 0x69;  // imul eax, eax, seed
        *at++ = 0xc0;
        at = put(at, seed);
    }
  }
  *at++ = 0xc3;  // ret
  return at;
}

static uint8_t* map_code(size_t size) {
  uint8_t* code =
      mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) fail("mmap");
  return code;
}

static uint32_t call(const uint8_t* code) { return ((Function)(uintptr_t)code)(); }

// Fills 1 MiB with functions and calls each once: what translation costs when nothing pays it back.
// An operation is an instruction of theirs.
uint64_t run_jitcold(uint32_t units) {
  enum { kSize = 1 << 20 };
  uint64_t hash = 0, calls = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    uint8_t* code = map_code(kSize);
    uint8_t** starts = malloc(sizeof *starts * (kSize / 32));
    uint8_t* at = code;
    uint32_t count = 0;
    if (!starts) fail("malloc");
    for (; at + kLongest < code + kSize; count++) {
      starts[count] = at;
      at = emit_function(at, unit * 65536 + count);
    }
    for (uint32_t i = 0; i < count; i++) hash += call(starts[i]);
    calls += count;
    munmap(code, kSize);
    free(starts);
  }
  operations = calls * kInstructions;
  return mix(hash, calls);
}

// Writes 64 functions over the same page and a half, and calls each 100 times. An operation is a
// function written.
uint64_t run_jitgen(uint32_t units) {
  enum { kSize = 8192, kFunctions = 64, kCalls = 100 };
  uint8_t *code = map_code(kSize), *starts[kFunctions];
  uint64_t hash = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    uint8_t* at = code;
    for (uint32_t i = 0; i < kFunctions; i++) {
      starts[i] = at;
      at = emit_function(at, unit * kFunctions + i);
    }
    for (int round = 0; round < kCalls; round++) {
      for (int i = 0; i < kFunctions; i++) hash += call(starts[i]);
    }
    hash = mix(hash, unit);
  }
  munmap(code, kSize);
  operations = (uint64_t)units * kFunctions;
  return hash;
}

// Changes the first instruction of a function and calls it once, 1000 times a unit.
uint64_t run_jitsmc(uint32_t units) {
  uint8_t* code = map_code(4096);
  uint64_t hash = 0;
  emit_function(code, 1);
  for (uint32_t i = 0; i < units * 1000u; i++) {
    put(code + 1, i);
    __asm__ volatile("" : : : "memory");
    hash += call(code);
  }
  munmap(code, 4096);
  operations = units * 1000ull;
  return hash;
}
