#include "devices/floppy_82077.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string>

#include "devices/floppy_status.h"

namespace doppel::devices {

using namespace floppy;

namespace {

// Ports, from 3F0h. SRA and SRB (0 and 1) are not driven in PC-AT mode.
constexpr unsigned kDor = 2;
constexpr unsigned kTdr = 3;
constexpr unsigned kMsrDsr = 4;
constexpr unsigned kFifo = 5;

// DOR.
constexpr u8 kDorDrive = 0x03;
constexpr u8 kDorNotReset = 0x04;
constexpr u8 kDorDmaGate = 0x08;  // Connects INT and DRQ to the bus.
// TDR.
constexpr u8 kTdrTapeSelect = 0x03;
// MSR; the low four bits say which drives seek.
constexpr u8 kMsrRqm = 0x80;
constexpr u8 kMsrDio = 0x40;
constexpr u8 kMsrNonDma = 0x20;
constexpr u8 kMsrCommandBusy = 0x10;
// DSR and CCR.
constexpr u8 kDsrReset = 0x80;
constexpr u8 kRateMask = 0x03;
constexpr u8 kRate250 = 2;
// DIR: in PC-AT mode the chip drives bit 7 alone.
constexpr u8 kDirDiskChange = 0x80;
constexpr u8 kDirNotDriven = 0x7f;

// CONFIGURE's second byte. EIS and POLL return to zero with every reset, the others unless locked.
constexpr u8 kConfigureUnused = 0x80;
constexpr u8 kConfigureLockable = 0x2f;
constexpr u8 kConfigureDefault = 0x20;  // EFIFO: no FIFO, as an 8272 has none.
// PERPENDICULAR MODE.
constexpr u8 kPerpendicularOverwrite = 0x80;
constexpr u8 kPerpendicularDrives = 0x3c;
constexpr u8 kPerpendicularMode = 0x03;  // GAP and WGATE.
// RELATIVE SEEK's first byte.
constexpr u8 kInwards = 0x40;
// LOCK's first byte, and its result.
constexpr u8 kLockBit = 0x80;
constexpr u8 kLockResult = 0x10;

constexpr u8 kVersion82077 = 0x90;
constexpr u8 kOpenBus = 0xff;

/// RECALIBRATE gives up after so many steps without TRK0.
constexpr unsigned kRecalibrateSteps = 79;

constexpr u64 kResetNs = 100'000;
/// A seek takes a millisecond per cylinder, but not more than ten: long enough to be waited for.
constexpr u64 kSeekStartNs = 100'000;
constexpr u64 kStepNs = 1'000'000;
constexpr unsigned kTimedSteps = 10;

}  // namespace

Floppy82077::Floppy82077(Scheduler& scheduler, IrqLine& irq, DmaChannel dma)
    : scheduler_(scheduler),
      irq_(irq),
      dma_(dma),
      reset_event_(scheduler.add("floppy.reset",
                                 [this] {
                                   sense_pending_ = (1u << kUnits) - 1;
                                   raise_interrupt();
                                 })),
      transfer_event_(scheduler.add("floppy.transfer", [this] { continue_transfer(); })) {
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    seek_events_[unit] = scheduler.add("floppy.seek" + std::to_string(unit), [this, unit] {
      sense_pending_ |= static_cast<u8>(1u << unit);
      raise_interrupt();
    });
  }
}

void Floppy82077::fit(unsigned unit, FloppyDriveType type) {
  if (unit < kDrives) drives_[unit].fit(type);
}

bool Floppy82077::insert(unsigned unit, BlockBackend* medium) {
  return unit < kDrives && drives_[unit].insert(medium);
}

u8 Floppy82077::cmos_drive_types() const {
  return static_cast<u8>(static_cast<u8>(drives_[0].type()) << 4 |
                         static_cast<u8>(drives_[1].type()));
}

FloppyDrive* Floppy82077::drive(unsigned unit) {
  return unit < kDrives && drives_[unit].is_fitted() ? &drives_[unit] : nullptr;
}

// --- Reset ------------------------------------------------------------------------------------

void Floppy82077::reset() {
  dor_ = 0;
  tdr_ = 0;
  rate_ = kRate250;
  specify_ = {};
  perpendicular_ = 0;
  last_eot_ = 0;
  lock_ = false;
  software_reset();
}

bool Floppy82077::is_held_in_reset() const { return (dor_ & kDorNotReset) == 0; }

/// Whatever is under way ends without a word. The heads stay where they are, and so do the numbers
/// that the chip knows them by.
void Floppy82077::stop() {
  scheduler_.cancel(reset_event_);
  scheduler_.cancel(transfer_event_);
  for (const Scheduler::EventId event : seek_events_) scheduler_.cancel(event);
  phase_ = Phase::Command;
  command_count_ = 0;
  result_count_ = result_position_ = 0;
  transfer_ = {};
  sense_pending_ = 0;
  lower_interrupt();
}

/// By DOR or DSR. Once it is over, the polled drives report "ready changed": one interrupt, four
/// times SENSE INTERRUPT STATUS.
/// @source  Intel 82077AA data sheet, "Reset", "Configure", "Lock"
void Floppy82077::software_reset() {
  stop();
  if (lock_) {
    configuration_ &= kConfigureLockable;
  } else {
    configuration_ = kConfigureDefault;
    precompensation_track_ = 0;
  }
  perpendicular_ &= static_cast<u8>(~kPerpendicularMode);
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    sense_st0_[unit] = static_cast<u8>(kSt0Polling | unit);
  }
  if (!is_held_in_reset()) scheduler_.schedule(reset_event_, scheduler_.now_ns() + kResetNs);
}

void Floppy82077::write_dor(u8 value) {
  const bool toggles_reset = ((dor_ ^ value) & kDorNotReset) != 0;
  dor_ = value;
  if (toggles_reset) software_reset();
  drive_irq();
}

/// Simplified: power down (bit 6) and precompensation (bits 4-2) change nothing that can be seen.
void Floppy82077::write_dsr(u8 value) {
  rate_ = value & kRateMask;
  if ((value & kDsrReset) != 0) software_reset();
}

// --- Interrupt --------------------------------------------------------------------------------

bool Floppy82077::is_on_bus() const { return (dor_ & kDorDmaGate) != 0; }

void Floppy82077::drive_irq() { irq_.set(interrupt_ && is_on_bus()); }

/// Every event is an edge, also when the one before was not looked at.
void Floppy82077::raise_interrupt() {
  lower_interrupt();
  interrupt_ = true;
  drive_irq();
}

void Floppy82077::lower_interrupt() {
  interrupt_ = false;
  drive_irq();
}

// --- Ports ------------------------------------------------------------------------------------

u8 Floppy82077::read_port(unsigned offset) {
  switch (offset) {
    case kDor:
      return dor_;
    case kTdr:
      return static_cast<u8>(~kTdrTapeSelect | tdr_);
    case kMsrDsr:
      return main_status();
    case kFifo:
      return read_fifo();
    default:
      return kOpenBus;
  }
}

void Floppy82077::write_port(unsigned offset, u8 value) {
  switch (offset) {
    case kDor:
      write_dor(value);
      break;
    case kTdr:
      tdr_ = value & kTdrTapeSelect;
      break;
    case kMsrDsr:
      write_dsr(value);
      break;
    case kFifo:
      write_fifo(value);
      break;
    default:
      break;
  }
}

u8 Floppy82077::read_dir(unsigned) {
  FloppyDrive* selected = drive(dor_ & kDorDrive);
  const bool changed = selected != nullptr && selected->is_disk_changed();
  return static_cast<u8>(kDirNotDriven | (changed ? kDirDiskChange : 0));
}

void Floppy82077::write_ccr(unsigned, u8 value) { rate_ = value & kRateMask; }

u8 Floppy82077::main_status() const {
  if (is_held_in_reset() || scheduler_.is_scheduled(reset_event_)) return 0;
  u8 status = 0;
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if (scheduler_.is_scheduled(seek_events_[unit])) status |= static_cast<u8>(1u << unit);
  }
  switch (phase_) {
    case Phase::Command:
      return static_cast<u8>(status | kMsrRqm | (command_count_ != 0 ? kMsrCommandBusy : 0));
    case Phase::Execution:
      status |= kMsrCommandBusy;
      if (!uses_dma()) status |= kMsrNonDma;
      if (transfer_.host_moves) status |= is_write() ? kMsrRqm : kMsrRqm | kMsrDio;
      return status;
    case Phase::Result:
      break;
  }
  return static_cast<u8>(status | kMsrRqm | kMsrDio | kMsrCommandBusy);
}

u8 Floppy82077::read_fifo() {
  if (is_held_in_reset()) return kOpenBus;
  if (phase_ == Phase::Execution && transfer_.host_moves && !is_write()) {
    const u8 byte = transfer_.buffer[transfer_.position++];
    host_moved_byte();
    return byte;
  }
  if (phase_ != Phase::Result) return kOpenBus;
  // A seek that ended meanwhile waits for its own command.
  if (result_position_ == 0 && next_seek_report() == kUnits) lower_interrupt();
  const u8 byte = result_[result_position_++];
  if (result_position_ == result_count_) phase_ = Phase::Command;
  return byte;
}

void Floppy82077::write_fifo(u8 value) {
  if (is_held_in_reset() || scheduler_.is_scheduled(reset_event_)) return;
  if (phase_ == Phase::Execution && transfer_.host_moves && is_write()) {
    transfer_.buffer[transfer_.position++] = value;
    host_moved_byte();
    return;
  }
  if (phase_ != Phase::Command) return;
  command_[command_count_++] = value;
  if (command_count_ < floppy_command(command_[0]).length) return;
  command_count_ = 0;
  start_command();
}

// --- Commands without sectors -----------------------------------------------------------------

void Floppy82077::start_command() {
  switch (command()) {
    case FloppyCommand::Invalid:
      return start_result({{kSt0Invalid}});
    case FloppyCommand::Specify:
      specify_ = {command_[1], command_[2]};
      return;
    case FloppyCommand::SenseDriveStatus:
      return sense_drive();
    case FloppyCommand::SenseInterruptStatus:
      return sense_interrupt();
    case FloppyCommand::Recalibrate:
      return recalibrate();
    case FloppyCommand::Seek:
      return seek(command_[2]);
    case FloppyCommand::RelativeSeek:
      return seek(static_cast<u8>((command_[0] & kInwards) != 0 ? pcn_[unit()] + command_[2]
                                                                : pcn_[unit()] - command_[2]));
    case FloppyCommand::Version:
      return start_result({{kVersion82077}});
    case FloppyCommand::PerpendicularMode:
      perpendicular_ = static_cast<u8>((command_[1] & kPerpendicularMode) |
                                       ((command_[1] & kPerpendicularOverwrite) != 0
                                            ? command_[1] & kPerpendicularDrives
                                            : perpendicular_ & kPerpendicularDrives));
      return;
    case FloppyCommand::Configure:
      configuration_ = static_cast<u8>(command_[2] & ~kConfigureUnused);
      precompensation_track_ = command_[3];
      return;
    case FloppyCommand::Lock:
      lock_ = (command_[0] & kLockBit) != 0;
      return start_result({{static_cast<u8>(lock_ ? kLockResult : 0)}});
    case FloppyCommand::Dumpreg:
      return dump_registers();
    default:
      return start_transfer();
  }
}

void Floppy82077::start_result(std::span<const u8> bytes) {
  std::ranges::copy(bytes, result_.begin());
  result_count_ = static_cast<u8>(bytes.size());
  result_position_ = 0;
  phase_ = Phase::Result;
}

/// The first drive whose seek has ended and was not asked for; kUnits: none.
unsigned Floppy82077::next_seek_report() const {
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    const bool is_seek = (sense_st0_[unit] & kSt0InterruptCode) != kSt0Polling;
    if ((sense_pending_ >> unit & 1) != 0 && is_seek) return unit;
  }
  return kUnits;
}

/// Ends of seeks come before what is left of a reset: a driver need not ask four times.
void Floppy82077::sense_interrupt() {
  if (sense_pending_ == 0) return start_result({{kSt0Invalid}});
  unsigned unit = next_seek_report();
  if (unit == kUnits) unit = static_cast<unsigned>(std::countr_zero(sense_pending_)) % kUnits;
  sense_pending_ &= static_cast<u8>(~(1u << unit));
  start_result(std::array<u8, 2>{sense_st0_[unit], pcn_[unit]});
  lower_interrupt();
  if (next_seek_report() != kUnits) raise_interrupt();
}

void Floppy82077::sense_drive() {
  const FloppyDrive* selected = drive(unit());
  u8 st3 = static_cast<u8>(kSt3AlwaysOn | (command_[1] & 0x07));
  if (selected != nullptr) {
    if (selected->is_at_track0()) st3 |= kSt3Track0;
    if (selected->is_write_protected()) st3 |= kSt3WriteProtected;
  }
  start_result({{st3}});
}

/// Steps outwards until the drive says that the head is at track 0, which an absent one never does.
void Floppy82077::recalibrate() {
  FloppyDrive* selected = drive(unit());
  unsigned steps = kRecalibrateSteps;
  bool found = false;
  if (selected != nullptr) {
    steps = std::min(steps, selected->position());
    selected->step(-static_cast<int>(steps));
    found = selected->is_at_track0();
  }
  pcn_[unit()] = 0;
  report_seek(found ? kSt0SeekEnd : kSt0Abnormal | kSt0SeekEnd | kSt0EquipmentCheck, steps);
}

/// The head moves at once, and what it took is waited for before it is told.
void Floppy82077::seek(u8 target) {
  const int steps = int{target} - pcn_[unit()];
  if (FloppyDrive* selected = drive(unit())) selected->step(steps);
  pcn_[unit()] = target;
  report_seek(kSt0SeekEnd, static_cast<unsigned>(std::abs(steps)));
}

void Floppy82077::report_seek(u8 st0, unsigned steps) {
  sense_st0_[unit()] = static_cast<u8>(st0 | unit());
  sense_pending_ &= static_cast<u8>(~(1u << unit()));
  const u64 time_ns = kSeekStartNs + std::min(steps, kTimedSteps) * kStepNs;
  scheduler_.schedule(seek_events_[unit()], scheduler_.now_ns() + time_ns);
}

void Floppy82077::dump_registers() {
  start_result(std::array<u8, kResultBytes>{
      pcn_[0], pcn_[1], pcn_[2], pcn_[3], specify_[0], specify_[1], last_eot_,
      static_cast<u8>((lock_ ? kLockBit : 0) | perpendicular_), configuration_,
      precompensation_track_});
}

// --- State ------------------------------------------------------------------------------------

void Floppy82077::serialize(Archive& archive) {
  archive(drives_, dor_, tdr_, rate_, phase_, interrupt_, command_, command_count_, result_,
          result_count_, result_position_, transfer_, pcn_, sense_st0_, sense_pending_, specify_,
          configuration_, precompensation_track_, perpendicular_, last_eot_, lock_);
  rate_ &= kRateMask;
  sense_pending_ &= (1u << kUnits) - 1;
  bool usable = command_count_ == 0 || command_count_ < floppy_command(command_[0]).length;
  switch (phase_) {
    case Phase::Command:
      break;
    case Phase::Execution:
      usable = usable && transfer_.position < buffer_bytes() && transfer_.head < 2;
      break;
    case Phase::Result:
      usable = usable && result_count_ <= kResultBytes && result_position_ < result_count_;
      break;
    default:
      usable = false;
      break;
  }
  if (usable) return;
  archive.fail("a floppy controller is between two phases");
  phase_ = Phase::Command;
  command_count_ = 0;
}

}  // namespace doppel::devices
