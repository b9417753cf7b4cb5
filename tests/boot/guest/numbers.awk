BEGIN {
  x = 0.3
  for (i = 1; i <= 2000; i++) {
    x = 3.7 * x * (1 - x)
    s += x / i
    r = i
    for (j = 0; j < 6; j++) r = (r + i / r) / 2
    t += r
  }
  printf "%.15g %.15g %.17g %d\n", s, t, x, t * 1000 % 977
}
