#include "devices/ac97.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr u64 kCodecPorts = 0x100;
constexpr u64 kMasterPorts = 0x40;

constexpr unsigned kGlobCnt = 0x2c;
constexpr unsigned kGlobSta = 0x30;
constexpr unsigned kCas = 0x34;

// GLOB_CNT.
constexpr u32 kColdReset = 0x02;  // Active low.
constexpr u32 kWarmReset = 0x04;  // Done as soon as asked for.
constexpr u32 kControlKept = 0x3b;
// GLOB_STA.
constexpr std::array<u32, 3> kChannelInterrupt{0x20, 0x40, 0x80};
constexpr u32 kPrimaryReady = 0x100;

/// Between two deliveries of sound.
constexpr u64 kTurnNs = 10'000'000;

}  // namespace

Ac97::Ac97(mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler, IrqLine& irq,
           AudioSink* sink)
    : PciFunction("ac97", Identity{.vendor = 0x8086,
                                   .device = 0x2415,
                                   .revision = 1,
                                   .class_code = 0x04'0100,
                                   .subsystem_vendor = 0x8086,
                                   .subsystem = 0x0000,
                                   .interrupt_pin = 1}),
      scheduler_(scheduler),
      irq_(irq),
      sink_(sink),
      event_(scheduler.add("ac97.turn",
                           [this] {
                             advance();
                             settle();
                           })),
      channels_{Ac97Channel(memory, Ac97Channel::Direction::ToMemory),
                Ac97Channel(memory, Ac97Channel::Direction::FromMemory),
                Ac97Channel(memory, Ac97Channel::Direction::ToMemory)},
      codec_ports_(*this),
      master_ports_(*this, &Ac97::read_master, &Ac97::write_master) {
  define_word(pci_config::kCommand, 0, pci_config::kCommandIo | pci_config::kCommandMaster);
  define_word(pci_config::kStatus, 0x0280, 0);
  add_bar(0, BarKind::Io, kCodecPorts, ports, codec_ports_);
  add_bar(1, BarKind::Io, kMasterPorts, ports, master_ports_);
  codec_.reset();
}

// --- The codec ---

/// The link carries words; a byte alone reaches nothing.
u64 Ac97::CodecPorts::read(u64 offset, Width width) {
  if (width == Width::Byte || offset % 2 != 0) return all_ones(width);
  card_.semaphore_ = false;
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); i += 2) {
    value |= u64{card_.codec_.read(static_cast<unsigned>(offset) + i)} << (8 * i);
  }
  return value;
}

void Ac97::CodecPorts::write(u64 offset, Width width, u64 value) {
  if (width == Width::Byte || offset % 2 != 0) return;
  card_.semaphore_ = false;
  card_.advance();
  for (unsigned i = 0; i < bytes(width); i += 2) {
    card_.codec_.write(static_cast<unsigned>(offset) + i, static_cast<u16>(value >> (8 * i)));
  }
  card_.settle();
}

// --- The bus masters ---

u8 Ac97::read_master(unsigned offset) {
  if (offset < kGlobCnt) {
    advance();
    settle();
    return channels_[offset / Ac97Channel::kRegisterBytes].read_byte(
        offset % Ac97Channel::kRegisterBytes);
  }
  if (offset < kGlobSta) return static_cast<u8>(global_control_ >> (8 * (offset - kGlobCnt)));
  if (offset < kCas) {
    advance();
    settle();
    return static_cast<u8>(global_status() >> (8 * (offset - kGlobSta)));
  }
  if (offset != kCas) return 0;
  const bool was_taken = semaphore_;
  semaphore_ = true;
  return was_taken ? 1 : 0;
}

void Ac97::write_master(unsigned offset, u8 value) {
  advance();
  if (offset < kGlobCnt) {
    channels_[offset / Ac97Channel::kRegisterBytes].write_byte(
        offset % Ac97Channel::kRegisterBytes, value, scheduler_.now_ns());
  } else if (offset < kGlobSta) {
    const unsigned shift = 8 * (offset - kGlobCnt);
    write_global_control((global_control_ & ~(u32{0xff} << shift)) | u32{value} << shift);
  }
  settle();
}

/// Simplified: the codec is ready at all times, also while its reset is held.
u32 Ac97::global_status() const {
  u32 status = kPrimaryReady;
  for (unsigned i = 0; i < kChannels; ++i) {
    if (channels_[i].interrupts()) status |= kChannelInterrupt[i];
  }
  return status;
}

void Ac97::write_global_control(u32 value) {
  const bool falls = (global_control_ & kColdReset) != 0 && (value & kColdReset) == 0;
  global_control_ = value & kControlKept & ~kWarmReset;
  if (falls) codec_.reset();
}

// --- Time ---

void Ac97::advance() {
  const u64 now = scheduler_.now_ns();
  const bool is_master = (command() & pci_config::kCommandMaster) != 0;
  for (unsigned i = 0; i < kChannels; ++i) {
    Ac97Channel& channel = channels_[i];
    const bool heard = i == kPcmOut && sink_ != nullptr;
    const u64 start_ns = channel.position_ns();
    frames_.clear();
    channel.advance(now, is_master, heard ? &frames_ : nullptr);
    if (frames_.empty()) continue;
    for (AudioFrame& frame : frames_) frame = codec_.amplify(frame);
    sink_->play(start_ns, channel.rate_hz(), frames_);
  }
}

void Ac97::settle() {
  const u64 now = scheduler_.now_ns();
  channels_[kPcmIn].set_rate(codec_.input_rate_hz(), now);
  channels_[kPcmOut].set_rate(codec_.output_rate_hz(), now);
  channels_[kMicrophone].set_rate(codec_.microphone_rate_hz(), now);
  bool interrupts = false;
  u64 next = Scheduler::kNever;
  for (const Ac97Channel& channel : channels_) {
    interrupts = interrupts || channel.interrupts();
    next = std::min(next, channel.end_ns());
  }
  irq_.set(interrupts);
  if (next != Scheduler::kNever) next = std::min(next, (now / kTurnNs + 1) * kTurnNs);
  scheduler_.schedule(event_, next);
}

// --- State ---

void Ac97::reset() {
  PciFunction::reset();
  codec_.reset();
  for (Ac97Channel& channel : channels_) channel.reset();
  global_control_ = 0;
  semaphore_ = false;
  settle();
}

void Ac97::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(codec_, global_control_, semaphore_);
  for (Ac97Channel& channel : channels_) channel.serialize(archive, scheduler_.now_ns());
  if (archive.is_loading()) global_control_ &= kControlKept;
}

}  // namespace doppel::devices
