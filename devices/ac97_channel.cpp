#include "devices/ac97_channel.h"

#include <algorithm>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u64 kNsPerSecond = 1'000'000'000;

// Registers.
constexpr unsigned kBdbar = 0x0;
constexpr unsigned kCiv = 0x4;
constexpr unsigned kLvi = 0x5;
constexpr unsigned kSr = 0x6;
constexpr unsigned kPicb = 0x8;
constexpr unsigned kPiv = 0xa;
constexpr unsigned kCr = 0xb;

// SR.
constexpr u8 kDch = 0x01;
constexpr u8 kCelv = 0x02;
constexpr u8 kLvbci = 0x04;
constexpr u8 kBcis = 0x08;
constexpr u8 kFifoe = 0x10;
// CR.
constexpr u8 kRr = 0x02;
constexpr u8 kLvbie = 0x04;
constexpr u8 kIoce = 0x10;
constexpr u8 kControlKept = 0x1d;

constexpr u32 kDescriptorBytes = 8;
constexpr u32 kSampleBytes = 2;

}  // namespace

u8 Ac97Channel::read_byte(unsigned offset) const {
  switch (offset) {
    case kBdbar:
    case kBdbar + 1:
    case kBdbar + 2:
    case kBdbar + 3:
      return static_cast<u8>(table_ >> (8 * offset));
    case kCiv:
      return current_;
    case kLvi:
      return last_valid_;
    case kSr:
      return static_cast<u8>(status_ | (is_running() ? 0 : kDch) | (at_last_ ? kCelv : 0));
    case kPicb:
      return static_cast<u8>(samples_left_);
    case kPicb + 1:
      return static_cast<u8>(samples_left_ >> 8);
    case kPiv:
      return prefetched_;
    case kCr:
      return control_;
    default:
      return 0;
  }
}

void Ac97Channel::write_byte(unsigned offset, u8 value, u64 now_ns) {
  switch (offset) {
    case kBdbar:
    case kBdbar + 1:
    case kBdbar + 2:
    case kBdbar + 3:
      table_ = ((table_ & ~(u32{0xff} << (8 * offset))) | u32{value} << (8 * offset)) & ~u32{7};
      break;
    case kLvi:
      last_valid_ = value % kDescriptors;
      // It stands behind its last buffer, and there is another one now.
      if ((control_ & kRun) != 0 && halted_) {
        halted_ = at_last_ = false;
        next_descriptor();
        begin_at(now_ns);
      }
      break;
    case kSr:
      status_ &= static_cast<u8>(~value);
      break;
    case kCr: {
      if ((value & kRr) != 0) {
        if ((control_ & kRun) == 0) reset_registers();  // Not while it runs.
        break;
      }
      const bool was_running = (control_ & kRun) != 0;
      control_ = value & kControlKept;
      if (was_running || (control_ & kRun) == 0) break;
      halted_ = false;
      at_last_ = false;
      if (!loaded_) next_descriptor();
      begin_at(now_ns);
      break;
    }
    default:
      break;
  }
}

void Ac97Channel::next_descriptor() {
  current_ = prefetched_;
  prefetched_ = static_cast<u8>((prefetched_ + 1) % kDescriptors);
  fetch_descriptor();
}

void Ac97Channel::fetch_descriptor() {
  const PhysAddr at(u64{table_} + current_ * kDescriptorBytes);
  // Where no memory is, the bus gives ones: a long buffer of silence.
  const bool is_memory = memory_.is_ram(at);
  address_ = is_memory ? memory_.read<u32>(at) & ~u32{1} : 0;
  const u32 control = is_memory ? memory_.read<u32>(at + 4) : 0xffff;
  samples_left_ = static_cast<u16>(control);
  interrupts_at_end_ = bit(control, 31);
  loaded_ = true;
}

/// The last sample of the present buffer is gone.
void Ac97Channel::finish_buffer() {
  if (interrupts_at_end_) status_ |= kBcis;
  if (current_ != last_valid_) return next_descriptor();
  // Simplified: the policy at an underrun (BUP) is silence, whatever the descriptor says, and no
  // FIFO error is reported: what stopped it was software's own end of the list.
  status_ |= kLvbci;
  at_last_ = true;
  halted_ = true;
  loaded_ = false;
}

void Ac97Channel::begin_at(u64 now_ns) {
  begun_ns_ = now_ns;
  moved_ = 0;
}

u64 Ac97Channel::position_ns() const {
  return begun_ns_ + static_cast<u64>(u128{moved_} * kNsPerSecond / rate_hz_);
}

u64 Ac97Channel::end_ns() const {
  if (!is_running()) return ~u64{0};
  const u64 frames = moved_ + (samples_left_ + 1u) / 2;
  return begun_ns_ + static_cast<u64>((u128{frames} * kNsPerSecond + rate_hz_ - 1) / rate_hz_);
}

void Ac97Channel::set_rate(unsigned rate_hz, u64 now_ns) {
  if (rate_hz == rate_hz_) return;
  rate_hz_ = rate_hz;
  begin_at(now_ns);
}

/// Ends: a round of the list, whose buffers are finite, meets LVI.
void Ac97Channel::advance(u64 now_ns, bool is_master, std::vector<AudioFrame>* frames) {
  if (!is_running() || now_ns < begun_ns_) return;
  const u64 due = static_cast<u64>(u128{now_ns - begun_ns_} * rate_hz_ / kNsPerSecond);
  while (is_running()) {
    const u64 whole = (samples_left_ + 1u) / 2;
    const u64 count = std::min<u64>(whole, due - moved_);
    move(count, is_master, frames);
    moved_ += count;
    if (samples_left_ != 0) return;
    finish_buffer();
  }
}

/// A buffer of an odd length ends with a frame that is only half there.
void Ac97Channel::move(u64 count, bool is_master, std::vector<AudioFrame>* frames) {
  constexpr size_t kPieceFrames = 256;
  while (count > 0) {
    const size_t piece = std::min<u64>(count, kPieceFrames);
    const size_t samples = std::min<size_t>(piece * 2, samples_left_);
    std::array<u8, kPieceFrames * 2 * kSampleBytes> bytes{};
    const std::span<u8> used = std::span(bytes).first(samples * kSampleBytes);
    if (is_master && direction_ == Direction::FromMemory) {
      memory_.read_bytes(PhysAddr(address_), used);
    } else if (is_master) {
      memory_.write_bytes(PhysAddr(address_), used);  // Nobody speaks.
    }
    if (frames != nullptr) {
      for (size_t i = 0; i < piece; ++i) {
        const u8* const at = &bytes[i * 2 * kSampleBytes];
        frames->push_back({static_cast<i16>(at[0] | at[1] << 8), static_cast<i16>(at[2] | at[3] << 8)});
      }
    }
    address_ += static_cast<u32>(used.size());
    samples_left_ = static_cast<u16>(samples_left_ - samples);
    count -= piece;
  }
}

bool Ac97Channel::interrupts() const {
  return ((status_ & kLvbci) != 0 && (control_ & kLvbie) != 0) ||
         ((status_ & kBcis) != 0 && (control_ & kIoce) != 0);
}

void Ac97Channel::reset() {
  control_ = 0;
  reset_registers();
}

void Ac97Channel::reset_registers() {
  table_ = address_ = 0;
  current_ = last_valid_ = prefetched_ = 0;
  samples_left_ = 0;
  status_ = 0;
  halted_ = true;
  at_last_ = loaded_ = interrupts_at_end_ = false;
}

void Ac97Channel::serialize(Archive& archive, u64 now_ns) {
  archive(table_, current_, last_valid_, prefetched_, samples_left_, control_, status_, halted_,
          at_last_, loaded_, address_, interrupts_at_end_, rate_hz_, begun_ns_, moved_);
  if (!archive.is_loading()) return;
  current_ %= kDescriptors;
  last_valid_ %= kDescriptors;
  prefetched_ %= kDescriptors;
  control_ &= kControlKept;
  status_ &= kLvbci | kBcis | kFifoe;
  if (rate_hz_ < 1000 || rate_hz_ > 48000 || begun_ns_ > now_ns ||
      moved_ > (u64{1} << 40)) {
    archive.fail("an AC'97 channel is where it cannot be");
    rate_hz_ = 48000;
    begin_at(now_ns);
  }
}

}  // namespace doppel::devices
