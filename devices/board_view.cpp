#include "devices/board_view.h"

#include "devices/pc_board_parts.h"

namespace doppel::devices {
namespace {

constexpr unsigned kSlots = 32;
constexpr unsigned kFunctions = 8;
constexpr u64 kPorts = 0x1'0000;
constexpr u64 kAddresses = u64{1} << 40;

/// Appends the ranges that begin in [first, first + size), a power of two: halves that nothing
/// reaches into are left out at once.
void add_ranges(const mmu::IoMap& map, u64 first, u64 size, std::vector<BoardView::Range>& ranges) {
  if (!map.overlaps(first, size)) return;
  const mmu::IoMap::Hit hit = map.find(first);
  if (hit.handler != nullptr && hit.offset == 0) {
    const auto* const chip = dynamic_cast<const Device*>(hit.handler);
    ranges.push_back({first, hit.remaining, chip != nullptr ? std::string(chip->name()) : std::string()});
  }
  if (hit.handler != nullptr && hit.remaining >= size) return;
  for (u64 half = 1; half < size; half *= 2) add_ranges(map, first + half, half, ranges);
}

BoardView::Lapic view_of(const LocalApic& apic) {
  BoardView::Lapic view{apic.id(), apic.hardware_enabled(), apic.x2apic(), apic.base(), {}};
  for (u32 i = 0; i < view.registers.size(); ++i) view.registers[i] = apic.peek(i * 16);
  return view;
}

BoardView::PciPlace view_of(unsigned slot, unsigned function, const PciFunction& device) {
  BoardView::PciPlace view{slot, function, std::string(device.name()), {}, {}};
  for (unsigned i = 0; i < view.config.size(); ++i) view.config[i] = device.read_config(i);
  for (unsigned i = 0; i < view.bar_sizes.size(); ++i) view.bar_sizes[i] = device.bar_size_bytes(i);
  return view;
}

}  // namespace

BoardView PcBoard::view() const {
  const Parts& parts = *parts_;
  BoardView view;
  view.master = parts.pic.master().view();
  view.slave = parts.pic.slave().view();
  view.ioapic_id = parts.ioapic.id();
  for (unsigned i = 0; i < IoApic::kPins; ++i)
    view.ioapic[i] = {parts.ioapic.entry(i), parts.ioapic.is_asserted(i)};
  for (const auto& apic : parts.lapics) view.lapics.push_back(view_of(*apic));
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    for (unsigned function = 0; function < kFunctions; ++function) {
      const PciFunction* const device = parts.pci.function(slot, function);
      if (device != nullptr) view.pci.push_back(view_of(slot, function, *device));
    }
  }
  for (const Device* chip : parts.devices) view.chips.emplace_back(chip->name());
  add_ranges(parts.ports, 0, kPorts, view.ports);
  add_ranges(parts.memory.mmio(), 0, kAddresses, view.memory);
  return view;
}

}  // namespace doppel::devices
