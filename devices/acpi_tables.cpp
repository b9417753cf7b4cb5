#include "devices/acpi_tables.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "devices/acpi_pm.h"
#include "devices/hpet.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

namespace {

constexpr u8 kMemorySpace = 0;
constexpr u8 kIoSpace = 1;
constexpr u8 kResetValue = 0x06;
constexpr u8 kCenturyRegister = 0x32;
constexpr size_t kMaxProcessors = 255;

/// A table under construction: little-endian fields, one after another.
class Table {
 public:
  Table() = default;
  /// With the header that all but RSDP and FACS have; length and checksum follow in finish().
  Table(std::string_view signature, u8 revision) {
    text(signature, 4).number(0, 4).number(revision, 1).number(0, 1);
    text("DOPPEL", 6).text("DOPPELPC", 8).number(1, 4).text("DOPL", 4).number(1, 4);
  }

  Table& number(u64 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) bytes_.push_back(static_cast<u8>(value >> (8 * i)));
    return *this;
  }
  Table& zeros(size_t count) {
    bytes_.insert(bytes_.end(), count, 0);
    return *this;
  }
  Table& text(std::string_view value, size_t size) {
    for (size_t i = 0; i < size; ++i)
      bytes_.push_back(static_cast<u8>(i < value.size() ? value[i] : ' '));
    return *this;
  }
  Table& append(const std::vector<u8>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  /// Where another table is.
  Table& pointer(u64 address, u8 size_bytes) {
    pointers_.push_back({static_cast<u32>(bytes_.size()), size_bytes});
    return number(address, size_bytes);
  }
  /// Generic address structure of a port range.
  Table& port(u16 address, u8 size_bytes, u8 access_size) {
    if (address == 0) return zeros(12);
    return number(kIoSpace, 1)
        .number(size_bytes * 8u, 1)
        .number(0, 1)
        .number(access_size, 1)
        .number(address, 8);
  }

  /// Makes the first `size` bytes sum to zero through the byte at `at`.
  Table& checksum(u32 at, u32 size) {
    bytes_[at] = 0;
    u8 sum = 0;
    for (u32 i = 0; i < size; ++i) sum = static_cast<u8>(sum + bytes_[i]);
    bytes_[at] = static_cast<u8>(-sum);
    checksums_.push_back({at, 0, size});
    return *this;
  }
  /// Fills in the header's length and checksum.
  Table& finish() {
    const auto size = static_cast<u32>(bytes_.size());
    for (unsigned i = 0; i < 4; ++i) bytes_[4 + i] = static_cast<u8>(size >> (8 * i));
    return checksum(9, size);
  }

  const std::vector<u8>& bytes() const { return bytes_; }
  const std::vector<AcpiTables::Pointer>& pointers() const { return pointers_; }
  const std::vector<AcpiTables::Checksum>& checksums() const { return checksums_; }

 private:
  std::vector<u8> bytes_;
  std::vector<AcpiTables::Pointer> pointers_;
  std::vector<AcpiTables::Checksum> checksums_;
};

/// Puts tables at addresses behind one another.
class Image {
 public:
  explicit Image(u64 base) { tables_.base = base; }
  u64 place(const Table& table, size_t alignment) {
    std::vector<u8>& bytes = tables_.bytes;
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    const size_t at = bytes.size();
    bytes.resize(at + table.bytes().size());
    overwrite(at, table);
    return tables_.base + at;
  }
  void overwrite(size_t at, const Table& table) {
    std::copy(table.bytes().begin(), table.bytes().end(), tables_.bytes.begin() + static_cast<long>(at));
    const auto first = static_cast<u32>(at);
    for (const auto& pointer : table.pointers()) {
      tables_.pointers.push_back({first + pointer.at, pointer.size_bytes});
    }
    for (const auto& checksum : table.checksums()) {
      tables_.checksums.push_back({first + checksum.at, first + checksum.first, checksum.size_bytes});
    }
  }
  AcpiTables take() { return std::move(tables_); }

 private:
  AcpiTables tables_;
};

Table facs() {
  Table table;
  table.text("FACS", 4).number(64, 4);
  table.zeros(4 + 4 + 4 + 4 + 8);  // Hardware signature, waking vectors, lock, flags.
  table.number(1, 1).zeros(31);    // Version.
  return table;
}

Table fadt(const AcpiTablesConfig& config, u64 facs_address, u64 dsdt_address) {
  constexpr u16 kPm = layout::kAcpiPm;
  constexpr u16 kLegacyDevices = 1u << 0;
  constexpr u16 kHas8042 = 1u << 1;
  constexpr u16 kNoVga = 1u << 2;
  // WBINVD works, C1 works, no fixed sleep button (the power button is fixed), reset register.
  constexpr u32 kFlags = 1u << 0 | 1u << 2 | 1u << 5 | 1u << 10;
  // Latencies that say: C2 and C3 are not there.
  constexpr u16 kNoC2 = 0xfff;
  constexpr u16 kNoC3 = 0xfff;

  Table table("FACP", 3);
  table.pointer(facs_address, 4).pointer(dsdt_address, 4);
  table.number(0, 1).number(1, 1);  // Desktop.
  table.number(layout::kIrqAcpi, 2).number(layout::kSmiCommand, 4);
  table.number(AcpiPm::kEnableCommand, 1).number(AcpiPm::kDisableCommand, 1).zeros(2);
  table.number(kPm + AcpiPm::kEvent, 4).zeros(4);
  table.number(kPm + AcpiPm::kControl, 4).zeros(4).zeros(4);
  table.number(kPm + AcpiPm::kTimer, 4).number(kPm + AcpiPm::kGpe0, 4).zeros(4);
  table.number(AcpiPm::kEventSize, 1).number(AcpiPm::kControlSize, 1).zeros(1);
  table.number(AcpiPm::kTimerSize, 1).number(AcpiPm::kGpe0Size, 1).zeros(3);
  table.number(kNoC2, 2).number(kNoC3, 2).zeros(4);  // No flush size: WBINVD works.
  table.zeros(2).zeros(2).number(kCenturyRegister, 1);
  table.number(kLegacyDevices | kHas8042 | (config.has_vga ? 0u : kNoVga), 2).zeros(1);
  table.number(kFlags, 4).port(layout::kReset, 1, 1).number(kResetValue, 1).zeros(3);
  table.number(0, 8).pointer(dsdt_address, 8);  // The FACS stands in its 32-bit field only.
  table.port(kPm + AcpiPm::kEvent, AcpiPm::kEventSize, 2).port(0, 0, 0);
  table.port(kPm + AcpiPm::kControl, AcpiPm::kControlSize, 2).port(0, 0, 0).port(0, 0, 0);
  table.port(kPm + AcpiPm::kTimer, AcpiPm::kTimerSize, 3);
  table.port(kPm + AcpiPm::kGpe0, AcpiPm::kGpe0Size, 1).port(0, 0, 0);
  return table.finish();
}

Table madt(const AcpiTablesConfig& config) {
  constexpr u32 kHas8259 = 1;
  constexpr u8 kIoApicId = 0;
  constexpr u16 kAsTheBus = 0;
  constexpr u16 kLevelActiveHigh = 0x0d;
  constexpr u8 kAllProcessors = 0xff;

  Table table("APIC", 3);
  table.number(layout::kLocalApic, 4).number(kHas8259, 4);
  for (unsigned cpu = 0; cpu < config.cpus && cpu < kMaxProcessors; ++cpu) {
    table.number(0, 1).number(8, 1).number(cpu, 1).number(cpu, 1).number(1, 4);  // Enabled.
  }
  table.number(1, 1)
      .number(12, 1)
      .number(kIoApicId, 1)
      .zeros(1)
      .number(layout::kIoApic, 4)
      .zeros(4);
  auto source_override = [&](u8 irq, u32 pin, u16 flags) {
    table.number(2, 1).number(10, 1).number(0, 1).number(irq, 1).number(pin, 4).number(flags, 2);
  };
  source_override(layout::kIrqTimer, 2, kAsTheBus);
  // The SCI and the lines that PCI interrupts are routed to.
  for (u8 irq : {u8{layout::kIrqAcpi}, u8{10}, u8{11}}) source_override(irq, irq, kLevelActiveHigh);
  table.number(4, 1)
      .number(6, 1)
      .number(kAllProcessors, 1)
      .number(kAsTheBus, 2)
      .number(1, 1);  // LINT1 is NMI.
  return table.finish();
}

Table hpet() {
  Table table("HPET", 1);
  table.number(Hpet::kCapabilities, 4);
  table.number(kMemorySpace, 1).number(64, 1).zeros(2).number(layout::kHpet, 8);
  table.number(0, 1).number(100, 2).zeros(
      1);  // Number, least ticks in periodic mode, no page protection.
  return table.finish();
}

}  // namespace

AcpiTables build_acpi_tables(const AcpiTablesConfig& config, u64 base) {
  Image image(base);
  image.place(Table().zeros(AcpiTables::kRsdpSize), 16);  // Written last, when all addresses are known.

  const u64 facs_address = image.place(facs(), AcpiTables::kAlignment);
  Table dsdt("DSDT", 2);
  const u64 dsdt_address = image.place(dsdt.append(build_dsdt_code(config)).finish(), 16);
  const u64 tables[] = {image.place(fadt(config, facs_address, dsdt_address), 16),
                        image.place(madt(config), 16), image.place(hpet(), 16)};
  Table rsdt("RSDT", 1);
  Table xsdt("XSDT", 1);
  for (u64 address : tables) {
    rsdt.pointer(address, 4);
    xsdt.pointer(address, 8);
  }
  const u64 rsdt_address = image.place(rsdt.finish(), 16);
  const u64 xsdt_address = image.place(xsdt.finish(), 16);

  Table rsdp;
  rsdp.text("RSD PTR ", 8).zeros(1).text("DOPPEL", 6).number(2, 1).pointer(rsdt_address, 4);
  rsdp.number(AcpiTables::kRsdpSize, 4).pointer(xsdt_address, 8).zeros(4);
  image.overwrite(0, rsdp.checksum(8, 20).checksum(32, AcpiTables::kRsdpSize));
  return image.take();
}

}  // namespace doppel::devices
