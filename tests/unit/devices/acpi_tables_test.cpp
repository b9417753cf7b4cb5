#include "devices/acpi_tables.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "devices/hpet.h"
#include "devices/pc_layout.h"

namespace doppel::devices {
namespace {

/// Reads the image as an operating system does: by addresses.
struct Reader {
  AcpiTables tables;

  explicit Reader(unsigned cpus = 1)
      : tables(build_acpi_tables({.cpus = cpus}, layout::kAcpiTables)) {}
  u64 number(u64 address, unsigned size) const {
    REQUIRE(address >= tables.base);
    REQUIRE(address + size <= tables.base + tables.bytes.size());
    u64 value = 0;
    for (unsigned i = 0; i < size; ++i) {
      value |= u64{tables.bytes[address - tables.base + i]} << (8 * i);
    }
    return value;
  }
  std::string text(u64 address, unsigned size) const {
    std::string value;
    for (unsigned i = 0; i < size; ++i) value += static_cast<char>(number(address + i, 1));
    return value;
  }
  u8 sum(u64 address, u64 size) const {
    u8 total = 0;
    for (u64 i = 0; i < size; ++i) total = static_cast<u8>(total + number(address + i, 1));
    return total;
  }
  u64 rsdt() const { return number(tables.base + 16, 4); }
  u64 xsdt() const { return number(tables.base + 24, 8); }
  u64 find(const std::string& signature) const {
    for (u64 at = rsdt() + 36; at < rsdt() + number(rsdt() + 4, 4); at += 4) {
      if (text(number(at, 4), 4) == signature) return number(at, 4);
    }
    return 0;
  }
};

TEST_CASE("acpi_tables: the RSDP is aligned, of revision 2, and both its checksums hold") {
  Reader r;
  CHECK(r.tables.base % 16 == 0);
  CHECK(r.text(r.tables.base, 8) == "RSD PTR ");
  CHECK(r.number(r.tables.base + 15, 1) == 2);
  CHECK(r.sum(r.tables.base, 20) == 0);
  CHECK(r.sum(r.tables.base, 36) == 0);
  CHECK(r.tables.base + r.tables.bytes.size() <= 0x10'0000);
}

TEST_CASE("acpi_tables: every table sums to zero and RSDT and XSDT name the same ones") {
  Reader r(4);
  const u64 count = (r.number(r.rsdt() + 4, 4) - 36) / 4;
  CHECK(count == 3);
  CHECK((r.number(r.xsdt() + 4, 4) - 36) / 8 == count);
  for (u64 table : {r.rsdt(), r.xsdt(), r.number(r.find("FACP") + 40, 4)}) {
    CHECK(r.sum(table, r.number(table + 4, 4)) == 0);
  }
  for (u64 i = 0; i < count; ++i) {
    const u64 table = r.number(r.rsdt() + 36 + 4 * i, 4);
    CHECK(r.number(r.xsdt() + 36 + 8 * i, 8) == table);
    CHECK(r.sum(table, r.number(table + 4, 4)) == 0);
  }
}

TEST_CASE("acpi_tables: the FADT has its fields where they belong") {
  Reader r;
  const u64 fadt = r.find("FACP");
  REQUIRE(fadt != 0);
  CHECK(r.number(fadt + 4, 4) == 244);
  CHECK(r.text(r.number(fadt + 36, 4), 4) == "FACS");
  CHECK(r.number(fadt + 36, 4) % 64 == 0);
  CHECK(r.text(r.number(fadt + 40, 4), 4) == "DSDT");
  CHECK(r.number(fadt + 46, 2) == 9);  // SCI
  CHECK(r.number(fadt + 48, 4) == 0xb2);
  CHECK(r.number(fadt + 52, 1) == 0xf1);
  CHECK(r.number(fadt + 56, 4) == 0x600);  // PM1a event
  CHECK(r.number(fadt + 64, 4) == 0x604);  // PM1a control
  CHECK(r.number(fadt + 76, 4) == 0x608);  // PM timer
  CHECK(r.number(fadt + 80, 4) == 0x60c);  // GPE0
  CHECK(r.number(fadt + 88, 4) == 0x04'0002'04);
  CHECK(r.number(fadt + 108, 1) == 0x32);  // Century
  CHECK(r.number(fadt + 109, 2) == 7);     // Legacy devices, 8042, no VGA
  CHECK(r.number(fadt + 116, 1) == 1);     // Reset register: a port,
  CHECK(r.number(fadt + 120, 8) == 0xcf9);
  CHECK(r.number(fadt + 128, 1) == 6);
  CHECK(r.number(fadt + 140, 8) == r.number(fadt + 40, 4));
  CHECK(r.number(fadt + 152, 8) == 0x600);  // X_PM1a event
  CHECK(r.number(fadt + 212, 8) == 0x608);  // X_PM timer
}

TEST_CASE("acpi_tables: the MADT lists processors, the I/O APIC and the overrides") {
  Reader r(3);
  const u64 madt = r.find("APIC");
  const u64 end = madt + r.number(madt + 4, 4);
  unsigned processors = 0;
  unsigned timer_pin = 0;
  u64 sci_flags = 0;
  u64 io_apic = 0;
  bool nmi = false;
  u64 at = madt + 44;
  while (at < end) {
    const u64 type = r.number(at, 1);
    if (type == 0) CHECK(r.number(at + 3, 1) == processors++);
    if (type == 1) io_apic = r.number(at + 4, 4);
    if (type == 2 && r.number(at + 3, 1) == 0)
      timer_pin = static_cast<unsigned>(r.number(at + 4, 4));
    if (type == 2 && r.number(at + 3, 1) == 9) sci_flags = r.number(at + 8, 2);
    if (type == 4) nmi = r.number(at + 5, 1) == 1;
    REQUIRE(r.number(at + 1, 1) != 0);
    at += r.number(at + 1, 1);
  }
  CHECK(at == end);
  CHECK(processors == 3);
  CHECK(io_apic == layout::kIoApic);
  CHECK(timer_pin == 2);
  CHECK(sci_flags == 0x0d);
  CHECK(nmi);
  CHECK(r.number(r.find("HPET") + 36, 4) == Hpet::kCapabilities);
}

bool contains(const std::vector<u8>& code, std::string_view part) {
  const auto same = [](u8 byte, char wanted) { return byte == static_cast<u8>(wanted); };
  return std::search(code.begin(), code.end(), part.begin(), part.end(), same) != code.end();
}

TEST_CASE("acpi_tables: the DSDT has the floppy controller with the drives that are there") {
  using namespace std::string_view_literals;
  const std::vector<u8> none = build_dsdt_code({});
  CHECK_FALSE(contains(none, "FDC0"));
  const std::vector<u8> one = build_dsdt_code({.floppy_types = 0x40});
  CHECK(contains(one, "FDC0\x08_HID\x0c\x41\xd0\x07\x00"sv));  // PNP0700
  CHECK(contains(one, "\x47\x01\xf2\x03\xf2\x03\x01\x04"sv));    // 3F2h-3F5h, not 3F6h.
  CHECK(contains(one, "\x2a\x04\x00"sv));                          // DMA channel 2.
  CHECK(contains(one, "_FDE\x11\x17\x0a\x14\x01\x00\x00\x00\x00"sv));
  CHECK(contains(one, "FLPA"));
  CHECK_FALSE(contains(one, "FLPB"));
  // Drive 0 of type 4: 80 cylinders, 18 sectors, 2 heads.
  CHECK(contains(one, "_FDI\x12\x20\x10\x00\x0a\x04\x0a\x4f\x0a\x12\x01"sv));
  const std::vector<u8> two = build_dsdt_code({.floppy_types = 0x42});
  CHECK(contains(two, "FLPB"));
  CHECK(contains(two, "_FDI\x12\x20\x10\x01\x0a\x02\x0a\x4f\x0a\x0f\x01"sv));
  // A type that no drive has.
  CHECK_FALSE(contains(build_dsdt_code({.floppy_types = 0x0f}), "FDC0"));
}

TEST_CASE("acpi_tables: the DSDT has a place for each IDE drive") {
  using namespace std::string_view_literals;
  const std::vector<u8> code = build_dsdt_code({});
  CHECK(contains(code, "IDE0\x08_ADR\x0c\x01\x00\x01\x00"sv));
  CHECK(contains(code, "PRIM\x08_ADR\x00"sv));
  CHECK(contains(code, "SECN\x08_ADR\x01"sv));
}

TEST_CASE("acpi_tables: the DSDT is whole terms from its first byte to its last") {
  const std::vector<u8> code = build_dsdt_code({.cpus = 2});
  // \_S5 = Package (4) {0, 0, 0, 0}, then Scope (\_SB) to the end.
  const std::vector<u8> soft_off = {0x08, '\\', '_', 'S', '5', '_', 0x12, 0x06, 4, 0, 0, 0, 0};
  REQUIRE(code.size() > soft_off.size() + 4);
  CHECK(std::equal(soft_off.begin(), soft_off.end(), code.begin()));
  const size_t scope = soft_off.size();
  CHECK(code[scope] == 0x10);
  const size_t length_bytes = 1 + (code[scope + 1] >> 6);
  size_t length = code[scope + 1] & 0xf;
  for (size_t i = 1; i < length_bytes; ++i) length |= size_t{code[scope + 1 + i]} << (8 * i - 4);
  CHECK(scope + 1 + length == code.size());
}

}  // namespace
}  // namespace doppel::devices
