#include "frontend/audio/audio_devices.h"

#include "cpu/base/log.h"
#include "frontend/audio/wav_file.h"
#include "frontend/module.h"
#include "frontend/sdl/audio.h"

namespace doppel::frontend {

namespace {

using Backend = AudioOptions::Backend;
using Opened = Result<std::unique_ptr<AudioOutput>, Error>;

Opened open_host(unsigned rate_hz) {
  DOPPEL_TRY(const std::function<sdl::OpenAudio> open,
             find_in_module<sdl::OpenAudio>("sdl", "doppel_open_audio"));
  Opened opened = std::unique_ptr<AudioOutput>();
  open(rate_hz, opened);
  return opened;
}

/// Null: its sound goes nowhere.
Opened open_output(const Backend& backend) {
  switch (backend.kind) {
    case Backend::Kind::Sdl:
      return open_host(backend.rate_hz);
    case Backend::Kind::Wav: {
      DOPPEL_TRY(std::unique_ptr<WavFile> file, WavFile::create(backend.path, backend.rate_hz));
      return std::unique_ptr<AudioOutput>(std::move(file));
    }
    case Backend::Kind::None:
      break;
  }
  return std::unique_ptr<AudioOutput>();
}

}  // namespace

/// The host's loudspeaker beside a window: opened when there is something to hear.
class AudioDevices::WindowOutput final : public AudioOutput {
 public:
  void allow() { allowed_ = true; }
  unsigned rate_hz() const override { return Backend().rate_hz; }
  void write(std::span<const devices::AudioFrame> frames) override {
    if (frames.empty() || !allowed_) return;
    if (!host_) {
      Opened opened = open_host(rate_hz());
      allowed_ = opened.ok();  // Asked once.
      if (!opened.ok()) return log::info("doppel", "no sound: %s", opened.error().message.c_str());
      host_ = opened.take();
    }
    host_->write(frames);
  }
  void pause(u64 frames) override {
    if (host_) host_->pause(frames);
  }

 private:
  bool allowed_ = false;
  std::unique_ptr<AudioOutput> host_;
};

Result<std::unique_ptr<AudioDevices>, Error> AudioDevices::create(const AudioOptions& options) {
  std::unique_ptr<AudioDevices> audio(new AudioDevices);
  for (const Backend& backend : options.backends) {
    Line line;
    DOPPEL_TRY(line.output, open_output(backend));
    if (line.output) line.mixer = std::make_unique<Mixer>(*line.output);
    audio->lines_.emplace(backend.id, std::move(line));
  }
  if (!options.backends.empty()) {
    audio->default_id_ = options.backends.front().id;
  } else if (options.follows_window) {
    auto output = std::make_unique<WindowOutput>();
    audio->window_output_ = output.get();
    Line line;
    line.mixer = std::make_unique<Mixer>(*output);
    line.output = std::move(output);
    audio->lines_.emplace(audio->default_id_, std::move(line));
  }
  return audio;
}

devices::AudioSink* AudioDevices::plug(const std::string& id) {
  const auto found = lines_.find(id.empty() ? default_id_ : id);
  if (found == lines_.end() || !found->second.mixer) return nullptr;
  return &found->second.mixer->add_voice();
}

void AudioDevices::window_opened() {
  if (window_output_ != nullptr) window_output_->allow();
}

void AudioDevices::flush() {
  for (auto& [id, line] : lines_) {
    if (line.mixer) line.mixer->flush();
  }
}

}  // namespace doppel::frontend
