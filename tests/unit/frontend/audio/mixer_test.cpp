#include "frontend/audio/mixer.h"

#include <doctest/doctest.h>

#include <vector>

#include "frontend/audio/wav_file.h"
#include "frontend/file.h"
#include "tests/support/image_folder.h"

namespace doppel::frontend {
namespace {

using devices::AudioFrame;

constexpr u64 kSecond = 1'000'000'000;

struct Recorded final : AudioOutput {
  explicit Recorded(unsigned hz) : rate(hz) {}
  unsigned rate_hz() const override { return rate; }
  void write(std::span<const AudioFrame> more) override {
    frames.insert(frames.end(), more.begin(), more.end());
  }
  void pause(u64 count) override {
    pauses.push_back(count);
    frames.resize(frames.size() + count);
  }
  unsigned rate;
  std::vector<AudioFrame> frames;
  std::vector<u64> pauses;
};

std::vector<AudioFrame> ramp(size_t count, i16 step = 1) {
  std::vector<AudioFrame> frames(count);
  for (size_t i = 0; i < count; ++i) {
    frames[i] = {static_cast<i16>(static_cast<i16>(i + 1) * step), static_cast<i16>(-static_cast<i16>(i + 1) * step)};
  }
  return frames;
}

TEST_CASE("mixer: a voice at the output's rate comes out as it is, however it is cut") {
  Recorded whole(8000);
  Recorded pieces(8000);
  const std::vector<AudioFrame> frames = ramp(1000);
  {
    Mixer mixer(whole);
    mixer.add_voice().play(kSecond, 8000, frames);
  }
  {
    Mixer mixer(pieces);
    devices::AudioSink& voice = mixer.add_voice();
    for (size_t at = 0; at < frames.size(); at += 125) {
      // A little early or late is still the same stream.
      const u64 start = kSecond + at * kSecond / 8000 + at * 100;
      voice.play(start, 8000, std::span(frames).subspan(at, 125));
    }
  }
  REQUIRE(whole.frames.size() == 1000);
  CHECK(whole.frames[500] == frames[499]);
  CHECK(whole.frames == pieces.frames);
}

TEST_CASE("mixer: a slower voice is drawn with straight lines, without drifting") {
  Recorded output(48000);
  {
    Mixer mixer(output);
    mixer.add_voice().play(0, 8000, ramp(8000, 3));
  }
  CHECK(output.frames.size() == 48000);
  CHECK(output.frames[6 * 100] == ramp(100, 3).back());
  CHECK(output.frames[6 * 100 + 2].left == 301);
}

TEST_CASE("mixer: voices add up where they meet in time, and too much is clipped") {
  Recorded output(1000);
  {
    Mixer mixer(output);
    devices::AudioSink& first = mixer.add_voice();
    devices::AudioSink& second = mixer.add_voice();
    const std::vector<AudioFrame> loud(20, {20000, -20000});
    first.play(kSecond, 1000, loud);
    second.play(kSecond + kSecond / 100, 1000, loud);
  }
  REQUIRE(output.frames.size() == 30);
  CHECK(output.frames[5] == AudioFrame{20000, -20000});
  CHECK(output.frames[15] == AudioFrame{32767, -32768});
  CHECK(output.frames[25] == AudioFrame{20000, -20000});
}

TEST_CASE("mixer: what nobody filled is a pause, and what comes too late is not heard") {
  Recorded output(1000);
  Mixer mixer(output);
  devices::AudioSink& voice = mixer.add_voice();
  const std::vector<AudioFrame> one(2, {7, 7});
  voice.play(kSecond, 1000, one);
  voice.play(3 * kSecond, 1000, one);
  voice.play(kSecond, 1000, one);
  mixer.flush();
  REQUIRE(output.pauses.size() == 1);
  CHECK(output.frames.size() == 2002);
}

TEST_CASE("wav_file: has a head with its lengths, and pauses of bounded length") {
  const test::ImageFolder folder;
  const std::string path = folder.path("sound.wav");
  {
    auto file = WavFile::create(path, 1000);
    REQUIRE(file.ok());
    const std::vector<AudioFrame> frames(3, {0x1234, -2});
    file.value()->write(frames);
    file.value()->pause(u64{1} << 40);
    file.value()->write(frames);
  }
  auto read = read_file(path);
  REQUIRE(read.ok());
  const std::vector<u8>& bytes = read.value();
  const auto number = [&](size_t at) {
    return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
  };
  const int data = (6 + 5000) * 4;
  REQUIRE(bytes.size() == 44u + data);
  CHECK(std::string(bytes.begin(), bytes.begin() + 4) == "RIFF");
  CHECK(number(4) == 36 + data);
  CHECK(number(20) == (1 | 2 << 16));
  CHECK(number(24) == 1000);
  CHECK(number(28) == 4000);
  CHECK(number(32) == (4 | 16 << 16));
  CHECK(number(40) == data);
  CHECK(number(44) == static_cast<int>(0xfffe'1234));
}

TEST_CASE("wav_file: a place that cannot be written to is named") {
  const auto file = WavFile::create("/no/such/folder/x.wav", 44100);
  REQUIRE_FALSE(file.ok());
  CHECK(file.error().message.find("/no/such/folder/x.wav: ") == 0);
}

}  // namespace
}  // namespace doppel::frontend
