#define DOCTEST_CONFIG_NO_POSIX_SIGNALS  // SIGFPE belongs to the thunk arena.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
