#pragma once

// A WAV file that grows while the machine runs.
//
// Nothing is written before the first sound. Silence between two sounds is as long as it was, but
// not longer than some seconds: an idle machine skips hours in a moment.

#include <cstdio>
#include <memory>
#include <string>

#include "cpu/base/result.h"
#include "frontend/audio/audio_output.h"

namespace doppel::frontend {

/// @source  Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", "Waveform
/// Audio File Format"
class WavFile final : public AudioOutput {
 public:
  static constexpr unsigned kLongestPauseSeconds = 5;

  /// @errors "NAME: reason"
  static Result<std::unique_ptr<WavFile>, Error> create(const std::string& path, unsigned rate_hz);
  /// Writes the lengths into the head.
  ~WavFile() override;

  unsigned rate_hz() const override { return rate_hz_; }
  void write(std::span<const devices::AudioFrame> frames) override;
  void pause(u64 frames) override;

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Closer>;
  WavFile(std::string path, File file, unsigned rate_hz)
      : path_(std::move(path)), file_(std::move(file)), rate_hz_(rate_hz) {}

  bool write_head();
  void fail(const char* reason);

  std::string path_;
  File file_;
  unsigned rate_hz_;
  u64 data_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace doppel::frontend
