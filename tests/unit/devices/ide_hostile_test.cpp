#include <doctest/doctest.h>

#include <random>

#include "tests/support/ide_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

/// Both channels with two drives, and media that can be at fault.
struct Crowd : IdeRig {
  FakeMedium second{700};

  Crowd() {
    ide.attach(0, 1, std::make_unique<AtapiCdrom>("cd1"));
    ide.attach(1, 1, std::make_unique<AtaDisk>("hd1", second, "DP0002"));
    ide.reset();
    ide.enable_ports();
    ide.write_config(0x20, 4, kMasterPorts);
    ide.write_config(0x04, 2, 0x0005);
    cdrom->insert(&disc);
    medium.bad.insert(1234);
  }
  bool sound() const { return !medium.misused && !second.misused && !disc.misused; }
};

/// One thing a guest could do, sensible or not.
void act(Crowd& rig, std::mt19937& random) {
  const u32 value = static_cast<u32>(random());
  rig.channel = value >> 31;
  auto& ports = rig.ide.command_ports(rig.channel);
  switch (random() % 12) {
    case 0:
    case 1:
      rig.set(1 + value % 6, value >> 8 & ((value & 0x100'0000) != 0 ? 0x03 : 0xff));
      break;
    case 2:
      rig.set(7, value >> 8);
      break;
    case 3: {
      constexpr std::array<u8, 16> kMoving{0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39,
                                           0x06, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xa0, 0x42};
      rig.set(6, value >> 16 & 0x50);
      rig.set(7, kMoving[value % kMoving.size()]);
      break;
    }
    case 4:
      for (unsigned i = 0; i < value % 700; ++i) ports.read(0, Width::Word);
      break;
    case 5:
      for (unsigned i = 0; i < value % 700; ++i) ports.write(0, Width::Word, value >> i % 16);
      break;
    case 6: {
      // A packet whose command exists.
      constexpr std::array<u8, 12> kCodes{0x00, 0x03, 0x12, 0x1a, 0x1b, 0x28,
                                          0x43, 0x46, 0x4a, 0x55, 0x5a, 0xa8};
      rig.set(7, 0xa0);
      rig.clock.run_for(10'000);
      ports.write(0, Width::Word, kCodes[value % kCodes.size()]);
      for (unsigned i = 0; i < 5; ++i) ports.write(0, Width::Word, value >> (3 * i) & 0x3f);
      break;
    }
    case 7:
      rig.ports.write(rig.master_port(value % 8), Width::Byte, value >> 8);
      break;
    case 8:
      rig.ports.write(rig.master_port(4), Width::Dword, value >> 4 & 0xffff);
      rig.set_master(0, value & 9);
      break;
    case 9:
      for (unsigned i = 0; i < 16; ++i) {
        rig.memory.write(PhysAddr((value & 0xff00) + 4 * i), Width::Dword, random());
      }
      break;
    case 10:
      if (value % 16 == 0) rig.set_control(value >> 8);
      rig.get(value >> 16 & 7);
      rig.ports.read(rig.master_port(value % 8), Width::Dword);
      break;
    default:
      rig.clock.run_for(value % 200'000);
      break;
  }
}

}  // namespace

TEST_CASE("ide: no sequence of accesses leaves the media's bounds or the drives' buffers") {
  u64 moved = 0;
  for (u32 seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Crowd rig;
    std::mt19937 random(seed);
    for (unsigned step = 0; step < 1500; ++step) act(rig, random);
    moved += rig.ide.sectors_moved();
    CHECK(rig.sound());
    CHECK(rig.medium.largest <= IdeDrive::kMostBuffered);
    // Whatever happened, a reset brings everything back.
    for (rig.channel = 0; rig.channel < 2; ++rig.channel) {
      rig.set_control(0x04);
      rig.set_control(0x00);
      CHECK((rig.wait() & 0x89) == 0);
    }
    rig.channel = 0;
    rig.issue(0x20, 77, 1);
    CHECK((rig.wait() & 0x89) == 0x08);
  }
  CHECK(moved > 500);  // It was not all refused.
}

TEST_CASE("ide: every command code with random registers ends or waits for data") {
  Crowd rig;
  std::mt19937 random(99);
  for (unsigned code = 0; code < 256; ++code) {
    for (const unsigned device : {0x00u, 0x10u, 0x40u, 0x50u}) {
      CAPTURE(code);
      rig.set(6, device);
      for (unsigned index = 1; index < 6; ++index) rig.set(index, random() & 0xff);
      rig.set(7, code);
      rig.clock.run_for(100'000'000);
      rig.set_control(0x04);
      rig.set_control(0x00);
      rig.clock.run_for(1'000'000);
    }
  }
  CHECK(rig.sound());
  CHECK(rig.alternate_status() == 0x50);
}

TEST_CASE("ide: a machine saved at any moment goes on as the original does") {
  for (u32 seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Crowd original;
    std::mt19937 random(seed * 1000);
    for (unsigned step = 0; step < 300 + 37 * seed; ++step) act(original, random);
    // Media and memory are other parts' to save: here they are made equal.
    Crowd copy;
    copy.medium.written = original.medium.written;
    copy.second.written = original.second.written;
    std::vector<u8> ram(IdeRig::kRam);
    original.memory.read_bytes(PhysAddr(0), ram);
    copy.memory.write_bytes(PhysAddr(0), ram);
    IdeSnapshot from{original}, to{copy};
    REQUIRE(load(to, saved(from)));
    std::mt19937 other = random;
    for (unsigned step = 0; step < 300; ++step) {
      act(original, random);
      act(copy, other);
    }
    CHECK(saved(from) == saved(to));
    CHECK(original.medium.written == copy.medium.written);
    CHECK(original.second.written == copy.second.written);
  }
}

TEST_CASE("ide: a read that is saved between two words continues with the next word") {
  IdeRig original;
  original.issue(0x20, 0x345, 2);
  original.wait();
  original.take(100);
  IdeRig copy;
  IdeSnapshot from{original}, to{copy};
  REQUIRE(load(to, saved(from)));
  CHECK(copy.take(412) == original.take(412));
  CHECK((copy.wait() & 8) != 0);
  CHECK(copy.take(512)[0] == 0x46);
}

TEST_CASE("ide: damaged saved states are refused or harmless") {
  Crowd original;
  original.issue(0x20, 0x345, 2);
  original.wait();
  const std::vector<u8> good = saved(original.ide);
  std::mt19937 random(5);
  for (unsigned round = 0; round < 100; ++round) {
    std::vector<u8> bytes = good;
    for (unsigned i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<u8>(random());
    Crowd rig;
    Archive archive = Archive::loader(bytes);
    rig.ide.serialize(archive);
    for (unsigned step = 0; step < 40; ++step) act(rig, random);
    CHECK(rig.sound());
  }
}
