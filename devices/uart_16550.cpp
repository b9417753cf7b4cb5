#include "devices/uart_16550.h"

#include <algorithm>

namespace doppel::devices {

namespace {

// Registers; with DLAB set, 0 and 1 are the divisor latch.
constexpr unsigned kRbrThr = 0;
constexpr unsigned kIer = 1;
constexpr unsigned kIirFcr = 2;
constexpr unsigned kLcr = 3;
constexpr unsigned kMcr = 4;
constexpr unsigned kLsr = 5;
constexpr unsigned kMsr = 6;

// IER.
constexpr u8 kIerReceived = 0x01;
constexpr u8 kIerTransmitterEmpty = 0x02;
constexpr u8 kIerLineStatus = 0x04;
constexpr u8 kIerModemStatus = 0x08;
// IIR.
constexpr u8 kIirNone = 0x01;
constexpr u8 kIirModemStatus = 0x00;
constexpr u8 kIirTransmitterEmpty = 0x02;
constexpr u8 kIirReceived = 0x04;
constexpr u8 kIirLineStatus = 0x06;
constexpr u8 kIirTimeout = 0x0c;
constexpr u8 kIirFifos = 0xc0;
// FCR.
constexpr u8 kFcrEnable = 0x01;
constexpr u8 kFcrClearReceiver = 0x02;
constexpr u8 kFcrKept = 0xc9;  // Enable, DMA mode, trigger level; the clear bits clear themselves.
// LCR.
constexpr u8 kLcrLengthMask = 0x03;
constexpr u8 kLcrTwoStopBits = 0x04;
constexpr u8 kLcrParity = 0x08;
constexpr u8 kLcrBreak = 0x40;
constexpr u8 kLcrDlab = 0x80;
// MCR.
constexpr u8 kMcrDtr = 0x01;
constexpr u8 kMcrRts = 0x02;
constexpr u8 kMcrOut1 = 0x04;
constexpr u8 kMcrOut2 = 0x08;
constexpr u8 kMcrLoop = 0x10;
constexpr u8 kMcrWritable = 0x1f;
// LSR.
constexpr u8 kLsrDataReady = 0x01;
constexpr u8 kLsrOverrun = 0x02;
constexpr u8 kLsrFraming = 0x08;
constexpr u8 kLsrBreak = 0x10;
constexpr u8 kLsrThre = 0x20;
constexpr u8 kLsrTemt = 0x40;
constexpr u8 kLsrErrorInFifo = 0x80;
// MSR.
constexpr u8 kMsrDeltas = 0x0f;
constexpr u8 kMsrTrailingRi = 0x04;
constexpr u8 kMsrCts = 0x10;
constexpr u8 kMsrDsr = 0x20;
constexpr u8 kMsrRi = 0x40;
constexpr u8 kMsrDcd = 0x80;
/// A terminal that is always ready.
constexpr u8 kConnected = kMsrCts | kMsrDsr | kMsrDcd;

/// The PC's 1.8432 MHz crystal, divided by 16 and the divisor.
constexpr u64 kClockHz = 1'843'200;
constexpr u64 kNsPerSecond = 1'000'000'000;

}  // namespace

Uart16550::Uart16550(std::string name, Scheduler& scheduler, IrqLine& irq, ByteSink* sink)
    : name_(std::move(name)),
      scheduler_(scheduler),
      irq_(irq),
      sink_(sink),
      timeout_event_(scheduler.add(name_ + ".timeout", [this] {
        timeout_pending_ = fifo_enabled() && fifo_count_ != 0;
        update_irq();
      })) {}

void Uart16550::reset() {
  clear_receiver();
  last_byte_ = 0;
  ier_ = fcr_ = lcr_ = mcr_ = 0;
  line_errors_ = 0;
  msr_ = kConnected;
  scratch_ = 0;
  divisor_ = 12;  // 9600 baud. The chip leaves it undefined.
  thre_pending_ = false;
  update_irq();
}

bool Uart16550::fifo_enabled() const { return (fcr_ & kFcrEnable) != 0; }
bool Uart16550::loopback() const { return (mcr_ & kMcrLoop) != 0; }
unsigned Uart16550::capacity() const { return fifo_enabled() ? kFifoSize : 1; }

unsigned Uart16550::trigger_level() const {
  constexpr std::array<u8, 4> kLevels{1, 4, 8, 14};
  return fifo_enabled() ? kLevels[fcr_ >> 6] : 1;
}

/// Start bit, data, parity and stop bits at the present rate.
u64 Uart16550::character_time_ns() const {
  const u64 bit_count = 1 + 5 + (lcr_ & kLcrLengthMask) + ((lcr_ & kLcrParity) != 0 ? 1 : 0) +
                        ((lcr_ & kLcrTwoStopBits) != 0 ? 2 : 1);
  // A divisor of zero would make the time zero: it counts as one.
  const u64 divisor = std::max<u64>(divisor_, 1);
  return bit_count * divisor * 16 * kNsPerSecond / kClockHz;
}

// --- Receiver ---

unsigned Uart16550::room() const {
  // In loopback the pin is disconnected: bytes wait outside.
  if (loopback()) return 0;
  return capacity() - std::min<unsigned>(fifo_count_, capacity());
}

void Uart16550::receive(u8 byte) {
  if (!loopback()) accept({byte, 0});
}

void Uart16550::receive_break() {
  if (!loopback()) accept({0, kLsrBreak | kLsrFraming});
}

void Uart16550::accept(Character character) {
  if (fifo_count_ >= capacity()) {
    line_errors_ |= kLsrOverrun;
    // Without FIFOs the new character replaces the old one; with them the new one is lost.
    if (fifo_enabled()) {
      update_irq();
      return;
    }
    fifo_count_ = 0;
  }
  fifo_[(fifo_first_ + fifo_count_) % kFifoSize] = character;
  ++fifo_count_;
  if (fifo_count_ == 1) show_errors_of_first();
  timeout_pending_ = false;
  restart_timeout();
  update_irq();
}

/// Errors belong to a character and show when it becomes the next one to read.
void Uart16550::show_errors_of_first() {
  if (fifo_count_ != 0) line_errors_ |= fifo_[fifo_first_].errors;
}

/// Four characters' time without a byte in or out, while bytes wait below the trigger level.
void Uart16550::restart_timeout() {
  if (fifo_enabled() && fifo_count_ != 0) {
    scheduler_.schedule(timeout_event_, scheduler_.now_ns() + 4 * character_time_ns());
  } else {
    scheduler_.cancel(timeout_event_);
  }
}

void Uart16550::clear_receiver() {
  fifo_first_ = fifo_count_ = 0;
  timeout_pending_ = false;
  scheduler_.cancel(timeout_event_);
}

u8 Uart16550::read_rbr() {
  if (fifo_count_ == 0) return last_byte_;
  last_byte_ = fifo_[fifo_first_].byte;
  fifo_first_ = static_cast<u8>((fifo_first_ + 1) % kFifoSize);
  --fifo_count_;
  show_errors_of_first();
  timeout_pending_ = false;
  restart_timeout();
  update_irq();
  return last_byte_;
}

u8 Uart16550::read_lsr() {
  u8 value = static_cast<u8>(line_errors_ | kLsrThre | kLsrTemt);
  if (fifo_count_ != 0) value |= kLsrDataReady;
  if (fifo_enabled()) {
    for (unsigned i = 0; i < fifo_count_; ++i) {
      if (fifo_[(fifo_first_ + i) % kFifoSize].errors != 0) value |= kLsrErrorInFifo;
    }
  }
  line_errors_ = 0;
  if (fifo_count_ != 0) fifo_[fifo_first_].errors = 0;
  update_irq();
  return value;
}

// --- Transmitter ---

/// Simplified: a byte leaves at once and THR is empty again, whatever the rate: real delays would
/// only slow a guest's console. It leaves with all its bits, whatever the word length.
void Uart16550::transmit(u8 byte) {
  if (loopback()) {
    const unsigned length = 5 + (lcr_ & kLcrLengthMask);
    accept({static_cast<u8>(byte & ((1u << length) - 1)), 0});
  } else if (sink_ != nullptr && (lcr_ & kLcrBreak) == 0) {
    sink_->write(byte);
  }
}

void Uart16550::write_thr(u8 value) {
  transmit(value);
  // Writing clears the request, and the register that is empty again makes a new one: an edge,
  // unless something else keeps the line up.
  thre_pending_ = false;
  update_irq();
  thre_pending_ = true;
  update_irq();
}

// --- Interrupts ---

/// @source  PC16550D data sheet, "Interrupt Control Functions" (table IV)
u8 Uart16550::pending_interrupt() const {
  if ((ier_ & kIerLineStatus) != 0 && line_errors_ != 0) return kIirLineStatus;
  if (ier_ & kIerReceived) {
    if (fifo_count_ >= trigger_level()) return kIirReceived;
    if (timeout_pending_) return kIirTimeout;
  }
  if ((ier_ & kIerTransmitterEmpty) != 0 && thre_pending_) return kIirTransmitterEmpty;
  if ((ier_ & kIerModemStatus) != 0 && (msr_ & kMsrDeltas) != 0) return kIirModemStatus;
  return kIirNone;
}

/// On a PC, OUT2 connects the chip to the bus; in loopback the OUT2 pin is off.
/// @source  IBM PC Technical Reference, "Asynchronous Communications Adapter"
void Uart16550::update_irq() {
  const bool connected = (mcr_ & kMcrOut2) != 0 && !loopback();
  irq_.set(connected && pending_interrupt() != kIirNone);
}

u8 Uart16550::read_iir() {
  const u8 pending = pending_interrupt();
  if (pending == kIirTransmitterEmpty) {
    thre_pending_ = false;
    update_irq();
  }
  return static_cast<u8>(pending | (fifo_enabled() ? kIirFifos : 0));
}

void Uart16550::write_ier(u8 value) {
  const u8 before = ier_;
  ier_ = value & 0x0f;
  // Enabling the interrupt while THR is empty, which it always is, asks for it again.
  if ((ier_ & ~before) & kIerTransmitterEmpty) thre_pending_ = true;
  update_irq();
}

void Uart16550::write_fcr(u8 value) {
  const bool switched = ((fcr_ ^ value) & kFcrEnable) != 0;
  if (switched || (value & kFcrClearReceiver) != 0) clear_receiver();
  // The other bits count only together with the enable bit.
  fcr_ = (value & kFcrEnable) != 0 ? value & kFcrKept : 0;
  update_irq();
}

// --- Line and modem control ---

void Uart16550::write_lcr(u8 value) {
  const bool break_starts = (value & ~lcr_ & kLcrBreak) != 0;
  lcr_ = value;
  if (break_starts && loopback()) accept({0, kLsrBreak | kLsrFraming});
}

void Uart16550::write_mcr(u8 value) {
  mcr_ = value & kMcrWritable;
  update_modem_lines();
  update_irq();
}

/// In loopback the four outputs drive the four inputs.
void Uart16550::update_modem_lines() {
  u8 lines = kConnected;
  if (loopback()) {
    lines = static_cast<u8>(
        ((mcr_ & kMcrRts) != 0 ? kMsrCts : 0) | ((mcr_ & kMcrDtr) != 0 ? kMsrDsr : 0) |
        ((mcr_ & kMcrOut1) != 0 ? kMsrRi : 0) | ((mcr_ & kMcrOut2) != 0 ? kMsrDcd : 0));
  }
  // Each delta stands four bits below its line; RI's reports only the way from on to off.
  u8 deltas = static_cast<u8>(((msr_ ^ lines) >> 4) & ~kMsrTrailingRi);
  if ((msr_ & kMsrRi) != 0 && (lines & kMsrRi) == 0) deltas |= kMsrTrailingRi;
  msr_ = static_cast<u8>(lines | (msr_ & kMsrDeltas) | deltas);
}

u8 Uart16550::read_msr() {
  const u8 value = msr_;
  msr_ &= static_cast<u8>(~kMsrDeltas);
  update_irq();
  return value;
}

// --- Ports ---

u8 Uart16550::read_byte(unsigned offset) {
  const bool dlab = (lcr_ & kLcrDlab) != 0;
  switch (offset & 7) {
    case kRbrThr:
      return dlab ? static_cast<u8>(divisor_) : read_rbr();
    case kIer:
      return dlab ? static_cast<u8>(divisor_ >> 8) : ier_;
    case kIirFcr:
      return read_iir();
    case kLcr:
      return lcr_;
    case kMcr:
      return mcr_;
    case kLsr:
      return read_lsr();
    case kMsr:
      return read_msr();
    default:
      return scratch_;
  }
}

void Uart16550::write_byte(unsigned offset, u8 value) {
  const bool dlab = (lcr_ & kLcrDlab) != 0;
  switch (offset & 7) {
    case kRbrThr:
      if (dlab) {
        divisor_ = static_cast<u16>((divisor_ & 0xff00) | value);
      } else {
        write_thr(value);
      }
      break;
    case kIer:
      if (dlab) {
        divisor_ = static_cast<u16>((divisor_ & 0x00ff) | value << 8);
      } else {
        write_ier(value);
      }
      break;
    case kIirFcr:
      write_fcr(value);
      break;
    case kLcr:
      write_lcr(value);
      break;
    case kMcr:
      write_mcr(value);
      break;
    case kLsr:
    case kMsr:
      break;  // Read-only; writing is for factory tests.
    default:
      scratch_ = value;
      break;
  }
}

void Uart16550::serialize(Archive& archive) {
  archive(fifo_, fifo_first_, fifo_count_, last_byte_, ier_, fcr_, lcr_, mcr_, line_errors_, msr_,
          scratch_, divisor_, thre_pending_, timeout_pending_);
  if (fifo_first_ >= kFifoSize || fifo_count_ > kFifoSize) {
    archive.fail("a 16550's FIFO is fuller than it can be");
    fifo_first_ = fifo_count_ = 0;
  }
}

}  // namespace doppel::devices
