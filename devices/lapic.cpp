#include "devices/lapic.h"

#include "cpu/base/bits.h"
#include "devices/lapic_registers.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

using namespace lapic_registers;

namespace {

enum LvtIndex : unsigned { kTimer, kThermal, kPerformance, kLint0, kLint1, kError };

/// Which bits of an LVT entry software may set; delivery status and remote IRR are the chip's.
constexpr std::array<u32, 6> kLvtWritable = {0x7'00ff, 0x1'07ff, 0x1'07ff,
                                             0x1'a7ff, 0x1'a7ff, 0x1'00ff};

/// Vectors below 16 belong to exceptions; a message with one of them is an error.
constexpr u8 kFirstLegalVector = 16;

constexpr u8 priority_class(int vector) {
  return vector < 0 ? u8{0} : static_cast<u8>(vector & 0xf0);
}

constexpr DeliveryMode mode_of(u32 entry) {
  return static_cast<DeliveryMode>(bit_field(entry, 10, 8));
}

}  // namespace

LocalApic::LocalApic(u32 id, ApicBus& bus, Scheduler& scheduler, const TimestampCounter& tsc,
                     ProcessorLines& processor, LocalApicHost& host)
    : id_(id),
      name_("lapic" + std::to_string(id)),
      bus_(bus),
      processor_(processor),
      host_(host),
      timer_(name_ + "_timer", scheduler, tsc, [this] { raise_local(kTimer); }) {
  bus.attach(*this);
}

bool LocalApic::hardware_enabled() const { return (apic_base_ & kBaseEnable) != 0; }
bool LocalApic::x2apic() const { return (apic_base_ & kBaseX2apic) != 0; }
bool LocalApic::software_enabled() const {
  return hardware_enabled() && (spurious_ & kSoftwareEnable) != 0;
}

// --- Priorities -------------------------------------------------------------------------------

/// @source  "Task and Processor Priorities"
u8 LocalApic::processor_priority() const {
  const u8 serving = priority_class(in_service_.highest());
  return (task_priority_ & 0xf0) >= serving ? task_priority_ : serving;
}

/// @source  "Arbitration Priority Register (APR)"
u8 LocalApic::arbitration_register() const {
  const u8 task = task_priority_ & 0xf0;
  const u8 serving = priority_class(in_service_.highest());
  const u8 waiting = priority_class(requested_.highest());
  if (task >= waiting && task > serving) return task_priority_;
  const u8 least = task & serving;
  return least > waiting ? least : waiting;
}

bool LocalApic::wants_interrupt() const {
  return requested_.highest() >= 0 && software_enabled() &&
         priority_class(requested_.highest()) > (processor_priority() & 0xf0);
}

u8 LocalApic::acknowledge() {
  if (!wants_interrupt()) return spurious_vector();
  const u8 vector = static_cast<u8>(requested_.highest());
  requested_.erase(vector);
  in_service_.insert(vector);
  output_changed();
  return vector;
}

void LocalApic::set_cr8(u8 priority) {
  task_priority_ = static_cast<u8>((priority & 0xf) << 4);
  output_changed();
}

void LocalApic::end_of_interrupt() {
  if (in_service_.highest() == VectorSet::kNone) return;
  const u8 vector = static_cast<u8>(in_service_.highest());
  in_service_.erase(vector);
  if (level_triggered_.contains(vector)) {
    level_triggered_.erase(vector);
    for (unsigned pin = 0; pin < 2; ++pin) {
      u32& entry = lvt_[kLint0 + pin];
      if ((entry & kRemoteIrr) == 0 || (entry & kVectorMask) != vector) continue;
      entry &= ~kRemoteIrr;
      if (lint_level_[pin]) raise_local(kLint0 + pin);
    }
    bus_.broadcast_end_of_interrupt(vector);
  }
  output_changed();
}

// --- Arriving interrupts ----------------------------------------------------------------------

bool LocalApic::accepts_pic() const {
  // Simplified: hardware out of reset blocks LINT0 until software opens it. Here a local APIC that
  // software has not enabled lets the 8259 through, so that systems that ignore it just work.
  if (!software_enabled()) return true;
  const u32 entry = lvt_[kLint0];
  return (entry & kMasked) == 0 && mode_of(entry) == DeliveryMode::ExtInt;
}

u32 LocalApic::logical_id() const {
  if (x2apic()) return (id_ >> 4) << 16 | 1u << (id_ & 0xf);
  return logical_destination_;
}

/// @source  "Determining IPI Destination"
bool LocalApic::is_addressed(const ApicMessage& message) const {
  if (!hardware_enabled()) return false;
  const u32 destination = message.destination;
  if (destination == ApicMessage::kBroadcast) return true;
  if (!message.logical) return destination == id_ || (!x2apic() && destination == 0xff);
  const u32 mine = logical_id();
  if (x2apic()) {
    return (destination >> 16) == (mine >> 16) && (destination & mine & 0xffff) != 0;
  }
  const u32 members = mine >> 24;
  if ((destination_format_ >> 28) == 0xf) return (destination & members) != 0;
  if ((destination_format_ >> 28) != 0) return false;
  const bool same_cluster = (destination & 0xf0) == (members & 0xf0) || destination >> 4 == 0xf;
  return same_cluster && (destination & members & 0x0f) != 0;
}

bool LocalApic::accept(const ApicMessage& message) {
  switch (message.mode) {
    case DeliveryMode::Fixed:
    case DeliveryMode::LowestPriority:
      return raise_vector(message.vector, message.level_triggered);
    case DeliveryMode::Nmi:
      processor_.raise_nmi();
      return true;
    case DeliveryMode::Init:
      // INIT leaves APIC_BASE and the id alone.
      reset_registers();
      output_changed();
      processor_.raise_init();
      return true;
    case DeliveryMode::Startup:
      processor_.raise_startup(message.vector);
      return true;
    case DeliveryMode::Smi:     // Simplified: there is no system management mode.
    case DeliveryMode::ExtInt:  // The I/O APIC turned it into the 8259's vector.
      break;
  }
  return false;
}

bool LocalApic::raise_vector(u8 vector, bool level_triggered) {
  if (!software_enabled()) return false;
  if (vector < kFirstLegalVector) {
    report_error(kReceivedIllegalVector);
    return false;
  }
  requested_.insert(vector);
  if (level_triggered) {
    level_triggered_.insert(vector);
  } else {
    level_triggered_.erase(vector);
  }
  output_changed();
  return true;
}

void LocalApic::raise_local(unsigned lvt_index) {
  u32& entry = lvt_[lvt_index];
  if ((entry & kMasked) != 0) return;
  const u8 vector = static_cast<u8>(entry & kVectorMask);
  const bool is_lint = lvt_index == kLint0 || lvt_index == kLint1;
  // The timer's and the error's entries have no mode field: they are always fixed.
  const bool has_mode = lvt_index != kTimer && lvt_index != kError;
  switch (has_mode ? mode_of(entry) : DeliveryMode::Fixed) {
    case DeliveryMode::Fixed: {
      // LINT1 is always edge triggered.
      const bool level = lvt_index == kLint0 && (entry & kLevelTriggered) != 0;
      if (level && (entry & kRemoteIrr) != 0) return;
      if (raise_vector(vector, level) && level) entry |= kRemoteIrr;
      break;
    }
    case DeliveryMode::Nmi:
      processor_.raise_nmi();
      break;
    case DeliveryMode::Init:
      if (is_lint) accept(ApicMessage{.mode = DeliveryMode::Init});
      break;
    default:  // ExtINT is a passage, see accepts_pic(); the others mean nothing here.
      break;
  }
}

void LocalApic::set_lint(unsigned pin, bool level) {
  pin &= 1;
  const bool rises = level && !lint_level_[pin];
  lint_level_[pin] = level;
  if (rises && hardware_enabled()) raise_local(kLint0 + pin);
}

void LocalApic::report_error(u32 bit) {
  pending_errors_ |= bit;
  const u32 entry = lvt_[kError];
  // An error entry with an illegal vector must not report itself for ever.
  if ((entry & kVectorMask) >= kFirstLegalVector) raise_local(kError);
}

/// @source  "Interrupt Command Register (ICR)"
void LocalApic::send_command() {
  const auto mode = mode_of(command_low_);
  const bool level = (command_low_ & kLevelTriggered) != 0;
  // INIT level de-assert synchronised arbitration ids once; it has no effect today.
  if (mode == DeliveryMode::Init && level && (command_low_ & kAssert) == 0) return;
  ApicMessage message{.mode = mode,
                      .vector = static_cast<u8>(command_low_ & kVectorMask),
                      .logical = (command_low_ & kLogical) != 0,
                      .destination = x2apic() ? command_high_ : command_high_ >> 24};
  const bool has_vector = mode == DeliveryMode::Fixed || mode == DeliveryMode::LowestPriority;
  if (has_vector && message.vector < kFirstLegalVector) {
    report_error(kSendIllegalVector);
    return;
  }
  switch (bit_field(command_low_, 19, 18)) {
    case 0:
      bus_.send(message);
      break;
    case 1:
      if (has_vector) raise_vector(message.vector, false);
      break;
    case 2:
      // INIT and start-up to oneself are not legal.
      bus_.send_to_all(
          message, mode == DeliveryMode::Init || mode == DeliveryMode::Startup ? this : nullptr);
      break;
    default:
      bus_.send_to_all(message, this);
      break;
  }
}

// --- Registers that do something when written -------------------------------------------------

void LocalApic::set_spurious(u32 value) {
  spurious_ = value & 0x3ff;
  if ((spurious_ & kSoftwareEnable) == 0) {
    for (u32& entry : lvt_) entry |= kMasked;
  }
  configure_timer();
  output_changed();
}

void LocalApic::write_lvt(unsigned index, u32 value) {
  u32 entry = value & kLvtWritable[index];
  if ((spurious_ & kSoftwareEnable) == 0) entry |= kMasked;
  if ((entry & kLevelTriggered) != 0) entry |= lvt_[index] & kRemoteIrr;
  lvt_[index] = entry;
  if (index == kTimer) configure_timer();
  // Opening a level-triggered LINT0 that is high already.
  if (index == kLint0 && lint_level_[0] && (entry & kLevelTriggered) != 0) raise_local(kLint0);
  output_changed();
}

void LocalApic::configure_timer() {
  const u32 entry = lvt_[kTimer];
  auto mode = LapicTimer::Mode::OneShot;
  switch (bit_field(entry, 18, 17)) {
    case 1:
      mode = LapicTimer::Mode::Periodic;
      break;
    case 2:
      mode = LapicTimer::Mode::TscDeadline;
      break;
    default:
      break;  // 3 is reserved.
  }
  timer_.configure(mode, (entry & kMasked) != 0);
}

std::optional<u32> LocalApic::read_register(u32 offset) const {
  if (offset >= kIsr && offset < kIsr + 0x80)
    return in_service_.register_value((offset - kIsr) >> 4);
  if (offset >= kTmr && offset < kTmr + 0x80) {
    return level_triggered_.register_value((offset - kTmr) >> 4);
  }
  if (offset >= kIrr && offset < kIrr + 0x80)
    return requested_.register_value((offset - kIrr) >> 4);
  if (offset >= kLvtTimer && offset <= kLvtError) return lvt_[(offset - kLvtTimer) >> 4];
  switch (offset) {
    case kId:
      return x2apic() ? id_ : id_ << 24;
    case kVersion:
      return kVersionValue;
    case kTpr:
      return task_priority_;
    case kApr:
      return arbitration_register();
    case kPpr:
      return processor_priority();
    case kEoi:
      return 0;
    case kRrd:
      return 0;
    case kLdr:
      return logical_id();
    case kDfr:
      return destination_format_;
    case kSvr:
      return spurious_;
    case kEsr:
      return error_status_;
    case kIcrLow:
      return command_low_;
    case kIcrHigh:
      return command_high_;
    case kInitialCount:
      return timer_.initial_count();
    case kCurrentCount:
      return timer_.current_count();
    case kDivide:
      return timer_.divide_configuration();
    default:
      return std::nullopt;
  }
}

bool LocalApic::write_register(u32 offset, u32 value) {
  if (offset >= kLvtTimer && offset <= kLvtError) {
    write_lvt((offset - kLvtTimer) >> 4, value);
    return true;
  }
  switch (offset) {
    case kTpr:
      task_priority_ = static_cast<u8>(value);
      output_changed();
      return true;
    case kEoi:
      end_of_interrupt();
      return true;
    case kLdr:
      logical_destination_ = value & 0xff00'0000;
      return true;
    case kDfr:
      destination_format_ = value | 0x0fff'ffff;
      return true;
    case kSvr:
      set_spurious(value);
      return true;
    case kEsr:
      // A write, of anything, shows what was collected since the last one.
      error_status_ = pending_errors_;
      pending_errors_ = 0;
      return true;
    case kIcrLow:
      // Delivery status (bit 12) reads idle: messages arrive at once.
      command_low_ = value & 0x000c'cfff;
      send_command();
      return true;
    case kIcrHigh:
      command_high_ = value & 0xff00'0000;
      return true;
    case kInitialCount:
      timer_.set_initial_count(value);
      return true;
    case kDivide:
      timer_.set_divide_configuration(value);
      return true;
    case kId:  // The id is fixed, as on current processors.
    case kVersion:
    case kApr:
    case kPpr:
    case kRrd:
    case kCurrentCount:
      return true;
    default:
      return (offset >= kIsr && offset < kEsr);
  }
}

// --- State ------------------------------------------------------------------------------------

void LocalApic::configure_virtual_wire() {
  set_spurious(kSoftwareEnable | 0xff);
  write_lvt(kLint0, static_cast<u32>(DeliveryMode::ExtInt) << kModeShift);
  write_lvt(kLint1, static_cast<u32>(DeliveryMode::Nmi) << kModeShift);
}

/// @source  "Local APIC State After Power-Up or Reset", "… After an INIT Reset"
void LocalApic::reset_registers() {
  task_priority_ = 0;
  logical_destination_ = 0;
  destination_format_ = 0xffff'ffff;
  spurious_ = 0xff;
  error_status_ = 0;
  pending_errors_ = 0;
  command_low_ = 0;
  command_high_ = 0;
  lvt_.fill(kMasked);
  requested_.clear();
  in_service_.clear();
  level_triggered_.clear();
  timer_.reset();
}

void LocalApic::reset() {
  apic_base_ = layout::kLocalApic | kBaseEnable | (id_ == 0 ? kBaseBootstrap : 0);
  reset_registers();
  host_.local_apic_moved(*this);
  output_changed();
}

void LocalApic::serialize(Archive& archive) {
  archive(apic_base_, task_priority_, logical_destination_, destination_format_, spurious_,
          error_status_, pending_errors_, command_low_, command_high_, lvt_, lint_level_,
          requested_, in_service_, level_triggered_, timer_);
  if (archive.is_loading()) {
    host_.local_apic_moved(*this);
    output_changed();
  }
}

}  // namespace doppel::devices
