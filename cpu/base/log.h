#pragma once

// For the person running a machine: a channel, a plain sentence, values in hexadecimal with 0x.
// Folders below the frontend never print: they hand lines to the sink that the frontend installed.

#include <cstdarg>
#include <string_view>

namespace doppel::log {

enum class Level { Info, Warning };

/// Where lines go. One for the process: a log line belongs to the person, not to a machine.
using Sink = void (*)(Level level, std::string_view channel, std::string_view line);
void set_sink(Sink sink);

void info(std::string_view channel, const char* format, ...) __attribute__((format(printf, 2, 3)));
void warn(std::string_view channel, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace doppel::log
