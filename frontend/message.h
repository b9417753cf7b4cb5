#pragma once

#include <string>
#include <string_view>

namespace doppel::frontend {

/// What doppel says to the person, as one line: "doppel: TEXT".
///
/// A message may quote a file or an argument, and these may hold anything: control characters are
/// shown as '?', so that they neither break the line nor reach the terminal, and a very long text
/// is cut.
std::string message_line(std::string_view text);
/// Writes it to standard error.
void say(std::string_view text);

}  // namespace doppel::frontend
