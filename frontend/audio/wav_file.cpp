#include "frontend/audio/wav_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "cpu/base/log.h"

namespace doppel::frontend {
namespace {

using devices::AudioFrame;

constexpr unsigned kChannels = 2;
constexpr unsigned kFrameBytes = kChannels * sizeof(i16);
constexpr u16 kPcm = 1;
constexpr size_t kHeadBytes = 44;
/// Lengths in the head have 32 bits.
constexpr u64 kMostDataBytes = 0xffff'ff00 - kHeadBytes;

/// Writes what the format's fields consist of, lowest byte first.
class Head {
 public:
  void tag(std::string_view four) {
    for (const char c : four) bytes[size++] = static_cast<u8>(c);
  }
  void number(u64 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) bytes[size++] = static_cast<u8>(value >> (8 * i));
  }
  std::array<u8, kHeadBytes> bytes{};
  size_t size = 0;
};

}  // namespace

Result<std::unique_ptr<WavFile>, Error> WavFile::create(const std::string& path, unsigned rate_hz) {
  File file(std::fopen(path.c_str(), "wbe"));
  if (file == nullptr) return Error{path + ": " + std::strerror(errno)};
  std::unique_ptr<WavFile> wav(new WavFile(path, std::move(file), rate_hz));
  if (!wav->write_head()) return Error{path + ": " + std::strerror(errno)};
  return wav;
}

WavFile::~WavFile() {
  if (failed_) return;
  if (std::fseek(file_.get(), 0, SEEK_SET) != 0 || !write_head() || std::fflush(file_.get()) != 0)
    fail(std::strerror(errno));
}

bool WavFile::write_head() {
  Head head;
  head.tag("RIFF");
  head.number(kHeadBytes - 8 + data_bytes_, 4);
  head.tag("WAVE");
  head.tag("fmt ");
  head.number(16, 4);
  head.number(kPcm, 2);
  head.number(kChannels, 2);
  head.number(rate_hz_, 4);
  head.number(u64{rate_hz_} * kFrameBytes, 4);
  head.number(kFrameBytes, 2);
  head.number(8 * sizeof(i16), 2);
  head.tag("data");
  head.number(data_bytes_, 4);
  return std::fwrite(head.bytes.data(), 1, head.size, file_.get()) == head.size;
}

void WavFile::write(std::span<const AudioFrame> frames) {
  for (const AudioFrame& frame : frames) {
    if (failed_) return;
    if (data_bytes_ >= kMostDataBytes) return fail("a WAV file cannot be longer");
    const u16 left = static_cast<u16>(frame.left);
    const u16 right = static_cast<u16>(frame.right);
    const std::array<u8, kFrameBytes> bytes{
        static_cast<u8>(left), static_cast<u8>(left >> 8), static_cast<u8>(right),
        static_cast<u8>(right >> 8)};
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
      return fail(std::strerror(errno));
    data_bytes_ += bytes.size();
  }
}

void WavFile::pause(u64 frames) {
  static constexpr std::array<AudioFrame, 256> kSilence{};
  u64 left = std::min<u64>(frames, u64{rate_hz_} * kLongestPauseSeconds);
  while (left > 0) {
    const size_t count = std::min<u64>(left, kSilence.size());
    write(std::span(kSilence).first(count));
    left -= count;
  }
}

/// The machine goes on; what was written stays.
void WavFile::fail(const char* reason) {
  failed_ = true;
  log::warn("output", "%s: %s; what follows is not written", path_.c_str(), reason);
  if (std::fseek(file_.get(), 0, SEEK_SET) == 0) (void)write_head();
}

}  // namespace doppel::frontend
