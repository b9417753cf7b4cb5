// A greedy LZ77 packer with hash chains, then the unpacker, then a comparison: byte loads and
// stores, short loops with unpredictable ends.

#include <stdlib.h>
#include <string.h>

#include "workload.h"

static size_t lz_pack(const uint8_t* in, size_t n, uint8_t* out, int32_t* head, int32_t* prev) {
  size_t o = 0, i = 0, lit = 0;
  for (int k = 0; k < 1 << 15; k++) head[k] = -1;
  while (i < n) {
    int best = 0, dist = 0;
    if (i + 4 <= n) {
      uint32_t h =
          ((uint32_t)in[i] | (uint32_t)in[i + 1] << 8 | (uint32_t)in[i + 2] << 16) * 2654435761u >>
          17;
      int32_t c = head[h];
      int max = n - i < 130 ? (int)(n - i) : 130;
      for (int d = 0; d < 16 && c >= 0 && i - (size_t)c < 65535; d++, c = prev[c & 0xffff]) {
        int l = 0;
        if (best && in[c + best] != in[i + best]) continue;
        while (l < max && in[c + l] == in[i + l]) l++;
        if (l > best) {
          best = l;
          dist = (int)(i - (size_t)c);
          if (l == max) break;
        }
      }
      prev[i & 0xffff] = head[h];
      head[h] = (int32_t)i;
    }
    if (best >= 4) {
      out[o++] = (uint8_t)(0x80 | (best - 4));
      out[o++] = (uint8_t)dist;
      out[o++] = (uint8_t)(dist >> 8);
      i += (size_t)best;
      lit = 0;
    } else {
      if (!lit || out[lit - 1] == 0x7f) {
        out[o++] = 0;
        lit = o;
      } else
        out[lit - 1]++;
      out[o++] = in[i++];
    }
  }
  return o;
}

static size_t lz_unpack(const uint8_t* in, size_t n, uint8_t* out) {
  size_t i = 0, o = 0;
  while (i < n) {
    uint8_t t = in[i++];
    if (t & 0x80) {
      size_t len = (t & 0x7f) + 4u, d = in[i] | (size_t)in[i + 1] << 8;
      i += 2;
      for (; len; len--, o++) out[o] = out[o - d];
    } else {
      for (size_t len = t + 1u; len; len--) out[o++] = in[i++];
    }
  }
  return o;
}

uint64_t run_lz(uint32_t n) {
  enum { SZ = 2 << 20 };
  uint8_t *txt = malloc(SZ), *pk = malloc(SZ * 2), *un = malloc(SZ);
  int32_t *head = malloc(4 << 15), *prev = malloc(4 << 16);
  uint64_t s = 3, h = 0;
  char word[2048][12];
  if (!txt || !pk || !un || !head || !prev) fail("malloc");
  for (int w = 0; w < 2048; w++) {
    int l = 2 + (int)(next_random(&s) % 9);
    for (int k = 0; k < l; k++) word[w][k] = (char)('a' + (next_random(&s) & next_random(&s)) % 26);
    word[w][l] = 0;
  }
  for (size_t i = 0; i < SZ;) {
    // Small numbers are likelier: as in a language, few words are many.
    uint32_t r = next_random(&s) & 2047;
    r &= next_random(&s);
    for (const char* p = word[r]; *p && i < SZ; p++) txt[i++] = (uint8_t)*p;
    if (i < SZ) txt[i++] = next_random(&s) % 12 ? ' ' : '\n';
  }
  for (uint32_t it = 0; it < n; it++) {
    txt[next_random(&s) % SZ] ^= 1;
    size_t c = lz_pack(txt, SZ, pk, head, prev);
    size_t u = lz_unpack(pk, c, un);
    if (u != SZ || memcmp(un, txt, SZ)) fail("lz mismatch");
    h = mix(h, c);
  }
  free(txt);
  free(pk);
  free(un);
  free(head);
  free(prev);
  return h;
}
