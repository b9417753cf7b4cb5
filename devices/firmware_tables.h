#pragma once

// The tables that firmware puts into memory for us, as files of fw_cfg.
//
//     etc/acpi/rsdp         the ACPI root pointer, for below 1 MiB
//     etc/acpi/tables       all other ACPI tables, for the top of RAM
//     etc/table-loader      what to allocate, which pointers and checksums to adjust
//     etc/smbios/...        SMBIOS entry point and structures
//
// Pointers in the files are offsets into the file they lead to; firmware adds where that came to stand.

#include <vector>

#include "devices/acpi_tables.h"
#include "devices/fw_cfg.h"

namespace doppel::devices {

/// Adds the ACPI files for a board of this configuration.
/// @source  QEMU, "hw/acpi: BIOS linker loader" interface as SeaBIOS's romfile_loader reads it: commands of
///          128 bytes, 1 allocate, 2 add pointer, 3 add checksum
void add_acpi_files(FwCfg& fw_cfg, const AcpiTablesConfig& config);

struct SmbiosConfig {
  u64 ram_bytes = 0;
  unsigned cpus = 1;
};
/// Adds the SMBIOS files.
/// @source  DMTF DSP0134, "System Management BIOS Reference Specification" 2.8
void add_smbios_files(FwCfg& fw_cfg, const SmbiosConfig& config);

}  // namespace doppel::devices
