#include "cpu/base/log.h"

#include <atomic>
#include <cstdio>

namespace doppel::log {
namespace {

std::atomic<Sink> installed_sink = nullptr;

void emit(Level level, std::string_view channel, const char* format, va_list arguments) {
  const Sink sink = installed_sink.load(std::memory_order_relaxed);
  if (sink == nullptr) return;
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  sink(level, channel, line);
}

}  // namespace

void set_sink(Sink sink) { installed_sink.store(sink, std::memory_order_relaxed); }

void info(std::string_view channel, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  emit(Level::Info, channel, format, arguments);
  va_end(arguments);
}

void warn(std::string_view channel, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  emit(Level::Warning, channel, format, arguments);
  va_end(arguments);
}

}  // namespace doppel::log
