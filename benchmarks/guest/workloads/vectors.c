// SSE2 on vectors of integers: multiply, sum of differences, pack, compare, shuffle.

#include <emmintrin.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

// 64 KiB a unit. The 32-bit build has SSE2 in this function only.
__attribute__((target("sse2"))) uint64_t run_simd(uint32_t n) {
  enum { SZ = 65536 };
  uint8_t* raw = malloc(3 * SZ + 64);
  uint64_t s = 9;
  if (!raw) fail("malloc");
  __m128i *a = (__m128i*)(((uintptr_t)raw + 63) & ~(uintptr_t)63), *b = a + SZ / 16,
          *c = b + SZ / 16;
  for (int i = 0; i < SZ; i++) {
    ((uint8_t*)a)[i] = (uint8_t)next_random(&s);
    ((uint8_t*)b)[i] = (uint8_t)next_random(&s);
  }
  __m128i sad = _mm_setzero_si128(), dot = sad, zero = sad;
  for (uint32_t it = 0; it < n; it++) {
    __m128i w = _mm_set1_epi16((short)(it & 63));
    for (int i = 0; i < SZ / 16; i++) {
      __m128i x = _mm_load_si128(a + i), y = _mm_load_si128(b + i);
      sad = _mm_add_epi64(sad, _mm_sad_epu8(x, y));
      __m128i lo = _mm_mullo_epi16(_mm_unpacklo_epi8(x, zero), w),
              hi = _mm_mullo_epi16(_mm_unpackhi_epi8(x, zero), w);
      __m128i bl = _mm_packus_epi16(_mm_srli_epi16(lo, 6), _mm_srli_epi16(hi, 6));
      bl = _mm_adds_epu8(bl, _mm_avg_epu8(x, y));
      dot = _mm_add_epi32(dot, _mm_madd_epi16(lo, _mm_unpacklo_epi8(y, zero)));
      __m128i m = _mm_cmpgt_epi8(bl, y);
      bl = _mm_or_si128(_mm_and_si128(m, bl),
                        _mm_andnot_si128(m, _mm_xor_si128(x, _mm_shuffle_epi32(y, 0x1b))));
      _mm_store_si128(c + i, _mm_min_epu8(bl, _mm_max_epu8(x, y)));
    }
    __m128i* t = b;
    b = c;
    c = t;
  }
  uint64_t out[4];
  memcpy(out, &sad, 16);
  memcpy(out + 2, &dot, 16);
  uint64_t h = 0;
  for (int i = 0; i < 4; i++) h = mix(h, out[i]);
  free(raw);
  return h;
}
