#pragma once

// A second pair of eyes on emitted code.
//
// Reads a block's host code as the host will and asks of every instruction: is it one that
// translated code may contain, does it leave RSP and R15 alone, does it touch nothing but the
// processor's state and the places that an address check has passed, and does control stay in the
// block or go where it may. What it has no rule for is a violation. It knows nothing of the guest's
// program and shares no code with the emitter: that it finds nothing does not make a translation
// right, but keeps a wrong one inside its walls.

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "cpu/base/types.h"

namespace doppel::jit {

/// What lies outside the block and may be reached from it.
struct VerifierRules {
  u64 code_begin = 0;  ///< The whole code cache.
  u64 code_end = 0;
  std::function<bool(u64)> is_entry;  ///< Whether a branch may go there: stubs and block entries.
  i64 state_low = 0;                  ///< [r15 + low] is the first byte of the state,
  i64 state_high = 0;                 ///< [r15 + high] the first behind it.
};

/// An instruction emitted as an access of the guest's, by its host offset in the block.
struct MemorySite {
  u32 offset = 0;
  bool is_store = false;
};

/// Checks `code`, which will run at `address`, from its first byte to its last. `sites` are in any
/// order. Bit n of `address_registers`: host register n holds a checked address, which it gets from R13. The
/// result is a sentence about the first violation, or nothing.
std::optional<std::string> verify_block(std::span<const u8> code, u64 address,
                                        std::span<const MemorySite> sites,
                                        const VerifierRules& rules, u16 address_registers = 0);

}  // namespace doppel::jit
