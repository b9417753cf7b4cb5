#include "devices/keyboard_8042.h"

namespace doppel::devices {

namespace {

// Status register.
constexpr u8 kOutputFull = 0x01;
constexpr u8 kSystemFlag = 0x04;
constexpr u8 kCommandWritten = 0x08;
constexpr u8 kNotLocked = 0x10;
constexpr u8 kMouseData = 0x20;
// Command byte.
constexpr u8 kKeyboardInterrupt = 0x01;
constexpr u8 kMouseInterrupt = 0x02;
constexpr u8 kSystem = 0x04;
constexpr u8 kKeyboardDisabled = 0x10;
constexpr u8 kMouseDisabled = 0x20;
constexpr u8 kTranslate = 0x40;
// Output port.
constexpr u8 kNoReset = 0x01;
constexpr u8 kA20 = 0x02;
constexpr u8 kKeyboardIrq = 0x10;
constexpr u8 kMouseIrq = 0x20;
constexpr u8 kKeyboardLinesHigh = 0xc0;

enum Command : u8 {
  kReadMemory = 0x20,   // 20h..3Fh
  kWriteMemory = 0x60,  // 60h..7Fh
  kTestPassword = 0xa4,
  kDisableMouse = 0xa7,
  kEnableMouse = 0xa8,
  kTestMouse = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kWriteKeyboardBuffer = 0xd2,
  kWriteMouseBuffer = 0xd3,
  kWriteMouse = 0xd4,
  kDisableA20 = 0xdd,
  kEnableA20 = 0xdf,
  kReadTestInputs = 0xe0,
  kPulse = 0xf0,  // F0h..FFh
};

constexpr u8 kSelfTestPassed = 0x55;
constexpr u8 kInterfaceFine = 0x00;
constexpr u8 kNoPassword = 0xf1;
constexpr u8 kInputPort = 0x80;  // Not locked, no manufacturing jumper.
constexpr unsigned kMemoryIndex = 0x1f;

/// Simplified: a wire of 27 kHz, about twice the real one's rate; drivers wait for much longer.
constexpr u64 kByteTimeNs = 400'000;
/// Simplified: real devices test themselves for some 500 ms.
constexpr u64 kSelfTestNs = 5'000'000;

}  // namespace

Keyboard8042::Keyboard8042(Scheduler& scheduler, IrqLine& irq1, IrqLine& irq12,
                           MachineControl& control)
    : scheduler_(scheduler),
      irq1_(irq1),
      irq12_(irq12),
      control_(control),
      wire_event_(scheduler.add("keyboard.wire", [this] { wire_done(); })),
      keyboard_test_event_(scheduler.add("keyboard.self_test",
                                         [this] {
                                           keyboard_.finish_self_test();
                                           start_wire();
                                         })),
      mouse_test_event_(scheduler.add("mouse.self_test",
                                      [this] {
                                        mouse_.finish_self_test();
                                        start_wire();
                                      })),
      mouse_sample_event_(scheduler.add("mouse.sample", [this] { sample_mouse(); })),
      repeat_event_(scheduler.add("keyboard.repeat", [this] { repeat_key(); })),
      keyboard_input_(*this),
      mouse_input_(*this),
      data_port_(*this, &Keyboard8042::read_data, &Keyboard8042::write_data),
      command_port_(*this, &Keyboard8042::read_status, &Keyboard8042::write_command) {}

void Keyboard8042::reset() {
  for (const Scheduler::EventId event :
       {wire_event_, keyboard_test_event_, mouse_test_event_, mouse_sample_event_,
        repeat_event_}) {
    scheduler_.cancel(event);
  }
  keyboard_.reset();
  mouse_.reset();
  translator_.reset();
  mouse_input_.reset();
  answers_.clear();
  memory_.fill(0);
  // As firmware leaves it, for guests that are started without one.
  memory_[0] = kKeyboardInterrupt | kSystem | kMouseDisabled | kTranslate;
  status_ = 0;
  output_buffer_ = 0;
  expecting_ = 0;
  output_port_ = kA20;
  control_.set_a20(true);
  update_irqs();
}

bool Keyboard8042::a20() const { return (output_port_ & kA20) != 0; }

void Keyboard8042::set_a20(bool on) {
  if (on == a20()) return;
  output_port_ ^= kA20;
  control_.set_a20(on);
}

bool Keyboard8042::keyboard_enabled() const { return (memory_[0] & kKeyboardDisabled) == 0; }
bool Keyboard8042::mouse_enabled() const { return (memory_[0] & kMouseDisabled) == 0; }

// --- The output buffer ---

void Keyboard8042::fill_output_buffer(u8 byte, Source source) {
  output_buffer_ = byte;
  status_ = static_cast<u8>((status_ & ~kMouseData) | kOutputFull |
                            (source == Source::Mouse ? kMouseData : 0));
  update_irqs();
}

/// Simplified: the controller answers at once; the chip needs some microseconds.
void Keyboard8042::answer(u8 byte) {
  if (status_ & kOutputFull) {
    answers_.push(byte);  // A guest that never reads loses answers after the 32nd.
  } else {
    fill_output_buffer(byte, Source::Controller);
  }
}

void Keyboard8042::update_irqs() {
  const bool full = (status_ & kOutputFull) != 0;
  const bool mouse = (status_ & kMouseData) != 0;
  irq1_.set(full && !mouse && (memory_[0] & kKeyboardInterrupt) != 0);
  irq12_.set(full && mouse && (memory_[0] & kMouseInterrupt) != 0);
}

/// Lets the next byte come, if one waits and there is room for it.
void Keyboard8042::start_wire() {
  if ((status_ & kOutputFull) != 0 || scheduler_.is_scheduled(wire_event_)) return;
  const bool wanted =
      (keyboard_.has_output() && keyboard_enabled()) || (mouse_.has_output() && mouse_enabled());
  if (wanted) scheduler_.schedule(wire_event_, scheduler_.now_ns() + kByteTimeNs);
}

void Keyboard8042::wire_done() {
  // The controller may have put an answer there meanwhile; reading it starts the wire again.
  if (status_ & kOutputFull) return;
  if (keyboard_.has_output() && keyboard_enabled()) {
    u8 byte = keyboard_.take_output();
    if ((memory_[0] & kTranslate) == 0 || translator_.translate(byte, byte)) {
      fill_output_buffer(byte, Source::Keyboard);
    }
  } else if (mouse_.has_output() && mouse_enabled()) {
    fill_output_buffer(mouse_.take_output(), Source::Mouse);
    if (!scheduler_.is_scheduled(mouse_sample_event_)) sample_mouse();
  }
  start_wire();
}

// --- Devices ---

void Keyboard8042::Input::receive(u8 byte) { owner_.receive_stroke(byte); }

void Keyboard8042::receive_stroke(u8 byte) {
  const std::optional<KeyStroke> before = keyboard_.held();
  keyboard_.receive(byte);
  const std::optional<KeyStroke>& now = keyboard_.held();
  const bool is_same = before && now && before->same_key(*now);
  if (!now) {
    scheduler_.cancel(repeat_event_);
  } else if (!is_same) {
    scheduler_.schedule(repeat_event_, scheduler_.now_ns() + keyboard_.repeat_delay_ns());
  }
  start_wire();
}

void Keyboard8042::repeat_key() {
  if (!keyboard_.held()) return;
  keyboard_.repeat();
  scheduler_.schedule(repeat_event_, scheduler_.now_ns() + keyboard_.repeat_period_ns());
  start_wire();
}

void Keyboard8042::MouseInput::receive(u8 byte) {
  bytes_[count_++] = byte;
  if (count_ < kMouseEventBytes) return;
  count_ = 0;
  const auto motion = [this](unsigned at) {
    return static_cast<i16>(static_cast<u16>(bytes_[at] | bytes_[at + 1] << 8));
  };
  owner_.mouse_event(motion(0), motion(2), static_cast<i8>(bytes_[4]), bytes_[5]);
}

void Keyboard8042::MouseInput::serialize(Archive& archive) {
  archive(bytes_, count_);
  if (archive.is_loading() && count_ >= kMouseEventBytes) {
    archive.fail("half a mouse event is too long");
    count_ = 0;
  }
}

void Keyboard8042::to_keyboard(u8 byte) {
  // A byte for the keyboard lets its clock go.
  memory_[0] &= static_cast<u8>(~kKeyboardDisabled);
  if (keyboard_.command(byte)) {
    scheduler_.schedule(keyboard_test_event_, scheduler_.now_ns() + kSelfTestNs);
  }
  start_wire();
}

void Keyboard8042::to_mouse(u8 byte) {
  memory_[0] &= static_cast<u8>(~kMouseDisabled);
  if (mouse_.command(byte)) {
    scheduler_.schedule(mouse_test_event_, scheduler_.now_ns() + kSelfTestNs);
  }
  if (!scheduler_.is_scheduled(mouse_sample_event_)) sample_mouse();
  start_wire();
}

void Keyboard8042::mouse_event(int dx, int dy, int wheel, unsigned buttons) {
  mouse_.move(dx, dy, wheel, buttons);
  if (!scheduler_.is_scheduled(mouse_sample_event_)) sample_mouse();
}

/// Reports what has moved; the next report comes a sample period later at the earliest. If the last
/// one was not taken yet, taking it brings us here again.
void Keyboard8042::sample_mouse() {
  if (!mouse_.wants_to_report()) return;
  mouse_.report();
  scheduler_.schedule(mouse_sample_event_, scheduler_.now_ns() + mouse_.sample_period_ns());
  start_wire();
}

// --- Ports ---

u8 Keyboard8042::read_data(unsigned) {
  const u8 value = output_buffer_;
  if ((status_ & kOutputFull) == 0) return value;  // The last byte, again.
  status_ &= static_cast<u8>(~(kOutputFull | kMouseData));
  update_irqs();
  if (!answers_.empty()) {
    fill_output_buffer(answers_.pop(), Source::Controller);
  } else {
    start_wire();
  }
  return value;
}

u8 Keyboard8042::read_status(unsigned) {
  return static_cast<u8>(status_ | kNotLocked | ((memory_[0] & kSystem) != 0 ? kSystemFlag : 0));
}

void Keyboard8042::write_data(unsigned, u8 value) {
  status_ &= static_cast<u8>(~kCommandWritten);
  const u8 command = expecting_;
  expecting_ = 0;
  switch (command) {
    case 0:
      to_keyboard(value);
      return;
    case kWriteOutputPort:
      write_output_port(value);
      return;
    case kWriteKeyboardBuffer:
      fill_output_buffer(value, Source::Keyboard);
      return;
    case kWriteMouseBuffer:
      fill_output_buffer(value, Source::Mouse);
      return;
    case kWriteMouse:
      to_mouse(value);
      return;
    default:
      memory_[command & kMemoryIndex] = value;
      update_irqs();
      start_wire();
      return;
  }
}

void Keyboard8042::write_command(unsigned, u8 command) {
  status_ |= kCommandWritten;
  expecting_ = 0;
  if (command >= kPulse) {
    // Bits that are clear pulse their line of the output port; only reset does anything so short.
    if ((command & kNoReset) == 0) control_.request_reset(MachineControl::ResetCause::Keyboard);
    return;
  }
  if (command >= kReadMemory && command <= kReadMemory + kMemoryIndex) {
    answer(memory_[command & kMemoryIndex]);
    return;
  }
  if (command >= kWriteMemory && command <= kWriteMemory + kMemoryIndex) {
    expecting_ = command;
    return;
  }
  switch (command) {
    case kTestPassword:
      answer(kNoPassword);
      break;
    case kDisableMouse:
      memory_[0] |= kMouseDisabled;
      break;
    case kEnableMouse:
      memory_[0] &= static_cast<u8>(~kMouseDisabled);
      start_wire();
      break;
    case kTestMouse:
    case kTestKeyboard:
      answer(kInterfaceFine);
      break;
    case kSelfTest:
      memory_[0] |= kSystem;
      answer(kSelfTestPassed);
      break;
    case kDisableKeyboard:
      memory_[0] |= kKeyboardDisabled;
      break;
    case kEnableKeyboard:
      memory_[0] &= static_cast<u8>(~kKeyboardDisabled);
      start_wire();
      break;
    case kReadInputPort:
      answer(kInputPort);
      break;
    case kReadOutputPort:
      answer(output_port());
      break;
    case kWriteOutputPort:
    case kWriteKeyboardBuffer:
    case kWriteMouseBuffer:
    case kWriteMouse:
      expecting_ = command;
      break;
    case kDisableA20:
      set_a20(false);
      break;
    case kEnableA20:
      set_a20(true);
      break;
    case kReadTestInputs:
      // The clock lines: held low for a device that is disabled.
      answer(static_cast<u8>((keyboard_enabled() ? 1 : 0) | (mouse_enabled() ? 2 : 0)));
      break;
    default:
      break;  // Unknown commands are ignored, as by the chip.
  }
}

u8 Keyboard8042::output_port() const {
  const bool full = (status_ & kOutputFull) != 0;
  const bool mouse = (status_ & kMouseData) != 0;
  return static_cast<u8>(kKeyboardLinesHigh | kNoReset | (output_port_ & kA20) |
                         (full && !mouse ? kKeyboardIrq : 0) | (full && mouse ? kMouseIrq : 0));
}

void Keyboard8042::write_output_port(u8 value) {
  set_a20((value & kA20) != 0);
  if ((value & kNoReset) == 0) control_.request_reset(MachineControl::ResetCause::Keyboard);
}

void Keyboard8042::serialize(Archive& archive) {
  archive(keyboard_, mouse_, translator_, answers_, memory_, status_, output_buffer_, output_port_,
          expecting_, mouse_input_);
}

}  // namespace doppel::devices
