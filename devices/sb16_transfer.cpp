#include "devices/sb16_transfer.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr u64 kNsPerSecond = 1'000'000'000;
constexpr u32 kPieceSamples = 256;

}  // namespace

void Sb16Transfer::start(const Format& format, u32 samples, unsigned rate_hz, u64 now_ns) {
  format_ = format;
  block_ = left_ = std::clamp(samples, 1u, kMostSamples);
  rate_hz_ = rate_hz;
  running_ = true;
  paused_ = false;
  begin_at(now_ns);
}

void Sb16Transfer::begin_at(u64 now_ns) {
  begun_ns_ = now_ns;
  moved_ = 0;
  half_ = false;
}

void Sb16Transfer::resume(u64 now_ns) {
  if (!paused_) return;
  paused_ = false;
  begin_at(now_ns);
}

u64 Sb16Transfer::position_ns() const {
  const u64 frames = moved_ / format_.channels();
  return begun_ns_ + static_cast<u64>(u128{frames} * kNsPerSecond / rate_hz_);
}

u64 Sb16Transfer::end_ns() const {
  if (!is_running()) return ~u64{0};
  const u64 frames = (moved_ + left_ + format_.channels() - 1) / format_.channels();
  return begun_ns_ + static_cast<u64>((u128{frames} * kNsPerSecond + rate_hz_ - 1) / rate_hz_);
}

unsigned Sb16Transfer::advance(u64 now_ns, DmaChannel dma, std::vector<AudioFrame>& frames) {
  unsigned blocks = 0;
  if (!is_running() || now_ns < begun_ns_) return blocks;
  const u64 due = static_cast<u64>(u128{now_ns - begun_ns_} * rate_hz_ / kNsPerSecond) *
                  format_.channels();
  while (is_running() && moved_ < due) {
    const u32 samples =
        static_cast<u32>(std::min({u64{left_}, due - moved_, u64{kPieceSamples}}));
    if (!move(samples, dma, frames)) {
      begin_at(now_ns);  // The channel is closed: the card waits.
      break;
    }
    moved_ += samples;
    left_ -= samples;
    if (left_ != 0) continue;
    ++blocks;
    left_ = block_;
    running_ = format_.repeats;
  }
  return blocks;
}

/// False: the DMA controller did not answer. What it does not give in full is silence.
bool Sb16Transfer::move(u32 samples, DmaChannel dma, std::vector<AudioFrame>& frames) {
  std::array<u8, kPieceSamples * 2> bytes{};
  const std::span<u8> used = std::span(bytes).first(size_t{samples} * format_.sample_bytes());
  const u8 silence = format_.is_signed || format_.is_wide ? 0 : 0x80;
  std::ranges::fill(used, silence);
  // A channel that does not start over ends in the middle of a piece; a block may go on behind.
  for (size_t done = 0; !format_.is_silence && done < used.size();) {
    const std::span<u8> rest = used.subspan(done);
    const DmaMoved moved = format_.is_input ? dma.write_memory(rest) : dma.read_memory(rest);
    if (moved.bytes == 0 && done == 0) return false;
    if (moved.bytes == 0) break;
    done += moved.bytes;
  }
  if (!format_.is_input) append(used, frames);
  return true;
}

void Sb16Transfer::append(std::span<const u8> bytes, std::vector<AudioFrame>& frames) {
  const unsigned size = format_.sample_bytes();
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    u16 value = format_.is_wide ? static_cast<u16>(bytes[at] | bytes[at + 1] << 8)
                                : static_cast<u16>(bytes[at] << 8);
    if (!format_.is_signed) value ^= 0x8000;
    const i16 sample = static_cast<i16>(value);
    if (!format_.is_stereo) {
      frames.push_back({sample, sample});
    } else if (!half_) {
      left_sample_ = sample;
      half_ = true;
    } else {
      frames.push_back({left_sample_, sample});
      half_ = false;
    }
  }
}

void Sb16Transfer::serialize(Archive& archive, u64 now_ns) {
  archive(format_, running_, paused_, block_, left_, rate_hz_, begun_ns_, moved_, half_,
          left_sample_);
  if (!archive.is_loading()) return;
  const bool sizes_fit = block_ >= 1 && block_ <= kMostSamples && left_ <= block_;
  const bool time_fits = begun_ns_ <= now_ns && rate_hz_ >= 1000 && rate_hz_ <= 48000;
  // More than a second cannot be due: a block does not wait that long.
  const bool is_current = !is_running() || (time_fits && now_ns - position_ns() < kNsPerSecond);
  if (sizes_fit && time_fits && moved_ < (u64{1} << 40) && is_current) return;
  archive.fail("a sound card's transfer is where it cannot be");
  reset();
}

}  // namespace doppel::devices
