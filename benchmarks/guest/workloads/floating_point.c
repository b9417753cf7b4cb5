// Double arithmetic: the compiler makes scalar SSE2 of it in the 64-bit build and x87 in the
// 32-bit one. The latter keeps more bits in between, so that checksums are of rounded results.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

static uint64_t round_sum(double x) { return (uint64_t)(int64_t)floor(x * 1e4 + 0.5); }

// The sun and four planets, 1000 steps a unit.
uint64_t run_nbody(uint32_t n) {
  enum { B = 5 };
  static const double init[B][7] = {
      {0, 0, 0, 0, 0, 0, 39.47841760435743},
      {4.8414314424647209, -1.1603200440274284, -0.10362204447112311, 0.60632639299583202,
       2.81198684491626, -0.02521836165988763, 0.037693674870389493},
      {8.3433667182445799, 4.1247985641243048, -0.40352341711432138, -1.0107743461787924,
       1.8256623712304119, 0.0084157613765841535, 0.011286326131968767},
      {12.894369562139131, -15.111151401698631, -0.22330757889265573, 1.0827910064415354,
       0.86871301816960822, -0.010832637401363636, 0.0017237240570597112},
      {15.379697114850917, -25.919314609987964, 0.17925877295037118, 0.97909073224389798,
       0.59469899864767617, -0.034755955550407824, 0.0020336868699246304}};
  double p[B][7], e = 0;
  memcpy(p, init, sizeof p);
  for (uint32_t s = 0; s < n * 1000u; s++) {
    for (int i = 0; i < B; i++)
      for (int j = i + 1; j < B; j++) {
        double dx = p[i][0] - p[j][0], dy = p[i][1] - p[j][1], dz = p[i][2] - p[j][2];
        double d2 = dx * dx + dy * dy + dz * dz;
        double m = 0.001 / (d2 * sqrt(d2));
        double a = p[j][6] * m, b = p[i][6] * m;
        p[i][3] -= dx * a;
        p[i][4] -= dy * a;
        p[i][5] -= dz * a;
        p[j][3] += dx * b;
        p[j][4] += dy * b;
        p[j][5] += dz * b;
      }
    for (int i = 0; i < B; i++)
      for (int k = 0; k < 3; k++) p[i][k] += 0.001 * p[i][k + 3];
  }
  for (int i = 0; i < B; i++) {
    e += 0.5 * p[i][6] * (p[i][3] * p[i][3] + p[i][4] * p[i][4] + p[i][5] * p[i][5]);
    for (int j = i + 1; j < B; j++) {
      double dx = p[i][0] - p[j][0], dy = p[i][1] - p[j][1], dz = p[i][2] - p[j][2];
      e -= p[i][6] * p[j][6] / sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return round_sum(e);
}

// How many points of a grid stay small for 256 steps.
uint64_t run_mandel(uint32_t n) {
  enum { W = 256, H = 256, IT = 256 };
  uint64_t total = 0;
  for (uint32_t z = 0; z < n; z++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) {
        double cr = -2.0 + x * (2.75 / W) + z * 0.0078125, ci = -1.25 + y * (2.5 / H), r = 0, i = 0;
        int k = 0;
        for (; k < IT && r * r + i * i < 4.0; k++) {
          double t = r * r - i * i + cr;
          i = 2 * r * i + ci;
          r = t;
        }
        // Points at the edge differ with rounding; those inside do not.
        total += (k == IT);
      }
  return total / 64;
}

// Gaussian elimination of matrices with a heavy diagonal.
uint64_t run_lu(uint32_t n) {
  enum { N = 200 };
  double* a = malloc(sizeof(double) * N * N);
  double det = 0;
  uint64_t s = 5;
  if (!a) fail("malloc");
  for (uint32_t it = 0; it < n; it++) {
    for (int i = 0; i < N * N; i++) a[i] = (next_random(&s) >> 8) * (1.0 / 16777216.0);
    for (int i = 0; i < N; i++) a[i * N + i] += N;
    for (int k = 0; k < N; k++) {
      double inv = 1.0 / a[k * N + k];
      for (int i = k + 1; i < N; i++) {
        double f = a[i * N + k] *= inv;
        for (int j = k + 1; j < N; j++) a[i * N + j] -= f * a[k * N + j];
      }
    }
    for (int k = 0; k < N; k++) det += log(fabs(a[k * N + k]));
  }
  free(a);
  return round_sum(det * 0.01);
}
