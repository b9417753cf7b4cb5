#include "frontend/sdl/audio.h"

#include <string>
#include <vector>

#include <SDL.h>

namespace doppel::frontend::sdl {
namespace {

using devices::AudioFrame;

constexpr unsigned kLeadMs = 60;
constexpr unsigned kMostMs = 250;
constexpr u16 kDeviceFrames = 1024;

class HostAudio final : public AudioOutput {
 public:
  HostAudio(SDL_AudioDeviceID device, unsigned rate_hz) : device_(device), rate_hz_(rate_hz) {
    SDL_PauseAudioDevice(device_, 0);
  }
  ~HostAudio() override {
    SDL_CloseAudioDevice(device_);
    SDL_QuitSubSystem(SDL_INIT_AUDIO);
  }
  HostAudio(const HostAudio&) = delete;
  HostAudio& operator=(const HostAudio&) = delete;

  unsigned rate_hz() const override { return rate_hz_; }

  void write(std::span<const AudioFrame> frames) override {
    if (frames.empty()) return;
    const u64 waiting = SDL_GetQueuedAudioSize(device_) / sizeof(AudioFrame);
    if (waiting == 0) {
      const std::vector<AudioFrame> lead(rate_hz_ / 1000 * kLeadMs);
      append(lead);
    }
    if (waiting + frames.size() <= rate_hz_ / 1000 * kMostMs) append(frames);
  }

  /// Here it passes by itself.
  void pause(u64) override {}

 private:
  static_assert(sizeof(AudioFrame) == 4, "SDL takes the frames as they are");

  void append(std::span<const AudioFrame> frames) {
    SDL_QueueAudio(device_, frames.data(), static_cast<Uint32>(frames.size_bytes()));
  }

  SDL_AudioDeviceID device_;
  unsigned rate_hz_;
};

}  // namespace

OpenedAudio open_audio(unsigned rate_hz) {
  SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");  // Signals are doppel's.
  SDL_SetHint(SDL_HINT_APP_NAME, "doppel");
  if (SDL_InitSubSystem(SDL_INIT_AUDIO) != 0)
    return Error{std::string("cannot play sound: ") + SDL_GetError()};
  SDL_AudioSpec wanted = {};
  wanted.freq = static_cast<int>(rate_hz);
  wanted.format = AUDIO_S16SYS;
  wanted.channels = 2;
  wanted.samples = kDeviceFrames;
  const SDL_AudioDeviceID device = SDL_OpenAudioDevice(nullptr, 0, &wanted, nullptr, 0);
  if (device == 0) {
    const std::string reason = SDL_GetError();
    SDL_QuitSubSystem(SDL_INIT_AUDIO);
    return Error{"cannot play sound: " + reason};
  }
  return std::unique_ptr<AudioOutput>(std::make_unique<HostAudio>(device, rate_hz));
}

}  // namespace doppel::frontend::sdl
