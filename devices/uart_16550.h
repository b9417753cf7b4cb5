#pragma once

// A serial port: the 16550A with both FIFOs.
//
// The sending side has no delay: a byte written leaves at once. The receiving side is filled by the
// input queue as room() allows, so nothing is lost that a guest would read in time.

#include <array>
#include <string>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/endpoints.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  National Semiconductor PC16550D data sheet
class Uart16550 final : public Device, public ByteHandler, private ByteReceiver {
 public:
  /// Eight ports. `sink` may be null: bytes are dropped.
  Uart16550(std::string name, Scheduler& scheduler, IrqLine& irq, ByteSink* sink);

  /// The RXD pin: room() is what the FIFO (or the single buffer) can take.
  ByteReceiver& receiver() { return *this; }
  /// A break on the line: a zero character with BI and FE.
  void receive_break();

  std::string_view name() const override { return name_; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr unsigned kFifoSize = 16;
  struct Character {
    u8 byte = 0;
    u8 errors = 0;  // BI, FE, PE as they stand in LSR.
    void serialize(Archive& archive) { archive(byte, errors); }
  };

  unsigned room() const override;
  void receive(u8 byte) override;
  u8 read_byte(unsigned offset) override;
  void write_byte(unsigned offset, u8 value) override;

  bool fifo_enabled() const;
  bool loopback() const;
  unsigned capacity() const;
  unsigned trigger_level() const;
  u64 character_time_ns() const;
  void accept(Character character);
  void transmit(u8 byte);
  u8 read_rbr();
  u8 read_iir();
  u8 read_lsr();
  u8 read_msr();
  void write_thr(u8 value);
  void write_ier(u8 value);
  void write_fcr(u8 value);
  void write_lcr(u8 value);
  void write_mcr(u8 value);
  void clear_receiver();
  void show_errors_of_first();
  void restart_timeout();
  void update_modem_lines();
  u8 pending_interrupt() const;
  void update_irq();

  std::string name_;
  Scheduler& scheduler_;
  IrqLine& irq_;
  ByteSink* sink_;
  Scheduler::EventId timeout_event_;

  std::array<Character, kFifoSize> fifo_{};
  u8 fifo_first_ = 0;
  u8 fifo_count_ = 0;
  u8 last_byte_ = 0;  // RBR shows it when there is nothing to read.
  u8 ier_ = 0;
  u8 fcr_ = 0;
  u8 lcr_ = 0;
  u8 mcr_ = 0;
  u8 line_errors_ = 0;  // OE, PE, FE and BI of LSR: shown until read.
  u8 msr_ = 0;
  u8 scratch_ = 0;
  u16 divisor_ = 12;
  bool thre_pending_ = false;
  bool timeout_pending_ = false;
};

}  // namespace doppel::devices
