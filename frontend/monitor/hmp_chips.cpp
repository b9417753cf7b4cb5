// What the board's chips are at: info pic, irq, lapic, pci, mtree, qtree.

#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "devices/board_view.h"
#include "devices/lapic_registers.h"
#include "devices/pci.h"
#include "frontend/monitor/hmp.h"

namespace doppel::frontend {
namespace {

using devices::BoardView;
namespace lapic = devices::lapic_registers;
namespace pci_config = devices::pci_config;

__attribute__((format(printf, 2, 3))) void add(std::string& out, const char* format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
}

void add_pic(std::string& out, unsigned number, const devices::Pic8259::View& pic) {
  add(out,
      "pic%u: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x auto_eoi=%u elcr=%02x fnm=%u "
      "special_mask=%u\n",
      number, pic.requests, pic.mask, pic.in_service, (pic.lowest + 1u) & 7, pic.vector_base,
      pic.auto_eoi, pic.elcr, pic.special_fully_nested, pic.special_mask);
}

const char* mode_name(u32 entry) {
  static constexpr const char* kNames[] = {"fixed", "lowest", "SMI",  "?3",
                                           "NMI",   "INIT",   "SIPI", "ExtINT"};
  return kNames[entry >> lapic::kModeShift & 7];
}

std::string pic_text(const BoardView& view) {
  std::string out;
  add_pic(out, 0, view.master);
  add_pic(out, 1, view.slave);
  add(out, "ioapic: id=%u\n", view.ioapic_id);
  for (unsigned i = 0; i < view.ioapic.size(); ++i) {
    const u64 entry = view.ioapic[i].entry;
    const auto low = static_cast<u32>(entry);
    add(out, "  pin %-2u 0x%016" PRIx64 " dest=%02x vec=%02x %-6s %s %s%s%s\n", i, entry,
        static_cast<unsigned>(entry >> 56), low & lapic::kVectorMask, mode_name(low),
        (low & lapic::kLevelTriggered) != 0 ? "level" : "edge ",
        (low & lapic::kLogical) != 0 ? "logical" : "physical",
        (low & lapic::kMasked) != 0 ? " masked" : "", view.ioapic[i].asserted ? " asserted" : "");
  }
  return out;
}

std::string irq_text(const BoardView& view) {
  std::string out;
  for (unsigned irq = 0; irq < 16; ++irq) {
    const devices::Pic8259::View& pic = irq < 8 ? view.master : view.slave;
    const unsigned bit = 1u << (irq & 7);
    add(out, "%2u: vector %02x %s%s%s%s\n", irq, pic.vector_base | (irq & 7),
        (pic.elcr & bit) != 0 ? "level" : "edge", (pic.requests & bit) != 0 ? " requested" : "",
        (pic.in_service & bit) != 0 ? " in-service" : "", (pic.mask & bit) != 0 ? " masked" : "");
  }
  return out;
}

std::string vectors(const BoardView::Lapic& apic, u32 first) {
  std::string out;
  for (unsigned vector = 0; vector < 256; ++vector) {
    if ((apic.registers[first / 16 + vector / 32] >> (vector % 32) & 1) != 0) add(out, " %02x", vector);
  }
  return out.empty() ? " (none)" : out;
}

std::string lapic_text(const BoardView& view) {
  std::string out;
  for (const BoardView::Lapic& apic : view.lapics) {
    const auto value = [&apic](u32 offset) { return apic.registers[offset / 16]; };
    add(out, "dumping local APIC state for CPU %u: %s%s at 0x%" PRIx64 "\n", apic.id,
        apic.hardware_enabled ? "on" : "off", apic.x2apic ? ", x2APIC" : "", apic.base);
    struct Lvt {
      const char* name;
      u32 offset;
    };
    constexpr Lvt kEntries[] = {{"LVT0", lapic::kLvtLint0},       {"LVT1", lapic::kLvtLint1},
                                {"LVTPC", lapic::kLvtPerformance}, {"LVTERR", lapic::kLvtError},
                                {"LVTTHMR", lapic::kLvtThermal},   {"LVTT", lapic::kLvtTimer}};
    for (const Lvt& lvt : kEntries) {
      const u32 entry = value(lvt.offset);
      add(out, "%-8s 0x%08x %-6s vec %02x%s\n", lvt.name, entry, mode_name(entry),
          entry & lapic::kVectorMask, (entry & lapic::kMasked) != 0 ? " masked" : "");
    }
    add(out, "Timer    divide 0x%x initial %u current %u\n", value(lapic::kDivide),
        value(lapic::kInitialCount), value(lapic::kCurrentCount));
    add(out, "SPIV     0x%08x %s\n", value(lapic::kSvr),
        (value(lapic::kSvr) & lapic::kSoftwareEnable) != 0 ? "APIC enabled" : "APIC disabled");
    add(out, "ICR      0x%08x 0x%08x\n", value(lapic::kIcrHigh), value(lapic::kIcrLow));
    add(out, "ESR      0x%08x\n", value(lapic::kEsr));
    add(out, "ISR     %s\nIRR     %s\n", vectors(apic, lapic::kIsr).c_str(),
        vectors(apic, lapic::kIrr).c_str());
    add(out, "TPR 0x%02x PPR 0x%02x APR 0x%02x DFR 0x%08x LDR 0x%08x\n", value(lapic::kTpr),
        value(lapic::kPpr), value(lapic::kApr), value(lapic::kDfr), value(lapic::kLdr));
  }
  return out;
}

const char* class_name(unsigned class_and_subclass) {
  switch (class_and_subclass) {
    case 0x0101:
      return "IDE controller";
    case 0x0106:
      return "SATA controller";
    case 0x0100:
      return "SCSI controller";
    case 0x0200:
      return "Ethernet controller";
    case 0x0300:
      return "VGA controller";
    case 0x0401:
    case 0x0403:
      return "Audio controller";
    case 0x0600:
      return "Host bridge";
    case 0x0601:
      return "ISA bridge";
    case 0x0680:
      return "Bridge";
    case 0x0c03:
      return "USB controller";
    default:
      return nullptr;
  }
}

void add_bar(std::string& out, const BoardView::PciPlace& place, unsigned index, u64 value) {
  const u64 size = place.bar_sizes[index];
  if ((value & 1) != 0) {
    add(out, "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", index, value & ~u64{3},
        (value & ~u64{3}) + size - 1);
    return;
  }
  const u64 base = value & ~u64{0xf};
  add(out, "      BAR%u: %s bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", index,
      (value & 4) != 0 ? "64" : "32", (value & 8) != 0 ? " prefetchable" : "", base, base + size - 1);
}

std::string pci_text(const BoardView& view) {
  std::string out;
  for (const BoardView::PciPlace& place : view.pci) {
    const auto word = [&place](unsigned at) {
      return static_cast<unsigned>(place.config[at] | place.config[at + 1] << 8);
    };
    const auto dword = [&](unsigned at) { return u64{word(at)} | u64{word(at + 2)} << 16; };
    const unsigned kind = word(pci_config::kClass + 1);
    const char* const name = class_name(kind);
    add(out, "  Bus  0, device %3u, function %u:\n    ", place.slot, place.function);
    if (name != nullptr)
      out += name;
    else
      add(out, "Class %04x", kind);
    add(out, ": PCI device %04x:%04x (%s)\n", word(pci_config::kVendor), word(pci_config::kDevice),
        place.name.c_str());
    if (word(pci_config::kSubsystemVendor) != 0)
      add(out, "      PCI subsystem %04x:%04x\n", word(pci_config::kSubsystemVendor),
          word(pci_config::kSubsystem));
    if (const unsigned pin = place.config[pci_config::kInterruptPin]; pin != 0)
      add(out, "      IRQ %u, pin %c\n", place.config[pci_config::kInterruptLine],
          static_cast<char>('A' + (pin - 1) % 4));
    for (unsigned i = 0; i < 6; ++i) {
      if (place.bar_sizes[i] == 0) continue;
      u64 value = dword(pci_config::kBar0 + 4 * i);
      if ((value & 7) == 4 && i < 5) value |= dword(pci_config::kBar0 + 4 * i + 4) << 32;
      add_bar(out, place, i, value);
    }
    if (place.bar_sizes[6] != 0) {
      const u64 base = dword(pci_config::kRomBase) & ~u64{0x7ff};
      add(out, "      BAR6: ROM at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", base, base + place.bar_sizes[6] - 1);
    }
  }
  return out;
}

const char* state_name(mmu::PageState state) {
  switch (state) {
    case mmu::PageState::ReadOnly:
      return "rom";
    case mmu::PageState::Device:
      return "video memory";
    case mmu::PageState::Absent:
      return nullptr;
    default:
      return "ram";
  }
}

void add_ranges(std::string& out, const std::vector<BoardView::Range>& ranges) {
  for (const BoardView::Range& range : ranges)
    add(out, "  %016" PRIx64 "-%016" PRIx64 ": %s\n", range.first, range.first + range.size - 1,
        range.name.empty() ? "i/o" : range.name.c_str());
}

std::string mtree_text(Machine& machine, const BoardView& view) {
  std::string out = "memory\n";
  const char* name = nullptr;
  u64 begin = 0;
  const u64 end = machine.pmap().end().value;
  for (u64 at = 0; at <= end; at += kPageSize) {
    const char* const now = at == end ? nullptr : state_name(machine.pmap().lookup(PhysAddr(at)).state);
    if (now == name) continue;
    if (name != nullptr)
      add(out, "  %016" PRIx64 "-%016" PRIx64 ": %s\n", begin, at - 1, name);
    name = now;
    begin = at;
  }
  out += "memory-mapped registers\n";
  add_ranges(out, view.memory);
  out += "ports\n";
  add_ranges(out, view.ports);
  return out;
}

}  // namespace

std::optional<std::string> Hmp::info_chips(const std::string& topic) {
  const BoardView view = machine_.board().view();
  if (topic == "pic") return pic_text(view);
  if (topic == "irq") return irq_text(view);
  if (topic == "lapic") return lapic_text(view);
  if (topic == "pci") return pci_text(view);
  if (topic == "mtree") return mtree_text(machine_, view);
  if (topic != "qtree") return std::nullopt;
  std::string out = "board\n";
  for (const std::string& chip : view.chips) out += "  dev: " + chip + "\n";
  return out;
}

}  // namespace doppel::frontend
