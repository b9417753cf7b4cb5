#include "frontend/audio/audio_devices.h"

#include "frontend/audio/wav_file.h"

namespace doppel::frontend {

namespace {

using Backend = AudioOptions::Backend;

/// Null: its sound goes nowhere.
Result<std::unique_ptr<AudioOutput>, Error> open_output(const Backend& backend) {
  if (backend.kind != Backend::Kind::Wav) return std::unique_ptr<AudioOutput>();
  DOPPEL_TRY(std::unique_ptr<WavFile> file, WavFile::create(backend.path, backend.rate_hz));
  return std::unique_ptr<AudioOutput>(std::move(file));
}

}  // namespace

Result<std::unique_ptr<AudioDevices>, Error> AudioDevices::create(const AudioOptions& options) {
  std::unique_ptr<AudioDevices> audio(new AudioDevices);
  for (const Backend& backend : options.backends) {
    Line line;
    DOPPEL_TRY(line.output, open_output(backend));
    if (line.output) line.mixer = std::make_unique<Mixer>(*line.output);
    audio->lines_.emplace(backend.id, std::move(line));
  }
  if (!options.backends.empty()) audio->default_id_ = options.backends.front().id;
  return audio;
}

devices::AudioSink* AudioDevices::plug(const std::string& id) {
  const auto found = lines_.find(id.empty() ? default_id_ : id);
  if (found == lines_.end() || !found->second.mixer) return nullptr;
  return &found->second.mixer->add_voice();
}

void AudioDevices::flush() {
  for (auto& [id, line] : lines_) {
    if (line.mixer) line.mixer->flush();
  }
}

}  // namespace doppel::frontend
