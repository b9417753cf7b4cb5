// A hash table with open addressing, then quicksort through a pointer to the comparison: indirect
// calls in the innermost loop.

#include <stdlib.h>
#include <string.h>

#include "workload.h"

typedef int (*cmp_fn)(const void*, const void*);
struct rec {
  uint32_t key, val;
};
static int by_key(const void* a, const void* b) {
  uint32_t x = ((const struct rec*)a)->key, y = ((const struct rec*)b)->key;
  return x < y ? -1 : x > y;
}

static int by_val(const void* a, const void* b) {
  uint32_t x = ((const struct rec*)a)->val, y = ((const struct rec*)b)->val;
  return x < y ? -1 : x > y;
}

static int by_mix(const void* a, const void* b) {
  const struct rec *p = a, *q = b;
  uint32_t x = p->key ^ p->val, y = q->key ^ q->val;
  return x < y ? -1 : x > y ? 1 : by_key(a, b);
}

static void qs(struct rec* v, int32_t lo, int32_t hi, cmp_fn cmp) {
  while (hi - lo > 8) {
    struct rec t, p = v[lo + (hi - lo) / 2];
    int32_t i = lo, j = hi;
    while (i <= j) {
      while (cmp(&v[i], &p) < 0) i++;
      while (cmp(&p, &v[j]) < 0) j--;
      if (i <= j) {
        t = v[i];
        v[i] = v[j];
        v[j] = t;
        i++;
        j--;
      }
    }
    if (j - lo < hi - i) {
      qs(v, lo, j, cmp);
      lo = i;
    } else {
      qs(v, i, hi, cmp);
      hi = j;
    }
  }
  for (int32_t i = lo + 1; i <= hi; i++) {
    struct rec t = v[i];
    int32_t j = i - 1;
    for (; j >= lo && cmp(&t, &v[j]) < 0; j--) v[j + 1] = v[j];
    v[j + 1] = t;
  }
}

uint64_t run_hashq(uint32_t n) {
  enum { N = 200000, HN = 1 << 19 };
  static cmp_fn const tab[3] = {by_key, by_val, by_mix};
  struct rec *v = malloc(N * sizeof *v), *ht = malloc(HN * sizeof *ht);
  uint64_t s = 11, h = 0;
  if (!v || !ht) fail("malloc");
  for (uint32_t it = 0; it < n; it++) {
    memset(ht, 0, HN * sizeof *ht);
    for (uint32_t i = 0; i < N; i++) {
      uint32_t k = (next_random(&s) & 0x3ffff) | 1, x = k * 2654435761u >> 13;
      while (ht[x].key && ht[x].key != k) x = (x + 1) & (HN - 1);
      ht[x].key = k;
      ht[x].val += i;
      v[i].key = next_random(&s);
      v[i].val = ht[x].val;
    }
    for (int c = 0; c < 3; c++) {
      volatile cmp_fn f = tab[c];
      qs(v, 0, N - 1, f);
      h = mix(h, v[N / 3].key);
      h = mix(h, v[N / 2].val);
    }
  }
  free(v);
  free(ht);
  return h;
}
