// Any bytes as what a driver does to the board: ports, registers in memory, DMA tables, time.
//
// An input is a list of steps: a byte that says what, then its operands. The board has all its chips,
// a disk, a disc, a floppy disk and the display card. In the end it is saved and loaded again, and must
// save the same.

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cpu/base/check.h"
#include "devices/pc_board.h"
#include "devices/pc_layout.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/support/device_rig.h"
#include "tests/support/recording_processor.h"

namespace doppel::fuzz {
namespace {

using namespace devices;

constexpr u64 kRam = u64{4} << 20;
constexpr u64 kPool = u64{32} << 20;
constexpr u64 kMostTimeNs = 50'000'000;

/// Sectors that remember nothing: what is written is not the point.
class Blank final : public BlockBackend {
 public:
  explicit Blank(u64 sectors) : sectors_(sectors) {}
  u64 sectors() const override { return sectors_; }
  bool is_read_only() const override { return false; }
  bool read(u64 sector, std::span<u8> out) override {
    check(sector, out.size());
    std::memset(out.data(), static_cast<int>(sector & 0xff), out.size());
    return sector % 97 != 13;
  }
  bool write(u64 sector, std::span<const u8> bytes) override {
    check(sector, bytes.size());
    return sector % 89 != 7;
  }
  bool flush() override { return true; }
  bool discard(u64 sector, u64 count) override {
    DOPPEL_CHECK(count <= sectors_ && sector <= sectors_ - count, "sectors beyond the end");
    return true;
  }

 private:
  void check(u64 sector, size_t bytes) const {
    DOPPEL_CHECK(bytes % kSectorBytes == 0, "half a sector");
    DOPPEL_CHECK(bytes / kSectorBytes <= sectors_ && sector <= sectors_ - bytes / kSectorBytes, "sectors beyond the end");
  }
  u64 sectors_;
};

struct System {
  test::Clock clock;
  test::RecordingProcessor processor;
  test::RecordingControl control;
  mmu::MachineMemory machine = mmu::MachineMemory::create(kPool).take();
  mmu::Pmap pmap{machine, machine.total_frames()};
  mmu::IoMap mmio;
  mmu::IoMap ports;
  mmu::PhysicalMemory memory{pmap, mmio};
  bool has_ram = pmap.add_ram(PhysAddr(0), layout::kVgaHole) && pmap.add_ram(PhysAddr(layout::kRomArea), kRam - layout::kRomArea);
  PcBoard board{config(), memory, ports, clock.scheduler, processor, control};

  System() { board.reset(); }
  static BoardConfig config() {
    using Kind = BoardConfig::Drive::Kind;
    BoardConfig result;
    result.ram_bytes = kRam;
    result.drives.push_back({Kind::HardDisk, 0, std::make_shared<Blank>(70'000), "serial"});
    result.drives.push_back({Kind::Cdrom, 2, std::make_shared<Blank>(40'000), ""});
    result.drives.push_back({Kind::Floppy, 0, std::make_shared<Blank>(2880), ""});
    result.has_vga = true;
    result.vga_rom.assign(4096, 0x55);
    result.sound_cards = {{"AC97", nullptr}, {"sb16", nullptr}};
    result.has_pvpanic = true;
    return result;
  }
  std::vector<u8> save() {
    std::vector<u8> bytes;
    Archive archive = Archive::saver(bytes);
    clock.scheduler.serialize(archive);
    board.serialize(archive);
    return bytes;
  }
};

/// Where steps go most: an index costs one byte, so mutations stay where chips are.
constexpr u16 kPorts[] = {0x00,  0x08,  0x0a,  0x0b,  0x0c,  0x20,  0x21,  0x40,  0x42,  0x43,  0x60,  0x61,  0x64,  0x70,  0x71,  0x81,
                          0x92,  0xa0,  0xa1,  0xb2,  0xc0,  0xd6,  0xf0,  0x170, 0x172, 0x176, 0x177, 0x1ce, 0x1cf, 0x1d0, 0x1f0, 0x1f1,
                          0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x376, 0x3b4, 0x3b5, 0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c7, 0x3c8,
                          0x3c9, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x3da, 0x3f0, 0x3f2, 0x3f4, 0x3f5, 0x3f6, 0x3f7, 0x3f8, 0x3fa, 0x3fb, 0x4d0,
                          0x510, 0x511, 0x514, 0x518, 0x600, 0x604, 0x608, 0xcf8, 0xcfc, 0xcfe, 0xcf9, 0xc000, 0xc002, 0xc004, 0xc008, 0xc00c,
                          0x0c,  0x0e,  0x83,  0x224, 0x225, 0x226, 0x22a, 0x22c, 0x22e, 0x22f, 0x330, 0x331, 0x505, 0xcfd, 0xd402, 0xd418,
                          0xd42a, 0xd42c, 0xd810, 0xd815, 0xd816, 0xd818, 0xd81b, 0xd82c, 0xd830, 0xd834};
/// Windows of registers and memory.
constexpr u64 kPlaces[] = {0x1000, 0xa0000, 0xa8000, 0xb8000, 0xfd000000, 0xfebf0400, 0xfebf0500, layout::kIoApic, layout::kHpet, layout::kLocalApic};

/// The bytes of an input, in order; zeros when they are used up.
class Steps {
 public:
  Steps(const u8* data, size_t size) : data_(data), left_(size) {}
  bool done() const { return left_ == 0; }
  u8 byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  u64 number(unsigned bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{byte()} << (8 * i);
    return value;
  }

 private:
  const u8* data_;
  size_t left_;
};

Width width_of(u8 choice) {
  constexpr Width kWidths[] = {Width::Byte, Width::Byte, Width::Word, Width::Dword};
  return kWidths[choice & 3];
}

void step(System& system, Steps& steps) {
  const u8 what = steps.byte();
  const Width width = width_of(what >> 4);
  switch (what & 7) {
    case 0:
    case 1:
    case 2: {
      const u16 port = kPorts[steps.byte() % std::size(kPorts)];
      system.ports.write(port, width, steps.number(bytes(width)));
      break;
    }
    case 3:
      (void)system.ports.read(kPorts[steps.byte() % std::size(kPorts)], width);
      break;
    case 4: {
      const u64 address = kPlaces[steps.byte() % std::size(kPlaces)] + steps.number(2);
      system.memory.write(PhysAddr(address), width, steps.number(bytes(width)));
      break;
    }
    case 5:
      (void)system.memory.read(PhysAddr(kPlaces[steps.byte() % std::size(kPlaces)] + steps.number(2)), width);
      break;
    case 6:
      system.clock.run_for(std::min(kMostTimeNs, u64{1} << (steps.byte() & 31)));
      break;
    default: {
      // Many of one kind, as drivers of disks do.
      const u16 port = kPorts[steps.byte() % std::size(kPorts)];
      for (unsigned i = steps.byte(); i-- > 0;) (void)system.ports.read(port, Width::Word);
      break;
    }
  }
}

void put(std::vector<u8>& bytes, u16 port, u8 value) {
  const auto* const found = std::find(std::begin(kPorts), std::end(kPorts), port);
  bytes.insert(bytes.end(), {0x00, static_cast<u8>(found - std::begin(kPorts)), value});
}

void put_dword(std::vector<u8>& bytes, u16 port, u32 value) {
  const auto* const found = std::find(std::begin(kPorts), std::end(kPorts), port);
  bytes.insert(bytes.end(), {0x30, static_cast<u8>(found - std::begin(kPorts))});
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<u8>(value >> (8 * i)));
}

void wait(std::vector<u8>& bytes) { bytes.insert(bytes.end(), {0x06, 24}); }

/// What firmware does first: BARs and IDE ports where they are wanted.
std::vector<u8> powered_up() {
  std::vector<u8> bytes;
  const auto config = [&](u32 address, u32 value) {
    put_dword(bytes, 0xcf8, 0x8000'0000 | address);
    put_dword(bytes, 0xcfc, value);
  };
  config(0x940, 0x8000'8000);                 // 00:01.1, both channels
  config(0x920, 0xc001);
  config(0x904, 0x0005);
  config(0x1010, 0xfd00'0000);                // 00:02.0
  config(0x1018, 0xfebf'0000);
  config(0x1004, 0x0003);
  config(0xf810, 0xd401);                     // 00:1f.0
  config(0xf814, 0xd801);
  config(0xf804, 0x0005);
  return bytes;
}

}  // namespace

std::vector<std::vector<u8>> seeds() {
  std::vector<std::vector<u8>> all;
  std::vector<u8> disk = powered_up();
  for (const u8 command : {0xec, 0x20, 0x24, 0xc8, 0x30, 0xca, 0xe7, 0x06}) {
    put(disk, 0x1f2, 1), put(disk, 0x1f3, 5), put(disk, 0x1f4, 0), put(disk, 0x1f5, 0), put(disk, 0x1f6, 0xe0);
    put_dword(disk, 0xc004, 0x1000);
    put(disk, 0xc000, 0x09);
    put(disk, 0x1f7, command);
    wait(disk);
    disk.insert(disk.end(), {0x07, 30, 255});
  }
  all.push_back(disk);
  std::vector<u8> disc = powered_up();
  put(disc, 0x176, 0xa0), put(disc, 0x177, 0xa0);
  wait(disc);
  for (const u8 byte : {0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0, 0, 0}) put(disc, 0x170, byte);
  wait(disc);
  disc.insert(disc.end(), {0x07, 23, 255});
  all.push_back(disc);
  std::vector<u8> floppy = powered_up();
  put(floppy, 0x3f2, 0x1c);
  wait(floppy);
  for (const u8 byte : {0xe6, 0x00, 0x00, 0x00, 0x01, 0x02, 0x12, 0x1b, 0xff}) put(floppy, 0x3f5, byte);
  wait(floppy);
  all.push_back(floppy);
  std::vector<u8> display = powered_up();
  for (const auto& [index, value] : {std::pair<u8, u8>{4, 0}, {1, 64}, {2, 48}, {3, 32}, {4, 0x41}}) {
    put(display, 0x1ce, index);
    put(display, 0x1cf, value);
  }
  for (u8 i = 0; i < 40; ++i) display.insert(display.end(), {0x34, 4, i, i, 1, 2, 3, 4});
  wait(display);
  all.push_back(display);
  std::vector<u8> sound = powered_up();
  for (const u8 i : {0, 1, 2, 3}) {
    sound.insert(sound.end(), {0x34, 0, static_cast<u8>(i * 8), 0, 0, 0x20, 0, 0});
    sound.insert(sound.end(), {0x34, 0, static_cast<u8>(i * 8 + 4), 0, static_cast<u8>(i * 40), 1, 0, 0x80});
  }
  put_dword(sound, 0xd810, 0x1000);
  put(sound, 0xd815, 3);
  put(sound, 0xd81b, 0x1d);
  wait(sound);
  put(sound, 0xd815, 1);
  wait(sound);
  put(sound, 0x43, 0xb6), put(sound, 0x42, 0x99), put(sound, 0x42, 4), put(sound, 0x61, 3);
  wait(sound);
  all.push_back(sound);
  std::vector<u8> blaster = powered_up();
  put(blaster, 0x226, 1), put(blaster, 0x226, 0);
  for (const auto& [port, value] : {std::pair<u16, u8>{0x0a, 5}, {0x0c, 0}, {0x0b, 0x59}, {0x83, 0}, {0x0a, 1}}) {
    put(blaster, port, value);
  }
  for (const u8 byte : {0x41, 0xac, 0x44, 0xc6, 0x20, 0x40, 0x01, 0xe1, 0xd0, 0xd4, 0x10, 0x33}) put(blaster, 0x22c, byte);
  wait(blaster);
  all.push_back(blaster);
  return all;
}

}  // namespace doppel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const doppel::u8* data, size_t size) {
  using namespace doppel;
  constexpr unsigned kMostSteps = 4000;
  fuzz::System system;
  DOPPEL_CHECK(system.has_ram, "no RAM");
  fuzz::Steps steps(data, size);
  for (unsigned i = 0; i < kMostSteps && !steps.done(); ++i) fuzz::step(system, steps);

  devices::Picture picture;
  system.board.display()->update(picture);
  DOPPEL_CHECK(picture.pixels.size() == size_t{picture.width} * picture.height, "a picture without its pixels");
  (void)system.board.display()->text();

  const std::vector<u8> saved = system.save();
  fuzz::System other;
  Archive loader = Archive::loader(saved);
  other.clock.scheduler.serialize(loader);
  other.board.serialize(loader);
  DOPPEL_CHECK(!loader.failed(), loader.error().c_str());
  return 0;
}
