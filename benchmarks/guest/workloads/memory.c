// Memory: a chain of pointers, string instructions, plain loops, and pairs of buffers that meet in
// one slot of a direct-mapped TLB.

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

// One random cycle through all lines of 16 MiB (4096 pages), 100 000 hops a unit.
uint64_t run_chase(uint32_t units) {
  enum { kLines = 16 << 20 >> 6, kWords = 16, kHops = 100000 };
  uint32_t* memory = malloc((size_t)kLines * 64);
  uint32_t* order = malloc(kLines * sizeof *order);
  uint64_t state = 13, hash = 0;
  uint32_t at = 0;
  if (!memory || !order) fail("malloc");
  for (uint32_t i = 0; i < kLines; i++) order[i] = i;
  for (uint32_t i = kLines - 1; i > 0; i--) {
    const uint32_t j = next_random(&state) % (i + 1), other = order[i];
    order[i] = order[j];
    order[j] = other;
  }
  for (uint32_t i = 0; i < kLines; i++) memory[order[i] * kWords] = order[(i + 1) % kLines];
  for (uint32_t unit = 0; unit < units; unit++) {
    for (int i = 0; i < kHops; i++) at = memory[at * kWords];
    hash = mix(hash, at);
  }
  free(memory);
  free(order);
  return hash;
}

// Two buffers of 8 MiB, `distance` bytes apart; a pass over one crosses 2048 pages.
enum { kBufferSize = 8 << 20, kBufferWords = kBufferSize / 4, kPage = 4096 };
enum { kOrdinary = kBufferSize + 37 * kPage };

typedef struct {
  uint8_t* first;
  uint8_t* second;
  size_t span;
} Buffers;

static Buffers map_buffers(size_t distance) {
  Buffers buffers;
  buffers.span = distance + kBufferSize;
  buffers.first = mmap(NULL, buffers.span, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (buffers.first == MAP_FAILED) fail("mmap");
  buffers.second = buffers.first + distance;
  memset(buffers.first, 5, kBufferSize);
  memset(buffers.second, 5, kBufferSize);
  return buffers;
}

enum Piece { kBytes, kDwords };

static uint64_t copy_by_string_instructions(uint32_t units, enum Piece piece) {
  const Buffers buffers = map_buffers(kOrdinary);
  uint64_t hash = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    const size_t probe = (unit * 7919u) % kBufferSize;
    void* to = buffers.first;
    const void* from = buffers.first;
    size_t count = kBufferWords;
    buffers.first[probe] = (uint8_t)unit;
    if (piece == kDwords) {
      __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(unit * 0x01010101u) : "memory");
      to = buffers.second;
      count = kBufferWords;
      __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    } else {
      to = buffers.second;
      count = kBufferSize;
      __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    }
    hash = mix(hash, buffers.second[probe]);
  }
  munmap(buffers.first, buffers.span);
  return hash;
}

uint64_t run_repmovb(uint32_t units) { return copy_by_string_instructions(units, kBytes); }
uint64_t run_repmovd(uint32_t units) { return copy_by_string_instructions(units, kDwords); }

// The empty statements keep the compiler from making vectors or a call of memcpy of the loops.
static void copy_words(uint32_t* to, const uint32_t* from) {
  for (size_t i = 0; i < kBufferWords; i++) {
    to[i] = from[i];
    __asm__ volatile("" : : : "memory");
  }
}

uint64_t run_plainmem(uint32_t units) {
  const Buffers buffers = map_buffers(kOrdinary);
  uint32_t *first = (uint32_t*)buffers.first, *second = (uint32_t*)buffers.second, sum = 0;
  for (uint32_t unit = 0; unit < units; unit++) {
    for (size_t i = 0; i < kBufferWords; i++) {
      first[i] = (uint32_t)i ^ unit;
      __asm__ volatile("" : : : "memory");
    }
    copy_words(second, first);
    for (size_t i = 0; i < kBufferWords; i++) {
      sum += second[i];
      __asm__ volatile("" : "+r"(sum));
    }
  }
  munmap(buffers.first, buffers.span);
  return sum;
}

static uint64_t copy_at_distance(uint32_t units, size_t distance) {
  const Buffers buffers = map_buffers(distance);
  uint32_t *first = (uint32_t*)buffers.first, *second = (uint32_t*)buffers.second;
  for (uint32_t unit = 0; unit < units; unit++) {
    first[unit * 4099u % kBufferWords] = unit + 1;
    copy_words(second, first);
  }
  uint64_t hash = 0;
  for (size_t i = 0; i < kBufferWords; i++) {
    if (second[i] != 0x05050505) hash = mix(hash, i ^ second[i]);
  }
  munmap(buffers.first, buffers.span);
  return hash;
}

// The same copy with buffers that do not meet, then with three pairs that may: a multiple of every
// table size up to 16384 pages; one page less than 4096 pages, which a sum of page number and its
// upper bits takes for the same; and as far as 32 bits allow.
uint64_t run_copymem(uint32_t units) { return copy_at_distance(units, kOrdinary); }
uint64_t run_aliasmem(uint32_t units) { return copy_at_distance(units, (size_t)16384 * kPage); }
uint64_t run_aliasnear(uint32_t units) { return copy_at_distance(units, (size_t)4095 * kPage); }
uint64_t run_aliasfar(uint32_t units) { return copy_at_distance(units, (size_t)1 << 30); }
