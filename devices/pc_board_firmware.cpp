// The board and firmware: what firmware finds, and what it would have left behind where none ran.

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "devices/acpi_tables.h"
#include "devices/firmware_tables.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

using namespace layout;

namespace {

// Where a PC's firmware keeps what it knows. @source  IBM PC/AT Technical Reference; the upper
// registers as SeaBIOS reads them.
constexpr u8 kCmosFloppyTypes = 0x10;  // A in the upper half, B in the lower.
constexpr u8 kCmosEquipment = 0x14;
constexpr u8 kCmosBaseMemory = 0x15;      // KiB, 16 bits
constexpr u8 kCmosExtended = 0x17;        // KiB above 1 MiB, 16 bits
constexpr u8 kCmosExtendedActual = 0x30;  // The same
constexpr u8 kCmosAbove16MiB = 0x34;      // 64 KiB units, 16 bits
constexpr u8 kCmosBootThird = 0x38;    // Upper half
constexpr u8 kCmosBootFirst = 0x3d;    // Lower half; the second in the upper
constexpr u8 kCmosAbove4GiB = 0x5b;       // 64 KiB units, 24 bits
constexpr u8 kCmosProcessors = 0x5f;      // One less than there are

constexpr u64 kKiB = 1024;
constexpr u64 kMiB = 1024 * kKiB;

/// Interrupts of PCI pins, as set in the router and told by the interrupt line registers.
constexpr std::array<u8, Piix3::kPirqs> kPirqRoutes = {10, 10, 11, 11};

u64 clamped(u64 value, u64 limit) { return std::min(value, limit); }

/// What the CMOS says of the n-th place to boot from; 0: no such.
u8 boot_code(const std::string& order, size_t n) {
  if (n >= order.size()) return 0;
  switch (order[n]) {
    case 'a':
      return 1;
    case 'c':
      return 2;
    case 'd':
      return 3;
    case 'n':
      return 4;
    default:
      return 0;
  }
}

/// Coprocessor and mouse, and how many floppy drives.
u8 equipment(u8 floppy_types) {
  const unsigned drives = ((floppy_types & 0xf0) != 0 ? 1u : 0u) + ((floppy_types & 0x0f) != 0 ? 1u : 0u);
  return static_cast<u8>(0x06 | (drives != 0 ? 0x01 | (drives - 1) << 6 : 0u));
}

void append(std::vector<u8>& bytes, u64 value, unsigned size_bytes) {
  for (unsigned i = 0; i < size_bytes; ++i) bytes.push_back(static_cast<u8>(value >> (8 * i)));
}

}  // namespace

AcpiTablesConfig PcBoard::Parts::acpi_config() const {
  return {.cpus = config.cpus,
          .pci_window = static_cast<u32>(kPciHole),
          .has_vga = config.has_vga,
          .has_pvpanic = config.has_pvpanic,
          .floppy_types = floppy.cmos_drive_types()};
}

void PcBoard::Parts::describe_machine() {
  auto set_cmos = [this](u8 index, u64 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) {
      rtc.set_cmos(static_cast<u8>(index + i), static_cast<u8>(value >> (8 * i)));
    }
  };
  const u64 low = low_ram();
  const u64 high = config.ram_bytes - low;
  const u64 above_1_mib = low > kMiB ? low - kMiB : 0;
  const u64 above_16_mib = low > 16 * kMiB ? low - 16 * kMiB : 0;
  const unsigned cpus = std::clamp(config.cpus, 1u, 255u);
  const u8 floppies = floppy.cmos_drive_types();
  set_cmos(kCmosFloppyTypes, floppies, 1);
  set_cmos(kCmosEquipment, equipment(floppies), 1);
  set_cmos(kCmosBaseMemory, 640, 2);
  set_cmos(kCmosExtended, clamped(above_1_mib / kKiB, 0xffff), 2);
  set_cmos(kCmosExtendedActual, clamped(above_1_mib / kKiB, 0xffff), 2);
  set_cmos(kCmosAbove16MiB, clamped(above_16_mib / (64 * kKiB), 0xffff), 2);
  set_cmos(kCmosAbove4GiB, clamped(high / (64 * kKiB), 0xff'ffff), 3);
  set_cmos(kCmosProcessors, cpus - 1, 1);

  fw_cfg.add_number(FwCfg::kRamSize, Width::Qword, config.ram_bytes);
  fw_cfg.add_number(FwCfg::kCpus, Width::Word, cpus);
  fw_cfg.add_number(FwCfg::kMaxCpus, Width::Word, cpus);
  fw_cfg.add_number(FwCfg::kIrq0Override, Width::Dword, 1);
  fw_cfg.add_number(FwCfg::kBootMenu, Width::Word, config.boot_menu ? 1 : 0);
  if (config.firmware_on_serial) {
    fw_cfg.add_number(FwCfg::kNoGraphic, Width::Word, 1);
    fw_cfg.add_file("etc/sercon-port", {static_cast<u8>(kCom1 & 0xff), static_cast<u8>(kCom1 >> 8)});
  }
  // The map of RAM that firmware builds its own from: base, length, type 1.
  std::vector<u8> e820;
  append(e820, 0, 8);
  append(e820, low, 8);
  append(e820, 1, 4);
  if (high != 0) {
    append(e820, kFourGib, 8);
    append(e820, high, 8);
    append(e820, 1, 4);
  }
  fw_cfg.add_file("etc/e820", std::move(e820));
  if (!boot_paths.empty()) {
    std::vector<u8> order;
    for (const auto& [index, path] : boot_paths) {
      order.insert(order.end(), path.begin(), path.end());
      order.push_back('\n');
    }
    order.back() = 0;
    fw_cfg.add_file("bootorder", std::move(order));
  }
  add_acpi_files(fw_cfg, acpi_config());
  add_smbios_files(fw_cfg, {.ram_bytes = config.ram_bytes, .cpus = cpus});
  for (const BoardConfig::FwCfgItem& item : config.fw_cfg_items) {
    fw_cfg.add_file(item.name, item.bytes);
  }
  for (const BoardConfig::FwCfgNumbered& item : config.fw_cfg_numbered) {
    fw_cfg.add_key(item.key, item.bytes);
  }
}

/// @source  SeaBIOS documentation, "Runtime config": the paths of Open Firmware
void PcBoard::Parts::name_boot_drive(const BoardConfig::Drive& drive) {
  if (!drive.boot_index) return;
  char path[64] = "";
  switch (drive.kind) {
    case BoardConfig::Drive::Kind::HardDisk:
    case BoardConfig::Drive::Kind::Cdrom:
      std::snprintf(path, sizeof path, "/pci@i0cf8/ide@%x,1/drive@%x/disk@%x", kSlotBridge,
                    drive.place / 2, drive.place % 2);
      break;
    case BoardConfig::Drive::Kind::Floppy:
      std::snprintf(path, sizeof path, "/pci@i0cf8/isa@%x/fdc@%04x/floppy@%x", kSlotBridge, kFloppy,
                    drive.place);
      break;
    case BoardConfig::Drive::Kind::VirtioDisk:
      return;  // It has a slot of its own.
  }
  boot_paths.emplace(*drive.boot_index, path);
}

void PcBoard::Parts::write_boot_order(const std::string& order) {
  rtc.set_cmos(kCmosBootFirst, static_cast<u8>(boot_code(order, 0) | boot_code(order, 1) << 4));
  rtc.set_cmos(kCmosBootThird, static_cast<u8>(boot_code(order, 2) << 4));
}

void PcBoard::firmware_state() {
  auto out = [this](u16 port, u64 value, Width width = Width::Byte) {
    parts_->ports.write(port, width, value);
  };
  auto pci_byte = [&](unsigned slot, unsigned function, unsigned offset, u8 value) {
    out(kPciAddress, 0x8000'0000 | slot << 11 | function << 8 | (offset & 0xfc), Width::Dword);
    out(static_cast<u16>(kPciData + (offset & 3)), value);
  };

  // 8259s: edge triggered, cascade on 2, vectors 08h and 70h; timer, keyboard and cascade open.
  constexpr u8 kInitialise = 0x11;
  constexpr u8 kMode8086 = 0x01;
  out(kPicMaster, kInitialise);
  out(kPicMaster + 1, 0x08);
  out(kPicMaster + 1, 0x04);
  out(kPicMaster + 1, kMode8086);
  out(kPicSlave, kInitialise);
  out(kPicSlave + 1, 0x70);
  out(kPicSlave + 1, 0x02);
  out(kPicSlave + 1, kMode8086);
  out(kPicMaster + 1, 0xf8);
  out(kPicSlave + 1, 0xff);

  // PCI: interrupts on 10 and 11, which with the SCI are level triggered.
  u16 level = 1u << kIrqAcpi;
  for (unsigned i = 0; i < kPirqRoutes.size(); ++i) {
    pci_byte(1, 0, Piix3::kPirqRoute + i, kPirqRoutes[i]);
    level |= static_cast<u16>(1u << kPirqRoutes[i]);
  }
  out(kPicEdgeLevel, level & 0xff);
  out(kPicEdgeLevel + 1, level >> 8);
  pci_byte(1, 3, pci_config::kInterruptLine, kIrqAcpi);
  out(kPciAddress, 0, Width::Dword);

  out(kSmiCommand, AcpiPm::kEnableCommand);
  parts_->ide.enable_ports();
  for (auto& apic : parts_->lapics) apic->configure_virtual_wire();
  // PIT, RTC and 8042 come out of reset as a BIOS would leave them.
}

u64 PcBoard::install_acpi_tables() {
  const AcpiTables tables = build_acpi_tables(parts_->acpi_config(), kAcpiTables);
  parts_->memory.write_bytes(PhysAddr(tables.base), tables.bytes);
  return tables.base;
}

}  // namespace doppel::devices
