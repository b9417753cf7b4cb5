// Computes with each unit that a program may use, and prints bits: the same program on the host's
// processor is the oracle.

#include <immintrin.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t hash, const void* data, size_t size) {
  const unsigned char* bytes = data;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
  return hash;
}

static uint64_t random_state = 88172645463325252ull;
static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}
static double next_double(void) { return (double)(int64_t)next_random() / 1e15; }

static uint64_t integers(void) {
  uint64_t hash = 1;
  for (int i = 0; i < 20000; ++i) {
    uint64_t a = next_random(), b = next_random() | 1;
    uint64_t values[] = {a * b, a / b, a % (b >> 40 | 1), (uint64_t)((int64_t)a / (int64_t)(b >> 33 | 1)),
                         a << (b & 63), a >> (b & 63), (a << 7) | (a >> 57),
                         (uint64_t)__builtin_popcountll(a), (uint64_t)__builtin_clzll(b), __builtin_bswap64(a)};
    hash = mix(hash, values, sizeof values);
  }
  return hash;
}

static uint64_t x87(void) {
  uint64_t hash = 2;
  for (int i = 0; i < 3000; ++i) {
    long double x = next_double(), y = next_double() + 3.0L, r[8];
    memset(r, 0, sizeof r);
    __asm__("fsin" : "=t"(r[0]) : "0"(x / 1e3L));
    __asm__("fcos" : "=t"(r[1]) : "0"(x / 1e3L));
    __asm__("fyl2x" : "=t"(r[2]) : "0"(fabsl(x) + 1.0L), "u"(y) : "st(1)");
    __asm__("fpatan" : "=t"(r[3]) : "0"(x), "u"(y) : "st(1)");
    __asm__("f2xm1" : "=t"(r[4]) : "0"(x / 1e5L));
    __asm__("fsqrt" : "=t"(r[5]) : "0"(fabsl(x)));
    __asm__("frndint" : "=t"(r[6]) : "0"(x));
    r[7] = x * y + x / y - y;
    for (int j = 0; j < 8; ++j) hash = mix(hash, &r[j], 10);
  }
  return hash;
}

__attribute__((target("sse2"))) static uint64_t sse2(void) {
  uint64_t hash = 3;
  for (int i = 0; i < 5000; ++i) {
    __m128d a = _mm_set_pd(next_double(), next_double()), b = _mm_set_pd(next_double(), next_double());
    __m128d d[] = {_mm_add_pd(a, b), _mm_div_pd(a, b), _mm_sqrt_pd(_mm_mul_pd(b, b)), _mm_min_pd(a, b),
                   _mm_cmplt_pd(a, b), _mm_unpackhi_pd(a, b)};
    __m128i p = _mm_cvttpd_epi32(a), q = _mm_castpd_si128(b);
    __m128i v[] = {_mm_madd_epi16(p, q), _mm_sad_epu8(p, q), _mm_packs_epi32(p, q), _mm_shuffle_epi32(q, 0x1b),
                   _mm_mul_epu32(p, q), _mm_subs_epu8(q, p)};
    float f = (float)next_double();
    hash = mix(mix(mix(hash, d, sizeof d), v, sizeof v), &f, sizeof f);
  }
  return hash;
}

__attribute__((target("avx2,fma"))) static uint64_t avx2(void) {
  uint64_t hash = 4;
  for (int i = 0; i < 5000; ++i) {
    __m256d a = _mm256_set_pd(next_double(), next_double(), next_double(), next_double());
    __m256d b = _mm256_set1_pd(next_double());
    __m256d d[] = {_mm256_fmadd_pd(a, b, a), _mm256_div_pd(a, b), _mm256_hadd_pd(a, b), _mm256_permute2f128_pd(a, b, 0x21)};
    __m256i p = _mm256_castpd_si256(a), q = _mm256_castpd_si256(b);
    __m256i v[] = {_mm256_mullo_epi32(p, q), _mm256_shuffle_epi8(p, q), _mm256_sllv_epi64(p, _mm256_and_si256(q, _mm256_set1_epi64x(63))),
                   _mm256_permutevar8x32_epi32(p, q)};
    hash = mix(mix(hash, d, sizeof d), v, sizeof v);
  }
  return hash;
}

static jmp_buf back;
static void on_signal(int signal) { siglongjmp(back, signal); }

static const char* fault(int kind) {
  volatile int zero = 0;
  int signal = sigsetjmp(back, 1);
  if (signal == SIGFPE) return "SIGFPE";
  if (signal == SIGSEGV) return "SIGSEGV";
  if (signal == SIGILL) return "SIGILL";
  if (kind == 0) zero = rand() / zero;
  if (kind == 1) *(volatile int*)(uintptr_t)zero = 1;
  if (kind == 2) __asm__ volatile("ud2");
  if (kind == 3) __asm__ volatile("hlt");
  if (kind == 4) ((void (*)(void))(uintptr_t)0x10)();
  return "nothing";
}

static uint64_t memory(void) {
  size_t size = 24u << 20;
  uint32_t* words = malloc(size);
  for (size_t i = 0; i < size / 4; i += 64) words[i] = (uint32_t)next_random();
  uint64_t hash = 5;
  for (int i = 0; i < 200000; ++i) {
    uint32_t* word = &words[next_random() % (size / 4)];
    *word += (uint32_t)i;
    hash += *word;
  }
  memmove((char*)words + 12345, words, size - 20000);
  hash = mix(hash, words, 1 << 20);
  free(words);
  return hash;
}

int main(void) {
  for (int i = 0; i < 3; ++i) signal((int[]){SIGFPE, SIGSEGV, SIGILL}[i], on_signal);
  __builtin_cpu_init();
  printf("integers: %016llx\n", (unsigned long long)integers());
  printf("x87: %016llx\n", (unsigned long long)x87());
  if (__builtin_cpu_supports("sse2")) printf("sse2: %016llx\n", (unsigned long long)sse2());
  random_state = 0x9e3779b97f4a7c15ull;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) printf("avx2: %016llx\n", (unsigned long long)avx2());
  random_state = 0xd1b54a32d192ed03ull;
  printf("memory: %016llx\n", (unsigned long long)memory());
  printf("libm: %.17g %.17g %.17g\n", sin(1e10), pow(1.1, 345.6), tgamma(4.7));
  for (int kind = 0; kind < 5; ++kind) printf("fault %d: %s\n", kind, fault(kind));
  return 0;
}
