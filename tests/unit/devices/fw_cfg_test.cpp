#include "devices/fw_cfg.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"
#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kRam = u64{16} << 20;

mmu::MachineMemory make_pool() {
  auto pool = mmu::MachineMemory::create(2 * kRam);
  REQUIRE(pool.ok());
  return std::move(*pool);
}

struct Rig {
  Clock clock;
  mmu::MachineMemory pool = make_pool();
  mmu::Pmap pmap{pool, 2 * kRam / kPageSize};
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory{pmap, mmio};
  FwCfg chip{memory, clock.scheduler};

  Rig() {
    pmap.add_ram(PhysAddr(0), kRam);
    chip.reset();
  }
  void select(u16 key) { chip.ports().write(0, Width::Word, key); }
  std::vector<u8> read(unsigned count) {
    std::vector<u8> bytes;
    for (unsigned i = 0; i < count; ++i) bytes.push_back(in8(chip.ports(), 1));
    return bytes;
  }
  std::string read_text(unsigned count) {
    const std::vector<u8> bytes = read(count);
    return std::string(bytes.begin(), bytes.end());
  }
  u32 read_be32() {
    const std::vector<u8> b = read(4);
    return u32{b[0]} << 24 | u32{b[1]} << 16 | u32{b[2]} << 8 | b[3];
  }
  void store_be32(u64 address, u32 value) {
    memory.write(PhysAddr(address), Width::Dword, __builtin_bswap32(value));
  }
  u32 load_be32(u64 address) { return __builtin_bswap32(memory.read<u32>(PhysAddr(address))); }
  /// Puts a descriptor at 1000h and starts it; the control field as left.
  u32 dma(u32 control, u32 length, u64 target) {
    store_be32(0x1000, control);
    store_be32(0x1004, length);
    store_be32(0x1008, static_cast<u32>(target >> 32));
    store_be32(0x100c, static_cast<u32>(target));
    chip.dma_ports().write(0, Width::Dword, 0);
    chip.dma_ports().write(4, Width::Dword, __builtin_bswap32(0x1000));
    return load_be32(0x1000);
  }
  std::string ram_text(u64 address, size_t size) {
    std::string text(size, '\0');
    memory.read_bytes(PhysAddr(address), std::span(reinterpret_cast<u8*>(text.data()), size));
    return text;
  }
};

std::vector<u8> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

TEST_CASE("fw_cfg: shows its signature and that it can do DMA") {
  Rig rig;
  rig.select(FwCfg::kSignature);
  CHECK(rig.read_text(4) == "QEMU");
  CHECK(rig.read(2) == std::vector<u8>{0, 0});  // Zeros beyond the end.
  rig.select(FwCfg::kId);
  CHECK(rig.read(4) == std::vector<u8>{3, 0, 0, 0});
  CHECK(rig.chip.dma_ports().read(0, Width::Dword) == 0x554d4551);  // "QEMU" in port order.
  CHECK(rig.chip.dma_ports().read(4, Width::Dword) == 0x47464320);
}

TEST_CASE("fw_cfg: selecting starts an item over, an unknown one reads as zeros") {
  Rig rig;
  rig.chip.add_number(FwCfg::kCpus, Width::Word, 0x0102);
  rig.select(FwCfg::kCpus);
  CHECK(rig.read(1) == std::vector<u8>{2});
  rig.select(FwCfg::kCpus);
  CHECK(rig.chip.ports().read(1, Width::Word) == 0x0102);
  rig.select(0x3fff);
  CHECK(rig.read(3) == std::vector<u8>{0, 0, 0});
}

TEST_CASE("fw_cfg: the directory names files, sizes and keys in big endian") {
  Rig rig;
  CHECK(rig.chip.add_file("opt/a", bytes_of("hello")));
  CHECK(rig.chip.add_file("etc/b", bytes_of("xy")));
  CHECK_FALSE(rig.chip.add_file("", {}));
  CHECK_FALSE(rig.chip.add_file(std::string(56, 'n'), {}));
  CHECK(rig.chip.add_file(std::string(55, 'n'), {}));
  CHECK(rig.chip.add_file("etc/b", bytes_of("longer")));  // Replaced.
  rig.select(FwCfg::kFileDirectory);
  CHECK(rig.read_be32() == 3);
  CHECK(rig.read_be32() == 5);
  CHECK(rig.read_be32() == 0x0020'0000);
  CHECK(rig.read_text(56) == "opt/a" + std::string(51, '\0'));
  CHECK(rig.read_be32() == 6);
  CHECK(rig.read_be32() == 0x0021'0000);
  CHECK(rig.read_text(56) == "etc/b" + std::string(51, '\0'));
  rig.select(0x21);
  CHECK(rig.read_text(6) == "longer");
}

TEST_CASE("fw_cfg: DMA selects, skips and reads in one go each, and clears control") {
  Rig rig;
  rig.chip.add_file("opt/a", bytes_of("hello world"));
  CHECK(rig.dma(0x0020'000a, 5, 0x2000) == 0);
  CHECK(rig.ram_text(0x2000, 6) == std::string("hello\0", 6));
  CHECK(rig.dma(0x04, 1, 0) == 0);
  CHECK(rig.dma(0x02, 5, 0x3000) == 0);
  CHECK(rig.ram_text(0x3000, 5) == "world");
}

TEST_CASE("fw_cfg: DMA reads zeros beyond the end of an item") {
  Rig rig;
  rig.chip.add_file("opt/a", bytes_of("abc"));
  rig.memory.write(PhysAddr(0x2000), Width::Qword, ~u64{0});
  CHECK(rig.dma(0x0020'000a, 7, 0x2000) == 0);
  CHECK(rig.ram_text(0x2000, 8) == std::string("abc\0\0\0\0\xff", 8));
  CHECK(rig.dma(0x3fff'000a, 8, 0x2000) == 0);
  CHECK(rig.memory.read<u64>(PhysAddr(0x2000)) == 0);
}

TEST_CASE("fw_cfg: DMA writing is refused with the error bit") {
  Rig rig;
  CHECK(rig.dma(0x0000'0018, 4, 0x2000) == 1);
}

TEST_CASE("fw_cfg: a huge request goes on in pieces and ends at the end of memory") {
  Rig rig;
  rig.memory.write(PhysAddr(kRam - 8), Width::Qword, ~u64{0});
  rig.memory.write(PhysAddr(0x8'0000), Width::Qword, ~u64{0});
  CHECK(rig.dma(0x3fff'000a, 0xffff'ffff, 0x10'0000) != 0);  // Still at work.
  CHECK(rig.clock.scheduler.next_deadline_ns() != Scheduler::kNever);
  rig.clock.run_for(10'000'000);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  CHECK(rig.load_be32(0x1000) == 0);
  CHECK(rig.memory.read<u64>(PhysAddr(kRam - 8)) == 0);
  CHECK(rig.memory.read<u64>(PhysAddr(0x8'0000)) == ~u64{0});
}

TEST_CASE("fw_cfg: hostile descriptors and targets do no harm") {
  Rig rig;
  rig.chip.add_file("opt/a", std::vector<u8>(100'000, 0x5a));
  for (const u64 target : {kRam - 10, kRam, u64{0xffff'f000}, ~u64{0} - 10, u64{1} << 63}) {
    CHECK(rig.dma(0x0020'000a, 0xffff'ffff, target) <= 0x0020'000a);
    rig.clock.run_for(1'000'000'000);
    CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  }
  // A descriptor where no memory is.
  rig.chip.dma_ports().write(0, Width::Dword, 0xffff'ffff);
  rig.chip.dma_ports().write(4, Width::Dword, 0xffff'ffff);
  rig.clock.run_for(1'000'000'000);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  CHECK(rig.dma(0x0020'0004 | 0x08, 0xffff'ffff, 0) == 0);
  CHECK(rig.read(1) == std::vector<u8>{0});
}

TEST_CASE("fw_cfg: a new request ends one that is under way with an error") {
  Rig rig;
  rig.dma(0x3fff'000a, 0xffff'ffff, 0x10'0000);
  rig.store_be32(0x2000, 0);
  rig.chip.dma_ports().write(4, Width::Dword, __builtin_bswap32(0x2000));
  CHECK(rig.load_be32(0x1000) == 1);
  CHECK(rig.load_be32(0x2000) == 0);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
}

TEST_CASE("fw_cfg: the position in an item is saved") {
  Rig rig;
  rig.chip.add_file("opt/a", bytes_of("abcdef"));
  rig.select(0x20);
  rig.read(2);
  Rig other;
  other.chip.add_file("opt/a", bytes_of("abcdef"));
  REQUIRE(load(other.chip, saved(rig.chip)));
  CHECK(other.read_text(4) == "cdef");
}
