#pragma once

// A Sound Blaster 16: a signal processor (DSP) that is talked to through one byte-wide port, the
// mixer, a MIDI port.
//
//     base+4h, 5h  mixer: index, data         base+Ch  write a command or its parameter
//     base+6h      reset: 1, then 0           base+Eh  is there something to read; ends IRQ 8-bit
//     base+Ah      read an answer             base+Fh  ends IRQ 16-bit
//
// A command is a byte, then its parameters. Samples come by DMA in blocks with an interrupt at the
// end of each, or one by one from the processor (direct mode).
//
// Simplified: no FM synthesis, no ADPCM, and one transfer at a time, not one in each direction.

#include <array>
#include <functional>

#include "devices/audio.h"
#include "devices/byte_ports.h"
#include "devices/byte_queue.h"
#include "devices/device.h"
#include "devices/dma_8237.h"
#include "devices/irq.h"
#include "devices/mpu_401.h"
#include "devices/sb16_mixer.h"
#include "devices/sb16_transfer.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  Creative, "Sound Blaster Series Hardware Programming Guide"
class Sb16 final : public Device {
 public:
  static constexpr u16 kPorts = 16;

  /// `isa_line` gives the wire of an IRQ number; `sink` may be null.
  Sb16(Scheduler& scheduler, std::function<IrqLine&(unsigned irq)> isa_line, Dma8237Pair& dma,
       AudioSink* sink);

  /// Ports 220h-22Fh.
  mmu::IoHandler& ports() { return ports_; }
  /// Ports 330h-331h.
  mmu::IoHandler& midi_ports() { return midi_; }

  std::string_view name() const override { return "sb16"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr unsigned kMostParameters = 3;

  u8 read_port(unsigned offset);
  void write_port(unsigned offset, u8 value);
  void write_reset(u8 value);
  void write_dsp(u8 value);
  void execute();
  void execute_transfer();
  void execute_old_transfer();
  void answer_copyright();
  void start(const Sb16Transfer::Format& format, u32 samples);
  void set_rate(unsigned rate_hz);
  void play_direct(u8 value);
  unsigned parameter_word() const { return parameters_[0] | parameters_[1] << 8u; }

  DmaChannel channel();
  void advance();
  void settle();
  void raise(bool is_wide);
  void update_irq();

  Scheduler& scheduler_;
  std::function<IrqLine&(unsigned)> isa_line_;
  Dma8237Pair& dma_;
  AudioSink* sink_;
  Scheduler::EventId event_;

  Sb16Mixer mixer_;
  Mpu401 midi_;
  Sb16Transfer transfer_;
  ByteQueue<64> answers_;
  u8 last_answer_ = 0xff;
  u8 mixer_index_ = 0;
  bool in_reset_ = false;
  u8 command_ = 0;
  bool has_command_ = false;  // Its parameters are still to come.
  u8 parameter_count_ = 0;
  std::array<u8, kMostParameters> parameters_{};
  u32 rate_hz_ = 11025;
  u32 block_ = 0x800;  // Samples, for the older auto-init commands.
  u8 test_register_ = 0;
  bool speaker_on_ = false;
  bool irq_8_ = false;   // Waits to be ended at +Eh,
  bool irq_16_ = false;  // at +Fh.
  unsigned irq_ = 0;     // The line that is high; 0: none.

  // Direct mode, as it sounds; nothing of it is the guest's to see.
  u64 direct_frame_ = 0;
  i16 direct_level_ = 0;
  std::vector<AudioFrame> frames_;
  BytePorts<Sb16> ports_;
};

}  // namespace doppel::devices
