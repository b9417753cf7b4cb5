#pragma once

// Key strokes that nobody's hands make: the monitor's sendkey and type, a pasted text.
//
// They happen in virtual time, one chord after the other, so that a guest has the time to take each
// of them however fast or slow it runs here: a BIOS holds fifteen strokes and drops the rest.

#include <span>

#include "frontend/input_queue.h"
#include "frontend/keys.h"

namespace doppel::frontend {

constexpr u64 kSendKeyHoldNs = 100'000'000;
constexpr u64 kTypeHoldNs = 10'000'000;

/// Presses each chord for `hold_ns` of virtual time and waits as long before the next one. Begins
/// after `now_ns`, and after what an earlier script has still to do.
void play_chords(InputQueue& queue, u64 now_ns, std::span<const Chord> chords, u64 hold_ns);

}  // namespace doppel::frontend
