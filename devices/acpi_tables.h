#pragma once

// The ACPI tables that describe this board to an operating system.
//
//     RSDP -> RSDT, XSDT -> FADT -> FACS, DSDT
//                        -> MADT    processors, I/O APIC, overrides
//                        -> HPET
//
// They are one image with its final addresses, which direct boot puts into memory below 1 MiB.
// Firmware gets it in parts and with a list of what to adjust: devices/firmware_tables.h.

#include <vector>

#include "cpu/base/types.h"

namespace doppel::devices {

struct AcpiTablesConfig {
  unsigned cpus = 1;
  /// Where PCI memory may begin: the end of RAM below 4 GiB, or the PCI hole.
  u32 pci_window = 0xc000'0000;
  bool has_vga = false;
  bool has_pvpanic = false;
  /// As CMOS register 10h has them: drive A in the upper half.
  u8 floppy_types = 0;
};

struct AcpiTables {
  static constexpr u32 kRsdpSize = 36;
  /// Of the image, and of what follows the RSDP.
  static constexpr u32 kAlignment = 64;

  u64 base = 0;  ///< The RSDP is the first thing in it.
  std::vector<u8> bytes;
  /// Addresses of tables within the image, for whoever puts it elsewhere.
  struct Pointer {
    u32 at;
    u8 size_bytes;
  };
  std::vector<Pointer> pointers;
  /// The byte at `at` makes [first, first + size) sum to zero.
  struct Checksum {
    u32 at;
    u32 first;
    u32 size_bytes;
  };
  std::vector<Checksum> checksums;
};

/// Everything, for the address `base` (64-byte aligned).
/// @source  ACPI Specification 6.5, "ACPI Software Programming Model"
AcpiTables build_acpi_tables(const AcpiTablesConfig& config, u64 base);

/// The DSDT's code alone: the board as a tree of devices.
std::vector<u8> build_dsdt_code(const AcpiTablesConfig& config);

}  // namespace doppel::devices
