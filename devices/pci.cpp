#include "devices/pci.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "cpu/base/bits.h"
#include "cpu/base/check.h"
#include "cpu/base/log.h"

namespace doppel::devices {

using namespace pci_config;

// --- A function -------------------------------------------------------------------------------

PciFunction::PciFunction(std::string name, const Identity& identity) : name_(std::move(name)) {
  define_word(kVendor, identity.vendor, 0);
  define_word(kDevice, identity.device, 0);
  define_word(kCommand, 0, kCommandIo | kCommandMemory | kCommandMaster | kCommandInterruptDisable);
  define_word(kStatus, 0, 0);
  // Errors and aborts, cleared by writing ones.
  define_clearable(kStatus + 1, 0xf9);
  define_byte(kRevision, identity.revision, 0);
  for (unsigned i = 0; i < 3; ++i) {
    define_byte(kClass + i, static_cast<u8>(identity.class_code >> (8 * i)), 0);
  }
  define_byte(kHeaderType, identity.multifunction ? 0x80 : 0, 0);
  define_word(kSubsystemVendor, identity.subsystem_vendor, 0);
  define_word(kSubsystem, identity.subsystem, 0);
  define_byte(kInterruptPin, identity.interrupt_pin, 0);
  if (identity.interrupt_pin != 0) define_byte(kInterruptLine, 0, 0xff);
}

void PciFunction::define_byte(unsigned offset, u8 initial, u8 writable) {
  initial_[offset & 0xff] = initial;
  config_[offset & 0xff] = initial;
  writable_[offset & 0xff] = writable;
}

void PciFunction::define_word(unsigned offset, u16 initial, u16 writable) {
  define_byte(offset, static_cast<u8>(initial), static_cast<u8>(writable));
  define_byte(offset + 1, static_cast<u8>(initial >> 8), static_cast<u8>(writable >> 8));
}

u16 PciFunction::config_word(unsigned offset) const {
  return static_cast<u16>(read_config(offset) | read_config(offset + 1) << 8);
}

u32 PciFunction::config_dword(unsigned offset) const {
  return config_word(offset) | u32{config_word(offset + 2)} << 16;
}

void PciFunction::write_config(unsigned offset, unsigned size_bytes, u32 value) {
  for (unsigned i = 0; i < size_bytes; ++i) {
    const unsigned at = (offset + i) & 0xff;
    const u8 byte = static_cast<u8>(value >> (8 * i));
    u8& stored = config_[at];
    stored = static_cast<u8>((stored & ~writable_[at]) | (byte & writable_[at]));
    stored &= static_cast<u8>(~(byte & clearable_[at]));
  }
  update_bars();
  config_written(offset & 0xff, size_bytes);
}

u64 PciFunction::read_config(unsigned offset, unsigned size_bytes) {
  config_reading(offset & 0xff, size_bytes);
  u64 value = 0;
  for (unsigned i = 0; i < size_bytes; ++i) value |= u64{read_config(offset + i)} << (8 * i);
  return value;
}

void PciFunction::config_reading(unsigned, unsigned) {}
void PciFunction::config_written(unsigned, unsigned) {}

void PciFunction::add_bar(unsigned index, BarKind kind, u64 size_bytes, mmu::IoMap& map,
                          mmu::IoHandler& handler, bool prefetchable) {
  DOPPEL_CHECK(index + (kind == BarKind::Memory64 ? 2 : 1) <= kRomBar,
               "a PCI function has six base address registers");
  u32 kind_bits = prefetchable ? 8 : 0;
  if (kind == BarKind::Io) kind_bits = 1;
  if (kind == BarKind::Memory64) kind_bits |= 4;
  define_bar(index, pci_config::kBar0 + 4 * index, kind_bits,
             {.kind = kind, .size = size_bytes, .map = &map, .handler = &handler});
}

void PciFunction::add_memory_bar(unsigned index, mmu::DeviceMemory& memory, bool prefetchable) {
  DOPPEL_CHECK(index < kRomBar, "a PCI function has six base address registers");
  define_bar(index, pci_config::kBar0 + 4 * index, prefetchable ? 8 : 0,
             {.kind = BarKind::Memory32, .size = memory.size(), .memory = &memory});
}

void PciFunction::set_rom(std::vector<u8> bytes, mmu::IoMap& map) {
  constexpr size_t kLeastRom = 2048;
  bytes.resize(std::bit_ceil(std::max(bytes.size(), kLeastRom)), 0xff);
  rom_.bytes = std::move(bytes);
  define_bar(kRomBar, pci_config::kRomBase, 0,
             {.kind = BarKind::Memory32, .size = rom_.bytes.size(), .map = &map, .handler = &rom_});
  define_byte(pci_config::kRomBase, 0, 1);  // Enable.
}

u64 PciFunction::Rom::read(u64 offset, Width width) {
  u64 value = 0;
  for (unsigned i = 0; i < doppel::bytes(width) && offset + i < bytes.size(); ++i) {
    value |= u64{bytes[offset + i]} << (8 * i);
  }
  return value;
}

/// The address bits below the size are fixed at zero: that is how software learns the size.
void PciFunction::define_bar(unsigned index, unsigned offset, u32 kind_bits, Bar bar) {
  const u64 least = bar.kind == BarKind::Io ? 4 : 16;
  DOPPEL_CHECK(bar.size >= least && std::has_single_bit(bar.size),
               "the size of a base address register is a power of two");
  const u64 writable = ~(bar.size - 1);
  for (unsigned i = 0; i < (bar.kind == BarKind::Memory64 ? 8u : 4u); ++i) {
    define_byte(offset + i, i < 4 ? static_cast<u8>(kind_bits >> (8 * i)) : u8{0},
                static_cast<u8>(writable >> (8 * i)));
  }
  bar.offset = offset;
  bars_[index] = bar;
}

bool PciFunction::wanted(const Bar& bar, u64& base) const {
  const u32 low = config_dword(bar.offset);
  const u16 enable = bar.kind == BarKind::Io ? kCommandIo : kCommandMemory;
  if ((command() & enable) == 0) return false;
  if (bar.offset == kRomBase && (low & 1) == 0) return false;
  if (bar.kind == BarKind::Io) {
    base = low & ~u32{3};
    // Ports end at FFFFh: an address beyond (as while sizing) selects nothing.
    return base != 0 && base + bar.size <= 0x1'0000;
  }
  base = low & ~u32{0xf};
  if (bar.kind == BarKind::Memory64) base |= u64{config_dword(bar.offset + 4)} << 32;
  const u64 limit = bar.kind == BarKind::Memory64 ? ~u64{0} : 0xffff'ffff;
  return base != 0 && base <= limit - (bar.size - 1);
}

bool PciFunction::map(Bar& bar) {
  if (bar.memory != nullptr) return bar.memory->show_at(PhysAddr(bar.base));
  return bar.map->add(bar.base, bar.size, *bar.handler);
}

void PciFunction::unmap(Bar& bar) {
  if (bar.mapped && bar.memory != nullptr) bar.memory->show_at(std::nullopt);
  if (bar.mapped && bar.memory == nullptr) bar.map->remove(bar.base);
  bar.mapped = false;
}

void PciFunction::update_bars() {
  // First everything leaves its old place, so that two of them may change places.
  for (Bar& bar : bars_) {
    u64 base = 0;
    if (bar.mapped && (!wanted(bar, base) || base != bar.base)) unmap(bar);
  }
  for (Bar& bar : bars_) {
    u64 base = 0;
    if (bar.size == 0 || bar.mapped || !wanted(bar, base)) continue;
    bar.base = base;
    // Simplified: where two claim the same addresses, the earlier one keeps them.
    bar.mapped = map(bar);
    if (!bar.mapped) {
      log::warn("pci", "%s: the base address register at 0x%x overlaps something else at 0x%llx",
                name_.c_str(), bar.offset, static_cast<unsigned long long>(base));
    }
  }
}

void PciFunction::reset() {
  config_ = initial_;
  update_bars();
}

void PciFunction::serialize(Archive& archive) {
  archive(config_);
  if (archive.is_loading()) update_bars();
}

// --- The bus ----------------------------------------------------------------------------------

PciBus::PciBus(mmu::IoHandler& reset_port)
    : reset_port_(reset_port), address_ports_(*this), data_ports_(*this) {}

bool PciBus::add(unsigned slot, unsigned function, PciFunction& device) {
  if (slot >= 32 || function >= 8 || functions_[slot * 8 + function] != nullptr) return false;
  functions_[slot * 8 + function] = &device;
  return true;
}

PciFunction* PciBus::selected() const {
  const bool enabled = bit(address_, 31);
  const bool bus_zero = bit_field(address_, 23, 16) == 0;
  return enabled && bus_zero ? functions_[bit_field(address_, 15, 8)] : nullptr;
}

u64 PciBus::AddressPorts::read(u64 offset, Width width) {
  if (offset == 0 && width == Width::Dword) return bus_.address_;
  if (offset == 1 && width == Width::Byte) return bus_.reset_port_.read(0, width);
  return all_ones(width);
}

void PciBus::AddressPorts::write(u64 offset, Width width, u64 value) {
  if (offset == 0 && width == Width::Dword) bus_.address_ = static_cast<u32>(value & 0x80ff'fffc);
  if (offset == 1 && width == Width::Byte) bus_.reset_port_.write(0, width, value);
}

u64 PciBus::DataPorts::read(u64 offset, Width width) {
  PciFunction* device = bus_.selected();
  if (device == nullptr) return all_ones(width);
  return device->read_config(bus_.register_offset() + (static_cast<unsigned>(offset) & 3),
                             bytes(width));
}

void PciBus::DataPorts::write(u64 offset, Width width, u64 value) {
  PciFunction* device = bus_.selected();
  if (device == nullptr || bytes(width) > 4) return;
  device->write_config(bus_.register_offset() + (static_cast<unsigned>(offset) & 3), bytes(width),
                       static_cast<u32>(value));
}

}  // namespace doppel::devices
