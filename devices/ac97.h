#pragma once

// The AC'97 controller of an Intel ICH as a PCI sound card, with its codec.
//
//     BAR 0 (NAM)   the codec's registers
//     BAR 1 (NABM)  three bus masters, then what they share
//     00h PCM in | 10h PCM out | 20h microphone | 2Ch GLOB_CNT | 30h GLOB_STA | 34h CAS

#include <array>

#include "devices/ac97_channel.h"
#include "devices/ac97_codec.h"
#include "devices/pci.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  Intel 82801AA (ICH) data sheet, "AC '97 Audio Controller Registers"
class Ac97 final : public PciFunction {
 public:
  /// `sink` may be null: nobody listens.
  Ac97(mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler, IrqLine& irq,
       AudioSink* sink);

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr unsigned kChannels = 3;
  enum ChannelIndex : unsigned { kPcmIn, kPcmOut, kMicrophone };

  class CodecPorts final : public mmu::IoHandler {
   public:
    explicit CodecPorts(Ac97& card) : card_(card) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    Ac97& card_;
  };

  u8 read_master(unsigned offset);
  void write_master(unsigned offset, u8 value);
  u32 global_status() const;
  void write_global_control(u32 value);
  void advance();
  /// After anything that may have changed what comes next.
  void settle();

  Scheduler& scheduler_;
  IrqLine& irq_;
  AudioSink* sink_;
  Scheduler::EventId event_;
  Ac97Codec codec_;
  std::array<Ac97Channel, kChannels> channels_;
  u32 global_control_ = 0;
  bool semaphore_ = false;  // CAS: somebody is talking to the codec.
  std::vector<AudioFrame> frames_;
  CodecPorts codec_ports_;
  BytePorts<Ac97> master_ports_;
};

}  // namespace doppel::devices
