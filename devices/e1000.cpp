#include "devices/e1000.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cpu/base/log.h"
#include "devices/e1000_registers.h"

namespace doppel::devices {

using namespace e1000;

namespace {

constexpr PciFunction::Identity kIdentity{
    .vendor = 0x8086,
    .device = 0x100e,
    .revision = 3,
    .class_code = 0x02'00'00,
    .subsystem_vendor = 0x8086,
    .subsystem = 0x001e,
    .interrupt_pin = 1,
};

constexpr unsigned kRegisterBar = 0;
constexpr unsigned kPortBar = 2;

constexpr u64 kIoAddress = 0;
constexpr u64 kIoData = 4;

/// Registers of flow control, timing, LEDs and the like, which are read back as written.
/// Simplified: pause frames are neither sent nor heeded.
constexpr u32 kKept[] = {kCtrlExt, kFla,  kFcal, kFcah,   kFct, kVet,   kFcttv, kTxcw,
                         kTipg,    kAifs, kPba,  kLedctl, kFcrtl, kFcrth};
constexpr u32 kVetIndex = 5;
static_assert(kKept[kVetIndex] == kVet);

constexpr u32 kCtrlAfterReset = ctrl::FD | ctrl::SLU | ctrl::SPEED_1000;
constexpr u32 kPbaAfterReset = 0x0010'0030;  // 48 KiB to receive, 16 KiB to transmit.
constexpr u32 kLedctlAfterReset = 0x0706'8302;

/// Where a register is kept; the end if it is none of those.
const u32* find_kept(u32 offset) { return std::find(std::begin(kKept), std::end(kKept), offset); }

bool is_wake_up(u32 offset) { return offset >= kWuc && offset < kWakeUpEnd; }
bool is_statistics(u32 offset) { return offset >= kStatistics && offset < kStatisticsEnd; }

}  // namespace

E1000::E1000(Config config, mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler,
             IrqLine& line)
    : PciFunction(config.name, kIdentity),
      mac_(config.mac),
      interrupts_(scheduler, config.name, line),
      eeprom_(config.mac),
      phy_(scheduler, config.name, config.link != nullptr, [this] { link_changed(); }),
      receiver_(memory, scheduler, config.name, interrupts_, statistics_),
      transmitter_(memory, scheduler, config.name, interrupts_, statistics_, config.link),
      registers_(*this),
      ports_(*this) {
  static_assert(std::size(kKept) <= std::tuple_size_v<decltype(kept_)>);
  static_assert(kWakeUpEnd - kWuc == 4 * std::tuple_size_v<decltype(wake_up_)>);
  add_bar(kRegisterBar, BarKind::Memory32, kRegisterBytes, memory.mmio(), registers_);
  add_bar(kPortBar, BarKind::Io, kPortBytes, ports, ports_);
  define_byte(pci_config::kInterruptPin + 1, 0xff, 0);  // MIN_GNT
  if (!config.rom.empty()) set_rom(std::move(config.rom), memory.mmio());
}

// --- Registers --------------------------------------------------------------------------------

u32 E1000::status() const {
  const u32 link = phy_.link_up() ? status::LU : 0;
  return status::FD | status::SPEED_1000 | status::ASDV_1000 | link;
}

u32 E1000::read_register(u32 offset) {
  switch (offset) {
    case kCtrl:
    case kCtrlAlias:
      return ctrl_;
    case kStatus:
      return status();
    case kEecd:
      return eeprom_.read_eecd();
    case kEerd:
      return eeprom_.read_eerd();
    case kMdic:
      return phy_.read_mdic();
    case kIcr:
      return interrupts_.read_icr();
    case kItr:
      return interrupts_.throttle();
    case kIms:
      return interrupts_.mask();
    default:
      break;
  }
  if (E1000Receiver::owns(offset)) return receiver_.read(offset);
  if (E1000Transmitter::owns(offset)) return transmitter_.read(offset);
  if (E1000Filter::owns(offset)) return receiver_.filter().read(offset);
  if (is_statistics(offset)) return statistics_.read(offset - kStatistics);
  if (is_wake_up(offset)) return wake_up_[(offset - kWuc) / 4];
  if (const u32* const kept = find_kept(offset); kept != std::end(kKept)) {
    return kept_[static_cast<size_t>(kept - kKept)];
  }
  return 0;
}

void E1000::write_register(u32 offset, u32 value) {
  switch (offset) {
    case kCtrl:
    case kCtrlAlias:
      return write_control(value);
    case kEecd:
      return eeprom_.write_eecd(value);
    case kEerd:
      return eeprom_.write_eerd(value);
    case kMdic:
      if (phy_.write_mdic(value)) interrupts_.raise(icr::MDAC);
      return;
    case kIcr:
      return interrupts_.clear(value);
    case kItr:
      return interrupts_.set_throttle(value);
    case kIcs:
      return interrupts_.raise(value);
    case kIms:
      return interrupts_.set_mask(interrupts_.mask() | value);
    case kImc:
      return interrupts_.set_mask(interrupts_.mask() & ~value);
    default:
      break;
  }
  if (E1000Receiver::owns(offset)) return receiver_.write(offset, value);
  if (E1000Transmitter::owns(offset)) return transmitter_.write(offset, value);
  if (E1000Filter::owns(offset)) return receiver_.filter().write(offset, value);
  if (is_wake_up(offset)) {
    wake_up_[(offset - kWuc) / 4] = value;
  } else if (const u32* const kept = find_kept(offset); kept != std::end(kKept)) {
    // EE_RST reads the EEPROM anew, which changes nothing that is not there already.
    kept_[static_cast<size_t>(kept - kKept)] = offset == kCtrlExt ? value & ~ctrl_ext::EE_RST : value;
    if (offset == kVet) follow_surroundings();
  } else {
    log::warn("e1000", "register 0x%x is not there", offset);
  }
}

void E1000::write_control(u32 value) {
  if ((value & ctrl::RST) != 0) return reset_mac();
  const bool resets_phy = (value & ctrl::PHY_RST) != 0 && (ctrl_ & ctrl::PHY_RST) == 0;
  ctrl_ = value;
  if (resets_phy) phy_.reset();
  follow_surroundings();
}

/// Registers are doublewords; a narrower read gives its part, a narrower write is lost.
u64 E1000::Registers::read(u64 offset, Width width) {
  const u64 value = card_.read_register(static_cast<u32>(offset & ~u64{3}));
  if (width == Width::Qword) {
    return value | u64{card_.read_register(static_cast<u32>((offset & ~u64{3}) + 4))} << 32;
  }
  return value >> (8 * (offset & 3)) & all_ones(width);
}

void E1000::Registers::write(u64 offset, Width width, u64 value) {
  if ((offset & 3) != 0 || bytes(width) < 4) return;
  card_.write_register(static_cast<u32>(offset), static_cast<u32>(value));
  if (width == Width::Qword) {
    card_.write_register(static_cast<u32>(offset + 4), static_cast<u32>(value >> 32));
  }
}

/// @source  "I/O-Mapped Internal Register and Memory Access" (13.2.2)
u64 E1000::Ports::read(u64 offset, Width width) {
  if (width != Width::Dword) return all_ones(width);
  if (offset == kIoAddress) return card_.io_address_;
  if (offset != kIoData || card_.io_address_ >= kRegisterBytes) return 0;
  return card_.registers_.read(card_.io_address_, width);
}

void E1000::Ports::write(u64 offset, Width width, u64 value) {
  if (width != Width::Dword) return;
  if (offset == kIoAddress) card_.io_address_ = static_cast<u32>(value) & ~u32{3};
  if (offset != kIoData || card_.io_address_ >= kRegisterBytes) return;
  card_.registers_.write(card_.io_address_, width, value);
}

// --- The wire ---------------------------------------------------------------------------------

E1000Receiver::Vlan E1000::vlan() const {
  return {(ctrl_ & ctrl::VME) != 0, static_cast<u16>(kept_[kVetIndex])};
}

bool E1000::can_receive() const {
  return bus_master() && phy_.link_up() && receiver_.has_room();
}

void E1000::receive(std::span<const u8> frame) {
  if (bus_master() && phy_.link_up()) receiver_.receive(frame, vlan());
}

void E1000::link_changed() {
  interrupts_.raise(icr::LSC);
  follow_surroundings();
}

/// What the transmitter must know of its neighbours.
void E1000::follow_surroundings() {
  transmitter_.set_surroundings(surroundings());
}

E1000Transmitter::Surroundings E1000::surroundings() const {
  return {bus_master(), phy_.link_up(), vlan().strip, vlan().type};
}

void E1000::config_written(unsigned, unsigned) {
  interrupts_.set_enabled((command() & pci_config::kCommandInterruptDisable) == 0);
  follow_surroundings();
}

// --- State ------------------------------------------------------------------------------------

/// CTRL.RST: all but the PHY and the configuration space.
void E1000::reset_mac() {
  interrupts_.reset();
  transmitter_.reset();
  receiver_.reset(mac_);
  statistics_.reset();
  eeprom_.reset();
  ctrl_ = kCtrlAfterReset;
  kept_.fill(0);
  wake_up_.fill(0);
  for (size_t i = 0; i < std::size(kKept); ++i) {
    if (kKept[i] == kPba) kept_[i] = kPbaAfterReset;
    if (kKept[i] == kLedctl) kept_[i] = kLedctlAfterReset;
  }
  follow_surroundings();
}

void E1000::reset() {
  PciFunction::reset();
  interrupts_.set_enabled(true);
  io_address_ = 0;
  phy_.reset();
  reset_mac();
}

void E1000::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(statistics_, interrupts_, eeprom_, phy_, receiver_, transmitter_, ctrl_, io_address_,
          kept_, wake_up_);
  if (archive.is_loading()) transmitter_.restore_surroundings(surroundings());
}

}  // namespace doppel::devices
