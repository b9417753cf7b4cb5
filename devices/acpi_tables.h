#pragma once

// The ACPI tables that describe this board to an operating system.
//
//     RSDP -> RSDT, XSDT -> FADT -> FACS, DSDT
//                        -> MADT    processors, I/O APIC, overrides
//                        -> HPET
//
// They are one image with its final addresses: direct boot puts it into memory below 1 MiB.

#include <vector>

#include "cpu/base/types.h"

namespace doppel::devices {

struct AcpiTablesConfig {
  unsigned cpus = 1;
  /// Where PCI memory may begin: the end of RAM below 4 GiB, or the PCI hole.
  u32 pci_window = 0xc000'0000;
  bool has_vga = false;
};

struct AcpiTables {
  u64 base = 0;  ///< The RSDP is the first thing in it.
  std::vector<u8> bytes;
};

/// Everything, for the address `base` (64-byte aligned).
/// @source  ACPI Specification 6.5, "ACPI Software Programming Model"
AcpiTables build_acpi_tables(const AcpiTablesConfig& config, u64 base);

/// The DSDT's code alone: the board as a tree of devices.
std::vector<u8> build_dsdt_code(const AcpiTablesConfig& config);

}  // namespace doppel::devices
