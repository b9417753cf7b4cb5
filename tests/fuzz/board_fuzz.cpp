// Any bytes as what a driver does to the board, and a network to it: ports, registers in memory, DMA
// tables, frames, time.
//
// An input is a list of steps: a byte that says what, then its operands. The board has all its chips,
// a disk, a disc, a floppy disk, the display card, a network card, sound cards and a virtio device of each kind. In
// the end its picture is looked at; one in kSaveEvery is saved and loaded again, and must save the same.

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <sys/prctl.h>

#include "cpu/base/check.h"
#include "devices/pc_board.h"
#include "devices/pc_layout.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/support/device_rig.h"
#include "tests/support/recording_processor.h"

namespace doppel::fuzz {
namespace {

using namespace devices;

constexpr u64 kVideo = u64{2} << 20;
constexpr u64 kRam = u64{2} << 20;
constexpr u64 kPool = u64{8} << 20;
constexpr u64 kMostTimeNs = 50'000'000;
constexpr unsigned kSaveEvery = 32;

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

/// A wire that brings back what is sent, and looks whether it could have been.
class Echo final : public NetworkLink {
 public:
  void transmit(std::span<const u8> frame) override {
    DOPPEL_CHECK(frame.size() <= kMaxFrameBytes, "a frame that no wire carries");
    last.assign(frame.begin(), frame.end());
  }
  std::vector<u8> last = std::vector<u8>(60, 0xff);
};

struct System {
  Echo wire;
  test::Clock clock;
  test::TextSink hvc0;
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
  /// An input touches some pages of each board; huge ones would have to be cleared as a whole.
  static inline const bool uses_small_pages = ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0;
  static void add_drive(BoardConfig& config, BoardConfig::Drive::Kind kind, unsigned place, u64 sectors, const char* serial) {
    BoardConfig::Drive& drive = config.drives.emplace_back();
    drive.kind = kind;
    drive.place = place;
    drive.medium = std::make_shared<Blank>(sectors);
    drive.serial = serial;
  }
  BoardConfig config() {
    using Kind = BoardConfig::Drive::Kind;
    BoardConfig result;
    result.ram_bytes = kRam;
    add_drive(result, Kind::HardDisk, 0, 70'000, "serial");
    add_drive(result, Kind::Cdrom, 2, 40'000, "");
    add_drive(result, Kind::Floppy, 0, 2880, "");
    add_drive(result, Kind::VirtioDisk, 0, 50'000, "serial");
    result.nics.push_back({"e1000", {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, &wire, std::vector<u8>(2048, 0x55)});
    result.nics.push_back({"virtio-net-pci", {0x52, 0x54, 0, 1, 2, 3}, &wire, {}});
    result.virtio_consoles.push_back(&hvc0);
    result.virtio_rngs = 1;
    result.has_vga = true;
    result.vga_rom.assign(4096, 0x55);
    result.video_memory_bytes = kVideo;
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
                          0xd42a, 0xd42c, 0xd810, 0xd815, 0xd816, 0xd818, 0xd81b, 0xd82c, 0xd830, 0xd834, 0xc100, 0xc104};
// Virtio devices: network, disk, console, random numbers; and where their BARs are put.
constexpr unsigned kVirtioCards = 4;
constexpr u32 kBehindNics = layout::kSlotNics + BoardConfig::kMostNics;
constexpr u32 kVirtioSlots[kVirtioCards] = {layout::kSlotNics + 1, kBehindNics, kBehindNics + 1, kBehindNics + 2};
constexpr u64 kVirtio = 0xfe00'0000;
constexpr u64 kVirtioStep = 0x1'0000;
constexpr u64 kVirtioMsix = 0x8000;
// Queues and what they lead to; see virtio_ready().
constexpr u64 kRings = 0x4000;
constexpr u64 kRingStep = 0x1000;

/// Windows of registers and memory.
constexpr u64 kPlaces[] = {0x1000, 0xa0000, 0xa8000, 0xb8000, 0xfd000000, 0xfebf0400, 0xfebf0500, layout::kIoApic, layout::kHpet, layout::kLocalApic,
                           kVirtio, kVirtio + 0x3000, kVirtio + kVirtioMsix, kVirtio + kVirtioStep, kVirtio + kVirtioStep + 0x2000, kVirtio + kVirtioStep + 0x3000,
                           kVirtio + 2 * kVirtioStep, kVirtio + 2 * kVirtioStep + 0x3000, kVirtio + 3 * kVirtioStep, kVirtio + 3 * kVirtioStep + 0x3000, kRings,
                           0xfea00000, 0xfea02800, 0xfea03800, 0xfea05200};

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

/// The last frame that left, changed in one place and cut, comes in.
void receive(System& system, Steps& steps) {
  std::vector<u8> frame = system.wire.last;
  frame.resize(steps.number(2) % (kMaxFrameBytes + 64));
  const u64 at = steps.number(2);
  if (!frame.empty()) frame[at % frame.size()] ^= steps.byte();
  system.board.network_card(frame.size() % 2)->receive(frame);
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
      if ((what & 8) != 0) return receive(system, steps);
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
  config(0x1810, 0xfea0'0000);                // 00:03.0
  config(0x1818, 0xc101);
  config(0x1804, 0x0007);
  config(0xf810, 0xd401);                     // 00:1f.0
  config(0xf814, 0xd801);
  config(0xf804, 0x0005);
  for (u32 card = 0; card < kVirtioCards; ++card) {
    const u32 function = kVirtioSlots[card] << 11;
    const u32 base = static_cast<u32>(kVirtio + card * kVirtioStep);
    config(function | 0x14, base + static_cast<u32>(kVirtioMsix));
    config(function | 0x20, base);
    config(function | 0x04, 0x0006);
  }
  return bytes;
}

void put_store(std::vector<u8>& bytes, u64 address, Width width, u64 value) {
  const auto* found = std::begin(kPlaces);
  while (*found > address || address - *found > 0xffff) ++found;
  const u64 offset = address - *found;
  const u8 choice = width == Width::Dword ? 0x34 : width == Width::Word ? 0x24 : 0x04;
  bytes.insert(bytes.end(), {choice, static_cast<u8>(found - std::begin(kPlaces)), static_cast<u8>(offset), static_cast<u8>(offset >> 8)});
  for (unsigned i = 0; i < doppel::bytes(width); ++i) bytes.push_back(static_cast<u8>(value >> (8 * i)));
}

/// Rings, a context with a packet that is cut up, one of the old kind, and frames.
std::vector<u8> network() {
  constexpr u64 kCard = 0xfea0'0000;
  constexpr u32 kRing = 0x1000;
  std::vector<u8> bytes = powered_up();
  wait(bytes);
  const auto ring = [&](u64 base, u32 at) {
    put_store(bytes, base, Width::Dword, at);
    put_store(bytes, base + 8, Width::Dword, 256);
  };
  const u32 descriptors[][4] = {{0x0018'0e00 | 14, 0x0000'3222, 0x2700'0000 | 900, 0x00c8'3600},
                                {0x1800, 0, 0x2f10'0000 | 954, 0x0000'0300},
                                {0x1800, 0, 0x0d32'0000 | 90, 0x0000'2200}};
  for (u32 i = 0; i < 3; ++i) {
    for (u32 k = 0; k < 4; ++k) put_store(bytes, kRing + 16 * i + 4 * k, Width::Dword, descriptors[i][k]);
  }
  for (u32 i = 0; i < 16; ++i) put_store(bytes, kRing + 0x100 + 16 * i, Width::Dword, 0x4000 + 2048 * i);
  ring(kCard + 0x3800, kRing);
  ring(kCard + 0x2800, kRing + 0x100);
  put_store(bytes, kCard + 0x400, Width::Dword, 2);
  put_store(bytes, kCard + 0x100, Width::Dword, 0x801a);
  put_store(bytes, kCard + 0x2818, Width::Dword, 15);
  put_store(bytes, kCard + 0x3818, Width::Dword, 3);
  for (u8 i = 0; i < 5; ++i) bytes.insert(bytes.end(), {0x0e, 200, i, 30, 0, i});
  wait(bytes);
  return bytes;
}

/// A driver's start: a card with its queues, 4 entries each, and DRIVER_OK.
std::vector<u8> virtio_ready(unsigned card, unsigned queues) {
  std::vector<u8> bytes = powered_up();
  const u64 base = kVirtio + card * kVirtioStep;
  put_store(bytes, base + 0x14, Width::Byte, 3);
  for (const u32 half : {0u, 1u}) {
    put_store(bytes, base + 0x08, Width::Dword, half);
    put_store(bytes, base + 0x0c, Width::Dword, half == 1 ? 1 : 1u << 28);
  }
  put_store(bytes, base + 0x14, Width::Byte, 11);
  for (unsigned queue = 0; queue < queues; ++queue) {
    const u64 ring = kRings + queue * kRingStep;
    put_store(bytes, base + 0x16, Width::Word, queue);
    put_store(bytes, base + 0x18, Width::Word, 4);
    put_store(bytes, base + 0x20, Width::Dword, ring);
    put_store(bytes, base + 0x28, Width::Dword, ring + 0x100);
    put_store(bytes, base + 0x30, Width::Dword, ring + 0x200);
    put_store(bytes, base + 0x1c, Width::Word, 1);
  }
  put_store(bytes, base + 0x14, Width::Byte, 15);
  return bytes;
}

struct Descriptor {
  u64 address;
  u32 size;
  u16 flags;
  u16 next;
};

/// One chain from descriptor 0, and the notification.
void put_request(std::vector<u8>& bytes, unsigned card, unsigned queue, std::initializer_list<Descriptor> chain) {
  const u64 ring = kRings + queue * kRingStep;
  u64 at = ring;
  for (const Descriptor& descriptor : chain) {
    put_store(bytes, at, Width::Dword, descriptor.address);
    put_store(bytes, at + 8, Width::Dword, descriptor.size);
    put_store(bytes, at + 12, Width::Dword, descriptor.flags | u32{descriptor.next} << 16);
    at += 16;
  }
  put_store(bytes, ring + 0x104, Width::Word, 0);
  put_store(bytes, ring + 0x102, Width::Word, 1);
  put_store(bytes, kVirtio + card * kVirtioStep + 0x3000 + 4 * queue, Width::Word, queue);
  wait(bytes);
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
  for (const u32 type : {0u, 1u, 4u, 8u, 11u, 13u}) {
    std::vector<u8> block = virtio_ready(1, 1);
    put_store(block, 0x8000, Width::Dword, type);
    put_store(block, 0x8008, Width::Dword, 5);
    put_store(block, 0x9008, Width::Dword, 8);
    const u16 direction = type == 0 || type == 8 ? 2 : 0;
    put_request(block, 1, 0, {{0x8000, 16, 1, 1}, {0x9000, type == 11 || type == 13 ? 16u : 512u, static_cast<u16>(1 | direction), 2}, {0xa000, 1, 2, 0}});
    all.push_back(block);
  }
  std::vector<u8> net = virtio_ready(0, 2);
  put_request(net, 0, 1, {{0x8000, 80, 0, 0}});
  all.push_back(net);
  std::vector<u8> console = virtio_ready(2, 2);
  put_request(console, 2, 1, {{0x8000, 20, 0, 0}});
  all.push_back(console);
  std::vector<u8> rng = virtio_ready(3, 1);
  put_store(rng, 0x8000, Width::Dword, 0x9000), put_store(rng, 0x8008, Width::Dword, 64), put_store(rng, 0x800c, Width::Dword, 2);
  put_request(rng, 3, 0, {{0x8000, 16, 4, 0}});
  all.push_back(rng);
  all.push_back(network());
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

  if (size == 0 || data[size - 1] % fuzz::kSaveEvery != 0) return 0;
  const std::vector<u8> saved = system.save();
  fuzz::System other;
  Archive loader = Archive::loader(saved);
  other.clock.scheduler.serialize(loader);
  other.board.serialize(loader);
  DOPPEL_CHECK(!loader.failed(), loader.error().c_str());
  DOPPEL_CHECK(other.save() == saved, "a board that was loaded saves something else");
  return 0;
}
