#pragma once

// The parts of the DSDT that describe drives: operating systems look there for what the ISA bus
// cannot tell.

#include "devices/acpi_tables.h"
#include "devices/aml_builder.h"

namespace doppel::devices {

/// The floppy controller with its drives; below the ISA bridge.
/// @source  ACPI Specification, "Floppy Controller Device Objects" (_FDE, _FDI)
void describe_floppy(AmlBuilder& aml, const AcpiTablesConfig& config);
/// The IDE function with its channels and the places of drives; below the PCI root.
/// @source  ACPI Specification, "IDE Controller Device"
void describe_ide(AmlBuilder& aml);

}  // namespace doppel::devices
