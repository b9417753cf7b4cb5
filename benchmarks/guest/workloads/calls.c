// Calls and returns, and little else.

#include "workload.h"

static __attribute__((noinline, noclone)) uint32_t fib(uint32_t n) {
  if (n < 2) return n;
  uint32_t a = fib(n - 1);
  // Otherwise the compiler makes a loop of one of the calls.
  __asm__ volatile("" : "+r"(a));
  uint32_t b = fib(n - 2);
  __asm__ volatile("" : "+r"(b));
  return a + b;
}

uint64_t run_fib(uint32_t n) { return fib(n); }
