#include "devices/pci_host.h"

namespace doppel::devices {

namespace {

constexpr u8 kReadEnable = 0x1;
constexpr u8 kWriteEnable = 0x2;
/// No attributes are this.
constexpr u8 kUnknown = 0xff;

struct Segment {
  u32 first;
  u32 size;
};

/// Half a register each, the lower half first. The lower half of PAM0 is reserved.
Segment segment_at(unsigned index) {
  constexpr u32 kSmall = 0x4000;
  if (index == 0) return {0, 0};
  if (index == 1) return {0xf0000, 0x10000};
  return {0xc0000 + (index - 2) * kSmall, kSmall};
}

mmu::RomShadow shadow_of(u8 attributes) {
  if ((attributes & kWriteEnable) != 0) return mmu::RomShadow::Ram;
  return (attributes & kReadEnable) != 0 ? mmu::RomShadow::ReadOnlyRam : mmu::RomShadow::Rom;
}

}  // namespace

PciHost::PciHost(mmu::PhysicalMemory& memory)
    // The subsystem ids are by which firmware for virtual machines recognises its board.
    : PciFunction("pci_host", Identity{.vendor = 0x8086,
                                       .device = 0x1237,
                                       .revision = 2,
                                       .class_code = 0x06'0000,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100}),
      memory_(memory) {
  // It always answers memory accesses and is always master.
  define_word(pci_config::kCommand, 0x0006, 0x0140);
  define_word(pci_config::kStatus, 0x0280, 0);
  define_word(0x50, 0x0000, 0xff40);  // PMCCFG
  define_byte(0x52, 0x00, 0xff);      // DETURBO
  define_byte(0x53, 0x80, 0x07);      // DBC
  define_byte(0x54, 0x00, 0xef);      // AXC
  define_word(0x55, 0x0000, 0xffff);  // DRT
  define_byte(0x57, 0x01, 0xff);      // DRAMC
  define_byte(0x58, 0x10, 0xff);      // DRAMT
  define_byte(kPam0, 0x00, 0x30);     // PAM0: upper half only
  for (unsigned i = 1; i < 7; ++i) define_byte(kPam0 + i, 0x00, 0x33);
  for (unsigned i = 0; i < 8; ++i) define_byte(0x60 + i, 0x01, 0xff);  // DRB
  define_byte(0x68, 0x00, 0x80);                                       // FDHC
  define_byte(kSmram, 0x02, 0x78);                                     // SMRAM
  define_byte(0x90, 0x00, 0xff);                                       // ERRCMD
  define_clearable(0x91, 0x11);                                        // ERRSTS
  define_byte(0x93, 0x00, 0x04);                                       // TRC
}

u8 PciHost::attributes(unsigned segment) const {
  const u8 both = read_config(kPam0 + segment / 2);
  return static_cast<u8>((segment % 2 == 0 ? both : both >> 4) & (kReadEnable | kWriteEnable));
}

void PciHost::config_written(unsigned offset, unsigned size_bytes) {
  if (offset < kPam0 + kPams && offset + size_bytes > kPam0) update_segments();
}

void PciHost::update_segments() {
  for (unsigned i = 0; i < kSegments; ++i) {
    const u8 wanted = attributes(i);
    if (wanted == applied_[i]) continue;
    applied_[i] = wanted;
    const Segment segment = segment_at(i);
    if (segment.size == 0) continue;
    if (memory_.pmap().set_rom_shadow(PhysAddr(segment.first), segment.size, shadow_of(wanted)))
      memory_.remapped(PhysAddr(segment.first), segment.size);
  }
}

void PciHost::show_segments() {
  applied_.fill(kUnknown);
  update_segments();
}

void PciHost::reset() {
  PciFunction::reset();
  update_segments();
}

/// Memory comes back with its own state.
void PciHost::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  if (!archive.is_loading()) return;
  for (unsigned i = 0; i < kSegments; ++i) applied_[i] = attributes(i);
}

}  // namespace doppel::devices
