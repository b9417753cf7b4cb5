#include "devices/acpi_dsdt_disks.h"

#include <array>

#include "devices/floppy_drive.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

namespace {

constexpr unsigned kFloppyDrives = 2;

/// What INT 13h, function 8, says of a drive: its diskette parameter table.
struct FloppyTable {
  u8 last_cylinder;
  u8 sectors;
  u8 gap;
  u8 format_gap;
};

/// By CMOS type, from 1 on.
/// @source  IBM PC AT Technical Reference, BIOS listing, "diskette parameter tables"
constexpr std::array<FloppyTable, 5> kFloppyTables{{
    {39, 9, 0x2a, 0x50},
    {79, 15, 0x1b, 0x54},
    {79, 9, 0x2a, 0x50},
    {79, 18, 0x1b, 0x6c},
    {79, 36, 0x1b, 0x53},
}};

unsigned type_of(const AcpiTablesConfig& config, unsigned drive) {
  const unsigned type = drive == 0 ? config.floppy_types >> 4 : config.floppy_types & 0x0f;
  return type <= kFloppyTables.size() ? type : 0;
}

void address(AmlBuilder& aml, u64 value) {
  aml.name("_ADR");
  aml.integer(value);
}

void describe_floppy_drive(AmlBuilder& aml, unsigned drive, unsigned type) {
  const FloppyTable& table = kFloppyTables[type - 1];
  const u8 information[] = {
      static_cast<u8>(drive),
      static_cast<u8>(type),
      table.last_cylinder,
      table.sectors,
      1,     // Last head.
      0xaf,  // SPECIFY: step rate and head unload time,
      0x02,  // head load time, and DMA.
      0x25,  // Ticks until the motor goes off.
      0x02,  // Sectors of 512 bytes.
      table.sectors,
      table.gap,
      0xff,  // Data length: of no account with 512 bytes.
      table.format_gap,
      0xf6,  // Fills new sectors.
      0x0f,  // Milliseconds for the head to settle.
      0x08,  // Eighths of a second for the motor.
  };
  aml.device(drive == 0 ? "FLPA" : "FLPB", [&] {
    address(aml, drive);
    aml.name("_FDI");
    aml.package(sizeof information, [&] {
      for (const u8 value : information) aml.integer(value);
    });
  });
}

void describe_channel(AmlBuilder& aml, std::string_view name, unsigned channel) {
  aml.device(name, [&] {
    address(aml, channel);
    aml.device("MAST", [&] { address(aml, 0); });
    aml.device("SLAV", [&] { address(aml, 1); });
  });
}

}  // namespace

void describe_floppy(AmlBuilder& aml, const AcpiTablesConfig& config) {
  if (type_of(config, 0) == 0 && type_of(config, 1) == 0) return;
  aml.device("FDC0", [&] {
    aml.name("_HID");
    aml.eisa_id("PNP0700");
    // All registers but those that no driver uses, and that of the hard disk between them.
    aml.name("_CRS");
    aml.buffer(AmlResources()
                   .io(layout::kFloppy + 2, 4)
                   .io(layout::kFloppyRate, 1)
                   .isa_irq(layout::kIrqFloppy)
                   .isa_dma(layout::kDmaFloppy)
                   .finish());
    // Which drives are there: four numbers, and a fifth for tapes, of which there are none.
    std::array<u8, 20> present{};
    for (unsigned drive = 0; drive < kFloppyDrives; ++drive) {
      present[4 * drive] = type_of(config, drive) != 0 ? 1 : 0;
    }
    aml.name("_FDE");
    aml.buffer(present);
    for (unsigned drive = 0; drive < kFloppyDrives; ++drive) {
      if (const unsigned type = type_of(config, drive); type != 0) {
        describe_floppy_drive(aml, drive, type);
      }
    }
  });
}

void describe_ide(AmlBuilder& aml) {
  aml.device("IDE0", [&] {
    address(aml, layout::kSlotBridge << 16 | 1);
    describe_channel(aml, "PRIM", 0);
    describe_channel(aml, "SECN", 1);
  });
}

}  // namespace doppel::devices
