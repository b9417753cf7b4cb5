#include "devices/pci.h"

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

void PciFunction::config_written(unsigned, unsigned) {}

void PciFunction::add_bar(unsigned index, BarKind kind, u64 size_bytes, mmu::IoMap& map,
                          mmu::IoHandler& handler, bool prefetchable) {
  const unsigned registers = kind == BarKind::Memory64 ? 2 : 1;
  DOPPEL_CHECK(index + registers <= bars_.size(), "a PCI function has six base address registers");
  const u64 least = kind == BarKind::Io ? 4 : 16;
  DOPPEL_CHECK(size_bytes >= least && (size_bytes & (size_bytes - 1)) == 0,
               "the size of a base address register is a power of two");
  u64 kind_bits = prefetchable ? 8 : 0;
  if (kind == BarKind::Io) kind_bits = 1;
  if (kind == BarKind::Memory64) kind_bits |= 4;
  // The address bits below the size are fixed at zero: that is how software learns the size.
  const u64 writable = ~(size_bytes - 1);
  for (unsigned i = 0; i < 4 * registers; ++i) {
    define_byte(kBar0 + 4 * index + i, static_cast<u8>(kind_bits >> (8 * i)),
                static_cast<u8>(writable >> (8 * i)));
  }
  bars_[index] = Bar{.kind = kind, .size = size_bytes, .map = &map, .handler = &handler};
}

bool PciFunction::wanted(const Bar& bar, unsigned index, u64& base) const {
  const u32 low = config_dword(kBar0 + 4 * index);
  const u16 enable = bar.kind == BarKind::Io ? kCommandIo : kCommandMemory;
  if ((command() & enable) == 0) return false;
  if (bar.kind == BarKind::Io) {
    base = low & ~u32{3};
    // Ports end at FFFFh: an address beyond (as while sizing) selects nothing.
    return base != 0 && base + bar.size <= 0x1'0000;
  }
  base = low & ~u32{0xf};
  if (bar.kind == BarKind::Memory64) base |= u64{config_dword(kBar0 + 4 * index + 4)} << 32;
  const u64 limit = bar.kind == BarKind::Memory64 ? ~u64{0} : 0xffff'ffff;
  return base != 0 && base <= limit - (bar.size - 1);
}

void PciFunction::unmap(Bar& bar) {
  if (bar.mapped) bar.map->remove(bar.base);
  bar.mapped = false;
}

void PciFunction::update_bars() {
  // First everything leaves its old place, so that two of them may change places.
  for (unsigned i = 0; i < bars_.size(); ++i) {
    u64 base = 0;
    Bar& bar = bars_[i];
    if (bar.mapped && (!wanted(bar, i, base) || base != bar.base)) unmap(bar);
  }
  for (unsigned i = 0; i < bars_.size(); ++i) {
    u64 base = 0;
    Bar& bar = bars_[i];
    if (bar.size == 0 || bar.mapped || !wanted(bar, i, base)) continue;
    bar.base = base;
    // Simplified: where two claim the same addresses, the earlier one keeps them.
    bar.mapped = bar.map->add(base, bar.size, *bar.handler);
    if (!bar.mapped) {
      log::warn("pci", "%s: BAR %u at 0x%llx overlaps something else", name_.c_str(), i,
                static_cast<unsigned long long>(base));
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
  const PciFunction* device = bus_.selected();
  if (device == nullptr) return all_ones(width);
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) {
    const unsigned at = bus_.register_offset() + (static_cast<unsigned>(offset) & 3) + i;
    value |= u64{device->read_config(at)} << (8 * i);
  }
  return value;
}

void PciBus::DataPorts::write(u64 offset, Width width, u64 value) {
  PciFunction* device = bus_.selected();
  if (device == nullptr || bytes(width) > 4) return;
  device->write_config(bus_.register_offset() + (static_cast<unsigned>(offset) & 3), bytes(width),
                       static_cast<u32>(value));
}

}  // namespace doppel::devices
