#pragma once

#include <optional>

#include <SDL_scancode.h>

#include "frontend/keys.h"

namespace doppel::frontend::sdl {

/// The key that sits where this one sits: layouts are the guest's business. Nothing for keys that a
/// PC keyboard does not have.
std::optional<Key> key_at(SDL_Scancode code);

}  // namespace doppel::frontend::sdl
