#pragma once

// What listens to the machine: `-audiodev`, and who is plugged into which.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/audio/mixer.h"

namespace doppel::frontend {

/// What the command line says of sound.
struct AudioOptions {
  struct Backend {
    enum class Kind : u8 { None, Wav, Sdl };
    Kind kind = Kind::None;
    std::string id;
    std::string path;  ///< Wav.
    unsigned rate_hz = 44100;
  };
  /// The first is for those who name none.
  std::vector<Backend> backends;
  struct Card {
    std::string model;     ///< As BoardConfig::SoundCard has it.
    std::string audiodev;  ///< An id; empty: the default.
  };
  std::vector<Card> cards;
  std::string speaker_audiodev;
  /// Where there is a window and no backend, the host's loudspeaker is the default.
  bool follows_window = false;
};

class AudioDevices {
 public:
  /// Opens what can be opened before there is a machine. @errors "NAME: reason"
  static Result<std::unique_ptr<AudioDevices>, Error> create(const AudioOptions& options);

  /// A wire into the device of this id; null if nobody listens there.
  devices::AudioSink* plug(const std::string& id);
  /// There is a window, and somebody in front of it who hears.
  void window_opened();
  /// What was said last is heard too.
  void flush();

 private:
  struct Line {
    std::unique_ptr<AudioOutput> output;
    std::unique_ptr<Mixer> mixer;  // Flushes into the output before that goes.
  };
  class WindowOutput;
  AudioDevices() = default;

  std::map<std::string, Line> lines_;
  WindowOutput* window_output_ = nullptr;  // Of the line that follows the window; null: none does.
  std::string default_id_;
};

}  // namespace doppel::frontend
