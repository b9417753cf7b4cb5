#pragma once

namespace doppel {

/// Ends the process with file, line and reason. Only for mistakes in doppel itself: nothing a guest
/// or a file does may reach it.
[[noreturn]] void check_failed(const char* file, int line, const char* reason);

}  // namespace doppel

#define DOPPEL_CHECK(condition, reason)                                        \
  do {                                                                         \
    if (!(condition)) [[unlikely]] {                                           \
      ::doppel::check_failed(__FILE__, __LINE__, reason);                      \
    }                                                                          \
  } while (false)
