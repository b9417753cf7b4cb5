#pragma once

// Guest code and the host code that was made of it, for reading.

#include <string>
#include <utility>
#include <vector>

#include "cpu/decoder.h"
#include "jit/translator.h"

namespace doppel::frontend {

/// Two columns: each guest instruction beside the host instructions that do its work.
std::string side_by_side(const jit::Listing& listing, const cpu::Decoder& decoder);
/// As `-d out_asm` writes it: host code in one column, under the guest instruction it belongs to.
std::string out_asm(const jit::Listing& listing, const cpu::Decoder& decoder);

/// How often handlers were called from translated code, by the instruction's name; the most frequent first.
std::vector<std::pair<std::string, u64>> callouts_by_name(const jit::TranslatorStatistics& statistics);

/// What the monitor's `info jit` says; for an engine that is no translator, a sentence.
std::string jit_text(const cpu::Engine& engine, const jit::TranslatorOptions& options);

}  // namespace doppel::frontend
