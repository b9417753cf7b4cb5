#pragma once

// The keyboard controller: one output buffer for two devices and for itself.
//
//     keyboard --> [translate] --+
//     mouse ---------------------+--> output buffer (60h) --> IRQ 1 or IRQ 12
//     controller's own answers --+
//
// A byte from a device needs its time on the wire and waits while the buffer is full; the scheduler
// carries it over. The controller's own answers are there at once.
// The output port's bit 1 is gate A20; port 92h switches the same gate.

#include <array>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  IBM PC/AT and PS/2 Technical References, "Keyboard/Auxiliary Device Controller"
class Keyboard8042 final : public Device {
 public:
  Keyboard8042(Scheduler& scheduler, IrqLine& irq1, IrqLine& irq12, MachineControl& control);

  /// Port 60h, one byte long.
  mmu::IoHandler& data_port() { return data_port_; }
  /// Port 64h, one byte long.
  mmu::IoHandler& command_port() { return command_port_; }

  /// Key strokes as raw scan set 2 bytes, before translation.
  ByteReceiver& keyboard_input() { return keyboard_input_; }
  /// The mouse's events as bytes, for a queue that knows bytes: motion to the right and down in 16
  /// bits each, lowest byte first, wheel, buttons.
  ByteReceiver& mouse_input() { return mouse_input_; }
  static constexpr unsigned kMouseEventBytes = 6;
  /// Relative motion in counts: right and down are positive, `wheel` away from the hand;
  /// `buttons`: bit 0 left, 1 right, 2 middle, 3 and 4 side buttons.
  void mouse_event(int dx, int dy, int wheel, unsigned buttons);
  /// Keyboard lights: bit 0 scroll, 1 num, 2 caps.
  u8 leds() const { return keyboard_.leds(); }

  /// Gate A20, for port 92h; setting it tells MachineControl if it changed.
  bool a20() const;
  void set_a20(bool on);

  std::string_view name() const override { return "keyboard"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  enum class Source : u8 { Controller, Keyboard, Mouse };

  /// Strokes enter here, so that the wire starts when the first one arrives.
  class Input final : public ByteReceiver {
   public:
    explicit Input(Keyboard8042& owner) : owner_(owner) {}
    unsigned room() const override { return owner_.keyboard_.room(); }
    void receive(u8 byte) override;

   private:
    Keyboard8042& owner_;
  };

  /// Puts events together again.
  class MouseInput final : public ByteReceiver {
   public:
    explicit MouseInput(Keyboard8042& owner) : owner_(owner) {}
    /// Motion adds up until it is reported, so there is always room; this many bytes at once is
    /// enough.
    unsigned room() const override { return 64 * kMouseEventBytes; }
    void receive(u8 byte) override;
    void reset() { count_ = 0; }
    void serialize(Archive& archive);

   private:
    Keyboard8042& owner_;
    std::array<u8, kMouseEventBytes> bytes_{};
    u8 count_ = 0;
  };

  u8 read_data(unsigned);
  void write_data(unsigned, u8 value);
  u8 read_status(unsigned);
  void write_command(unsigned, u8 command);

  void answer(u8 byte);
  void fill_output_buffer(u8 byte, Source source);
  void to_keyboard(u8 byte);
  void to_mouse(u8 byte);
  void write_output_port(u8 value);
  u8 output_port() const;
  bool keyboard_enabled() const;
  bool mouse_enabled() const;
  void start_wire();
  void wire_done();
  void sample_mouse();
  void receive_stroke(u8 byte);
  void repeat_key();
  void update_irqs();

  Scheduler& scheduler_;
  IrqLine& irq1_;
  IrqLine& irq12_;
  MachineControl& control_;
  Scheduler::EventId wire_event_;
  Scheduler::EventId keyboard_test_event_;
  Scheduler::EventId mouse_test_event_;
  Scheduler::EventId mouse_sample_event_;
  Scheduler::EventId repeat_event_;

  Ps2Keyboard keyboard_;
  Ps2Mouse mouse_;
  SetOneTranslator translator_;
  ByteQueue<32> answers_;        // Of the controller, while the buffer is full.
  std::array<u8, 32> memory_{};  // Byte 0 is the command byte.
  u8 status_ = 0;
  u8 output_buffer_ = 0;
  u8 output_port_ = 0;  // Bits the guest writes; the interrupt bits are derived.
  u8 expecting_ = 0;    // The command whose data byte comes next at port 60h; 0: none.
  Input keyboard_input_;
  MouseInput mouse_input_;
  BytePorts<Keyboard8042> data_port_;
  BytePorts<Keyboard8042> command_port_;
};

}  // namespace doppel::devices
