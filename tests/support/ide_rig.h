#pragma once

// A PIIX3 IDE function with drives on media that live in memory, and a driver's habits.

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/ide_controller.h"
#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"
#include "tests/support/device_rig.h"

namespace doppel::test {

/// Sectors nobody wrote hold their own number, over and over; sectors can be made bad.
struct FakeMedium final : devices::BlockBackend {
  using Sector = std::array<u8, kSectorBytes>;

  explicit FakeMedium(u64 sector_count) : count(sector_count) {}

  u64 count;
  bool read_only = false;
  std::map<u64, Sector> written;
  std::set<u64> bad;
  std::vector<std::pair<u64, u64>> discarded;
  unsigned flushes = 0;
  size_t largest = 0;
  bool misused = false;  // Called as the interface forbids.

  static u8 blank(u64 sector, size_t index) { return static_cast<u8>(sector >> (8 * (index % 8))); }
  u8 at(u64 sector, size_t index) const {
    const auto found = written.find(sector);
    return found != written.end() ? found->second[index] : blank(sector, index);
  }

  u64 sectors() const override { return count; }
  bool is_read_only() const override { return read_only; }
  bool read(u64 sector, std::span<u8> out) override {
    if (!check(sector, out.size())) return false;
    for (size_t i = 0; i < out.size(); ++i) out[i] = at(sector + i / 512, i % 512);
    return true;
  }
  bool write(u64 sector, std::span<const u8> bytes) override {
    if (read_only) misused = true;
    if (!check(sector, bytes.size())) return false;
    for (size_t i = 0; i < bytes.size(); ++i) written[sector + i / 512][i % 512] = bytes[i];
    return true;
  }
  bool flush() override {
    ++flushes;
    return true;
  }
  bool discard(u64 sector, u64 number) override {
    if (number > count || sector > count - number) misused = true;
    discarded.emplace_back(sector, number);
    return true;
  }

 private:
  bool check(u64 sector, size_t size) {
    largest = std::max(largest, size);
    const u64 number = size / 512;
    if (size == 0 || size % 512 != 0 || number > count || sector > count - number) misused = true;
    const auto first = bad.lower_bound(sector);
    return !misused && (first == bad.end() || *first >= sector + number);
  }
};

inline mmu::MachineMemory make_ide_pool(u64 size_bytes) {
  auto pool = mmu::MachineMemory::create(size_bytes);
  REQUIRE(pool.ok());
  return std::move(*pool);
}

/// Primary master: a disk. Secondary master: a CD-ROM drive, empty. Ports and bus master are on.
struct IdeRig {
  static constexpr u64 kRam = u64{4} << 20;
  static constexpr u16 kMasterPorts = 0xc000;

  Clock clock;
  Wire irq[2];
  mmu::MachineMemory pool = make_ide_pool(2 * kRam);
  mmu::Pmap pmap{pool, 2 * kRam / kPageSize};
  mmu::IoMap mmio;
  mmu::IoMap ports;
  mmu::PhysicalMemory memory{pmap, mmio};
  FakeMedium medium;
  FakeMedium disc{4 * 1000};
  devices::IdeController ide{memory, ports, clock.scheduler, irq[0], irq[1]};
  devices::AtapiCdrom* cdrom = nullptr;
  unsigned channel = 0;

  explicit IdeRig(u64 sectors = 20'000) : medium(sectors) {
    pmap.add_ram(PhysAddr(0), kRam);
    ide.attach(0, 0, std::make_unique<devices::AtaDisk>("hd0", medium, "DP0001"));
    auto drive = std::make_unique<devices::AtapiCdrom>("cd0");
    cdrom = drive.get();
    ide.attach(1, 0, std::move(drive));
    ide.reset();
    ide.enable_ports();
    ide.write_config(0x20, 4, kMasterPorts);
    ide.write_config(0x04, 2, 0x0005);
  }

  u8 get(unsigned index) { return in8(ide.command_ports(channel), index); }
  void set(unsigned index, unsigned value) { out8(ide.command_ports(channel), index, value); }
  u8 alternate_status() { return in8(ide.control_port(channel), 0); }
  void set_control(unsigned value) { out8(ide.control_port(channel), 0, value); }
  u16 get_data() { return static_cast<u16>(ide.command_ports(channel).read(0, Width::Word)); }
  void set_data(unsigned value) { ide.command_ports(channel).write(0, Width::Word, value); }

  u64 master_port(unsigned offset) const { return kMasterPorts + 8 * channel + offset; }
  u8 get_master(unsigned offset) {
    return static_cast<u8>(ports.read(master_port(offset), Width::Byte));
  }
  void set_master(unsigned offset, unsigned value) {
    ports.write(master_port(offset), Width::Byte, value);
  }

  /// Until BSY is clear; the status, whose reading takes the interrupt away.
  u8 wait() {
    for (unsigned i = 0; i < 10'000 && (alternate_status() & 0x80) != 0; ++i) {
      if (clock.scheduler.next_deadline_ns() == devices::Scheduler::kNever) break;
      clock.run_until(clock.scheduler.next_deadline_ns());
    }
    return get(7);
  }
  void issue(unsigned code, u64 lba = 0, unsigned count = 1) {
    set(6, 0xe0 | (lba >> 24 & 0xf));
    set(2, count);
    for (unsigned i = 0; i < 3; ++i) set(3 + i, lba >> (8 * i) & 0xff);
    set(7, code);
  }
  void issue48(unsigned code, u64 lba, unsigned count) {
    set(6, 0xe0);
    set(2, count >> 8);
    for (unsigned i = 0; i < 3; ++i) set(3 + i, lba >> (24 + 8 * i) & 0xff);
    set(2, count & 0xff);
    for (unsigned i = 0; i < 3; ++i) set(3 + i, lba >> (8 * i) & 0xff);
    set(7, code);
  }
  std::vector<u8> take(size_t size_bytes) {
    std::vector<u8> bytes;
    while (bytes.size() < size_bytes) {
      const u16 word = get_data();
      bytes.push_back(static_cast<u8>(word));
      bytes.push_back(static_cast<u8>(word >> 8));
    }
    return bytes;
  }
  void give(size_t size_bytes, unsigned word) {
    for (size_t i = 0; i < size_bytes; i += 2) set_data(word);
  }

  // --- Packets ---

  /// Sends a packet and returns the status after the first delay: data or the end.
  u8 send(std::vector<u8> packet, unsigned limit = 0xfffe, unsigned features = 0) {
    packet.resize(12);
    set(6, 0xa0);
    set(1, features);
    set(4, limit & 0xff);
    set(5, limit >> 8);
    set(7, 0xa0);
    CHECK((wait() & 0x89) == 0x08);
    CHECK((get(2) & 3) == 1);
    for (size_t i = 0; i < 12; i += 2) set_data(packet[i] | packet[i + 1] << 8);
    return wait();
  }
  /// All data of a packet command, chunk by chunk.
  std::vector<u8> ask(std::vector<u8> packet, unsigned limit = 0xfffe) {
    std::vector<u8> all;
    u8 status = send(std::move(packet), limit);
    while ((status & 0x08) != 0) {
      const size_t size = get(4) | get(5) << 8;
      CHECK((get(2) & 3) == 2);
      std::vector<u8> chunk = take(size);
      chunk.resize(size);
      all.insert(all.end(), chunk.begin(), chunk.end());
      status = wait();
    }
    CHECK((status & 1) == 0);
    CHECK((get(2) & 3) == 3);
    return all;
  }
  /// Key, code and qualifier.
  std::array<u8, 3> sense() {
    const std::vector<u8> bytes = ask({0x03, 0, 0, 0, 18});
    REQUIRE(bytes.size() == 18);
    return {bytes[2], bytes[12], bytes[13]};
  }

  // --- Bus master ---

  static constexpr u32 kTable = 0x1000;
  struct Region {
    u32 address;
    u32 size;
  };
  void build_table(const std::vector<Region>& regions) {
    for (size_t i = 0; i < regions.size(); ++i) {
      const u32 end = i + 1 == regions.size() ? 0x8000'0000 : 0;
      memory.write(PhysAddr(kTable + 8 * i), Width::Dword, regions[i].address);
      memory.write(PhysAddr(kTable + 8 * i + 4), Width::Dword, (regions[i].size & 0xffff) | end);
    }
    ports.write(master_port(4), Width::Dword, kTable);
  }
  enum class Towards { Memory, Drive };
  void start_master(Towards direction) {
    set_master(2, 0x06);
    set_master(0, direction == Towards::Memory ? 0x08 : 0x00);
    set_master(0, direction == Towards::Memory ? 0x09 : 0x01);
  }
  void stop_master() { set_master(0, 0); }
  u8 byte_at(u64 address) { return memory.read<u8>(PhysAddr(address)); }
};

/// All of a rig that a snapshot keeps, with the time and the outstanding delays.
struct IdeSnapshot {
  IdeRig& rig;
  void serialize(Archive& archive) {
    archive(rig.clock.retired);
    rig.clock.scheduler.serialize(archive);
    rig.ide.serialize(archive);
  }
};

}  // namespace doppel::test
