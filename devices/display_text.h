#pragma once

#include <string>

#include "devices/display.h"

namespace doppel::devices {

/// The screen's rows in UTF-8, joined by newlines, without the blanks at their ends.
std::string to_utf8(const TextScreen& screen);

/// What character `code` of code page 437 shows, also the pictures below 20h.
char32_t code_page_437(u8 code);

}  // namespace doppel::devices
