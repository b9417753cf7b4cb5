#pragma once

// `-audiodev sdl`: the host's loudspeaker.
//
// SDL plays from a queue in a thread of its own; the machine only ever appends to it, and waits for
// nobody. What comes while the queue is full is lost, and where it runs empty there is silence,
// with some of it ahead of the next sound: so small delays of the machine are not heard.

#include <memory>

#include "cpu/base/result.h"
#include "frontend/audio/audio_output.h"

namespace doppel::frontend::sdl {

using OpenedAudio = Result<std::unique_ptr<AudioOutput>, Error>;

/// @errors what SDL says
OpenedAudio open_audio(unsigned rate_hz);

/// The same through the module (frontend/module.h): "sdl", "doppel_open_audio".
using OpenAudio = void(unsigned rate_hz, OpenedAudio& opened);

}  // namespace doppel::frontend::sdl
