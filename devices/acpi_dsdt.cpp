// The board as ACPI machine language. Written by hand in the order of the tree, so that it reads
// like the source an ACPI compiler would take.

#include <array>
#include <cstdio>
#include <string>

#include "devices/acpi_dsdt_disks.h"
#include "devices/acpi_pm.h"
#include "devices/acpi_tables.h"
#include "devices/aml_builder.h"
#include "devices/hpet.h"
#include "devices/pc_layout.h"
#include "devices/piix3.h"

namespace doppel::devices {

namespace {

/// What _STA answers.
constexpr u64 kPresent = 0x0f;
constexpr u64 kPresentNotShown = 0x0b;
constexpr u64 kDisabled = 0x09;

constexpr u8 kPciConfigSpace = 2;
constexpr std::array<std::string_view, 4> kLinks = {"LNKA", "LNKB", "LNKC", "LNKD"};
constexpr std::array<std::string_view, 4> kRoutes = {"PRQA", "PRQB", "PRQC", "PRQD"};

void resources(AmlBuilder& aml, std::string_view name, const AmlResources& list) {
  aml.name(name);
  aml.buffer(list.finish());
}

void isa_device(AmlBuilder& aml, std::string_view name, std::string_view id, u64 uid,
                const AmlResources& list) {
  aml.device(name, [&] {
    aml.name("_HID");
    aml.eisa_id(id);
    aml.name("_UID");
    aml.integer(uid);
    aml.name("_STA");
    aml.integer(kPresent);
    resources(aml, "_CRS", list);
  });
}

/// An interrupt link: one route register of the bridge, as a device whose resource can be set.
void link_device(AmlBuilder& aml, unsigned index) {
  const std::string route = "\\_SB.PCI0.ISA_." + std::string(kRoutes[index]);
  aml.device(kLinks[index], [&] {
    aml.name("_HID");
    aml.eisa_id("PNP0C0F");
    aml.name("_UID");
    aml.integer(index + 1);
    resources(aml, "_PRS", AmlResources().interrupt({10, 11}));
    resources(aml, "CURR", AmlResources().interrupt({0}));

    aml.method("_STA", 0, [&] {
      aml.if_true([&] {
        aml.bit_and(), aml.reference(route), aml.integer(0x80), aml.no_target();
        aml.return_value(), aml.integer(kDisabled);
      });
      aml.return_value(), aml.integer(kPresentNotShown);
    });
    aml.method("_DIS", 0, [&] {
      aml.bit_or(), aml.reference(route), aml.integer(0x80), aml.reference(route);
    });
    aml.method("_CRS", 0, [&] {
      aml.create_dword_field([&] { aml.reference("CURR"); }, AmlResources::kInterruptNumber,
                             "CIRQ");
      // A route that is off shows interrupt 0.
      aml.store(), aml.integer(0), aml.reference("CIRQ");
      aml.if_true([&] {
        aml.bit_and(), aml.reference(route), aml.integer(0x80), aml.no_target();
        aml.return_value(), aml.reference("CURR");
      });
      aml.bit_and(), aml.reference(route), aml.integer(0x0f), aml.reference("CIRQ");
      aml.return_value(), aml.reference("CURR");
    });
    aml.method("_SRS", 1, [&] {
      aml.create_dword_field([&] { aml.argument(0); }, AmlResources::kInterruptNumber, "SIRQ");
      aml.store(), aml.reference("SIRQ"), aml.reference(route);
    });
  });
}

/// The power management function is wired to the SCI and cannot be routed.
void sci_link_device(AmlBuilder& aml) {
  aml.device("LNKS", [&] {
    aml.name("_HID");
    aml.eisa_id("PNP0C0F");
    aml.name("_UID");
    aml.integer(kLinks.size() + 1);
    aml.name("_STA");
    aml.integer(kPresentNotShown);
    resources(aml, "_PRS", AmlResources().interrupt({layout::kIrqAcpi}));
    resources(aml, "_CRS", AmlResources().interrupt({layout::kIrqAcpi}));
    aml.method("_DIS", 0, [] {});
    aml.method("_SRS", 1, [] {});
  });
}

/// Every pin of every slot of bus 0.
void routing_table(AmlBuilder& aml) {
  constexpr unsigned kSlots = 32;
  constexpr unsigned kPins = 4;
  constexpr unsigned kBridgeSlot = 1;
  aml.name("_PRT");
  aml.package(kSlots * kPins, [&] {
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      for (unsigned pin = 0; pin < kPins; ++pin) {
        aml.package(4, [&] {
          aml.integer(slot << 16 | 0xffff);
          aml.integer(pin);
          aml.reference(slot == kBridgeSlot && pin == 0 ? "\\_SB.LNKS"
                                                        : kLinks[Piix3::pirq_of(slot, pin + 1)]);
          aml.integer(0);
        });
      }
    }
  });
}

void isa_bridge(AmlBuilder& aml, const AcpiTablesConfig& config) {
  aml.device("ISA_", [&] {
    aml.name("_ADR");
    aml.integer(0x0001'0000);
    aml.operation_region("ROUT", kPciConfigSpace, Piix3::kPirqRoute, Piix3::kPirqs);
    aml.byte_fields("ROUT", {"PRQA", "PRQB", "PRQC", "PRQD"});

    isa_device(aml, "RTC_", "PNP0B00", 0,
               AmlResources().io(layout::kRtc, 2).isa_irq(layout::kIrqRtc));
    isa_device(aml, "KBD_", "PNP0303", 0,
               AmlResources()
                   .io(layout::kKeyboardData, 1)
                   .io(layout::kKeyboardCommand, 1)
                   .isa_irq(layout::kIrqKeyboard));
    isa_device(aml, "MOU_", "PNP0F13", 0, AmlResources().isa_irq(layout::kIrqMouse));
    isa_device(aml, "COM1", "PNP0501", 1,
               AmlResources().io(layout::kCom1, 8).isa_irq(layout::kIrqCom1));
    isa_device(aml, "COM2", "PNP0501", 2,
               AmlResources().io(layout::kCom2, 8).isa_irq(layout::kIrqCom2));
    describe_floppy(aml, config);
    // Ports of the board itself: nobody may be placed there.
    isa_device(aml, "SYSR", "PNP0C02", 0,
               AmlResources()
                   .io(layout::kPost, 1)
                   .io(layout::kPort92, 1)
                   .io(layout::kSmiCommand, 2)
                   .io(layout::kPicEdgeLevel, 2)
                   .io(layout::kAcpiPm, layout::kAcpiPmSize));
    aml.device("FWCF", [&] {
      aml.name("_HID");
      aml.string("QEMU0002");
      aml.name("_STA");
      aml.integer(kPresentNotShown);
      resources(aml, "_CRS", AmlResources().io(layout::kFwCfg, 12));
    });
    if (!config.has_pvpanic) return;
    aml.device("PEVT", [&] {
      aml.name("_HID");
      aml.string("QEMU0001");
      aml.name("_STA");
      aml.integer(kPresent);
      resources(aml, "_CRS", AmlResources().io(layout::kPvPanic, 1));
    });
  });
}

void pci_root(AmlBuilder& aml, const AcpiTablesConfig& config) {
  aml.device("PCI0", [&] {
    aml.name("_HID");
    aml.eisa_id("PNP0A03");
    aml.name("_UID");
    aml.integer(0);
    aml.name("_BBN");
    aml.integer(0);
    resources(aml, "_CRS",
              AmlResources()
                  .bus_window(0, 0xff)
                  .io(layout::kPciAddress, 8)
                  .io_window(0, layout::kPciAddress - 1)
                  .io_window(layout::kPciAddress + 8, 0xffff)
                  .memory_window(static_cast<u32>(layout::kVgaHole),
                                 static_cast<u32>(layout::kRomArea) - 1, true)
                  .memory_window(config.pci_window, static_cast<u32>(layout::kIoApic) - 1, false));
    routing_table(aml);
    isa_bridge(aml, config);
    describe_ide(aml);
  });
}

}  // namespace

std::vector<u8> build_dsdt_code(const AcpiTablesConfig& config) {
  AmlBuilder aml;
  aml.name("\\_S5_");
  aml.package(4, [&] {
    aml.integer(AcpiPm::kSoftOffType);
    aml.integer(AcpiPm::kSoftOffType);
    aml.integer(0);
    aml.integer(0);
  });
  aml.scope("\\_SB_", [&] {
    for (unsigned cpu = 0; cpu < config.cpus && cpu < 255; ++cpu) {
      char name[8];
      std::snprintf(name, sizeof name, "C%03X", cpu & 0xfff);
      aml.processor(name, static_cast<u8>(cpu));
    }
    for (unsigned i = 0; i < kLinks.size(); ++i) link_device(aml, i);
    sci_link_device(aml);
    pci_root(aml, config);
    isa_device(aml, "HPET", "PNP0103", 0,
               AmlResources().memory(static_cast<u32>(layout::kHpet), Hpet::kWindowSize));
  });
  return aml.code();
}

}  // namespace doppel::devices
