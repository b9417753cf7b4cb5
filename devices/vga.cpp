#include "devices/vga.h"

namespace doppel::devices {

namespace {

constexpr PciFunction::Identity kIdentity{
    .vendor = 0x1234,
    .device = 0x1111,
    .revision = 2,
    .class_code = 0x03'00'00,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

// BAR 2.
constexpr u64 kPorts = 0x400;
constexpr u64 kVbe = 0x500;
constexpr u64 kVbeEnd = 0x516;
constexpr u64 kExtended = 0x600;
constexpr u64 kExtendedSize = 8;
constexpr u64 kByteOrder = 0x604;
constexpr u32 kLittleEndian = 0x1e1e'1e1e;

/// Simplified: the same for all modes, whatever the CRT controller is programmed for.
constexpr u64 kRetracePeriodNs = 1'000'000'000 / 60;

u32 page_count(const mmu::DeviceMemory& memory) {
  return static_cast<u32>(memory.size() >> VgaMemory::kPageShift);
}

}  // namespace

Vga::Vga(mmu::DeviceMemory& memory, mmu::IoMap& mmio, Scheduler& scheduler, std::vector<u8> rom)
    : PciFunction("vga", kIdentity),
      scheduler_(scheduler),
      memory_(memory),
      adapter_(memory.bytes(), scheduler),
      registers_(adapter_),
      retrace_event_(scheduler.add("vga.retrace", [this] { watch_again(); })) {
  add_memory_bar(0, memory, true);
  add_bar(2, BarKind::Memory32, kRegisterBytes, mmio, registers_);
  if (!rom.empty()) set_rom(std::move(rom), mmio);
  memory_.set_observer([this](u64 page) { page_stored(page); });
  watch_everything();
}

void Vga::reset() {
  PciFunction::reset();
  adapter_.reset();
}

// --- Stores through the linear window ----------------------------------------------------------

void Vga::page_stored(u64 page) {
  adapter_.memory().stamp(static_cast<u32>(page));
  memory_.unwatch(page);
  unwatched_.push_back(static_cast<u32>(page));
  if (scheduler_.is_scheduled(retrace_event_)) return;
  const u64 next = (scheduler_.now_ns() / kRetracePeriodNs + 1) * kRetracePeriodNs;
  scheduler_.schedule(retrace_event_, next);
}

/// Stores since the first one were not seen: the pages count as new once more.
void Vga::watch_again() {
  for (const u32 page : unwatched_) {
    adapter_.memory().stamp(page);
    memory_.watch(page);
  }
  unwatched_.clear();
}

void Vga::watch_everything() {
  for (u32 page = 0; page < page_count(memory_); ++page) memory_.watch(page);
}

/// The retrace event is saved with the scheduler; the pages it will take up are saved here.
void Vga::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(adapter_, memory_, unwatched_);
  if (!archive.is_loading()) return;
  watch_everything();
  std::vector<u32> pages;
  pages.swap(unwatched_);
  for (const u32 page : pages) {
    if (page >= page_count(memory_)) {
      archive.fail("a display card drew on a page that it does not have");
      return;
    }
    memory_.unwatch(page);
    unwatched_.push_back(page);
  }
}

// --- Registers in memory -----------------------------------------------------------------------

/// Wider accesses reach the ports as bytes, lowest first, and the VBE registers as words. What is
/// not there (also the block for a monitor's EDID) reads as ones.
u64 Vga::Registers::read(u64 offset, Width width) {
  u64 value = all_ones(width);
  const auto put = [&](unsigned at, u64 byte) {
    value = (value & ~(u64{0xff} << (8 * at))) | byte << (8 * at);
  };
  for (unsigned i = 0; i < bytes(width); ++i) {
    const u64 at = offset + i;
    if (at >= kPorts && at < kPorts + VgaRegisters::kPortCount) {
      put(i, adapter_.read_port(static_cast<u16>(VgaRegisters::kPorts + at - kPorts)));
    } else if (at >= kVbe && at < kVbeEnd) {
      const u16 word = adapter_.read_vbe(static_cast<u16>((at - kVbe) / 2));
      put(i, word >> (8 * (at & 1)) & 0xff);
    } else if (at >= kExtended && at < kExtended + kExtendedSize) {
      const u64 word = at < kByteOrder ? kExtendedSize : kLittleEndian;
      put(i, word >> (8 * (at & 3)) & 0xff);
    }
  }
  return value;
}

/// Simplified: the frame buffer stays little endian. VBE registers take whole words only.
void Vga::Registers::write(u64 offset, Width width, u64 value) {
  for (unsigned i = 0; i < bytes(width); ++i) {
    const u64 at = offset + i;
    if (at >= kPorts && at < kPorts + VgaRegisters::kPortCount) {
      adapter_.write_port(static_cast<u16>(VgaRegisters::kPorts + at - kPorts),
                          static_cast<u8>(value >> (8 * i)));
    } else if (at >= kVbe && at < kVbeEnd && at % 2 == 0 && i + 1 < bytes(width)) {
      adapter_.write_vbe(static_cast<u16>((at - kVbe) / 2), static_cast<u16>(value >> (8 * i)));
    }
  }
}

}  // namespace doppel::devices
