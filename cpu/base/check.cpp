#include "cpu/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace doppel {

void check_failed(const char* file, int line, const char* reason) {
  std::fprintf(stderr, "doppel: internal error at %s:%d: %s\n", file, line, reason);
  std::fflush(stderr);
  // "internal error in doppel", docs/options.md, "Exit status".
  std::_Exit(4);
}

}  // namespace doppel
