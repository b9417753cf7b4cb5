#include "devices/piix3.h"

#include <utility>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u8 kNotRouted = 0x80;

/// IRQs a PIRQ may be routed to: not those of timer, keyboard, cascade, RTC and coprocessor.
constexpr u16 kRoutable = 0xdef8;

}  // namespace

Piix3::Piix3(std::function<IrqLine&(unsigned)> isa_line)
    : PciFunction("piix3", Identity{.vendor = 0x8086,
                                    .device = 0x7000,
                                    .revision = 0,
                                    .class_code = 0x06'0100,
                                    .subsystem_vendor = 0x1af4,
                                    .subsystem = 0x1100,
                                    .multifunction = true}),
      isa_line_(std::move(isa_line)) {
  for (unsigned slot = 0; slot < wires_.size(); ++slot) {
    for (unsigned pin = 0; pin < 4; ++pin) {
      wires_[slot][pin].bridge = this;
      wires_[slot][pin].slot = slot;
      wires_[slot][pin].pin = pin;
    }
  }
  define_word(pci_config::kCommand, 0x0007, 0x0100);
  define_word(pci_config::kStatus, 0x0200, 0);
  define_byte(0x4c, 0x4d, 0x7f);      // IORT
  define_word(0x4e, 0x0003, 0x07ff);  // XBCS
  for (unsigned i = 0; i < kPirqs; ++i) define_byte(kPirqRoute + i, kNotRouted, 0x8f);
  define_byte(0x69, 0x02, 0xfe);      // TOM
  define_word(0x6a, 0x0000, 0x8087);  // MSTAT
  define_byte(0x70, 0x80, 0xef);      // MBIRQ0
  define_byte(0x71, 0x80, 0xef);      // MBIRQ1
  define_byte(0x76, 0x0c, 0x8f);      // MBDMA
  define_byte(0x77, 0x0c, 0x8f);
  define_byte(0x78, 0x02, 0xff);  // PCSC
  define_byte(0x79, 0x00, 0xff);
  define_byte(0x80, 0x00, 0x7f);      // APICBASE
  define_byte(0x82, 0x00, 0x0f);      // DLC
  define_byte(0xa0, 0x08, 0x1f);      // SMICNTL
  define_word(0xa2, 0x0000, 0xffff);  // SMIEN
  define_word(0xaa, 0x0000, 0xffff);  // SMIREQ
}

IrqLine& Piix3::pirq(unsigned slot, unsigned pin) { return wires_[slot % 32][(pin + 3) % 4]; }

void Piix3::set_wire(unsigned slot, unsigned pin, bool level) {
  u32& slots = asserted_[pirq_of(slot, pin + 1)][pin];
  const u32 now = static_cast<u32>(with_bit(slots, slot, level));
  if (now == slots) return;
  slots = now;
  update_lines();
}

void Piix3::config_written(unsigned offset, unsigned size_bytes) {
  if (offset < kPirqRoute + kPirqs && offset + size_bytes > kPirqRoute) update_lines();
}

void Piix3::update_lines() {
  u16 levels = 0;
  for (unsigned i = 0; i < kPirqs; ++i) {
    const u8 route = read_config(kPirqRoute + i);
    const auto& pins = asserted_[i];
    const bool level = (pins[0] | pins[1] | pins[2] | pins[3]) != 0;
    if (level && (route & kNotRouted) == 0) levels |= static_cast<u16>(1u << (route & 0xf));
  }
  levels &= kRoutable;
  const u16 changed = levels ^ isa_levels_;
  isa_levels_ = levels;
  for (unsigned irq = 3; irq < 16; ++irq) {
    if (bit(changed, irq)) isa_line_(irq).set(bit(levels, irq));
  }
}

void Piix3::reset() {
  PciFunction::reset();
  update_lines();
}

void Piix3::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(asserted_, isa_levels_);
}

Piix4Pm::Piix4Pm(u16 pm_base)
    : PciFunction("piix4_pm", Identity{.vendor = 0x8086,
                                       .device = 0x7113,
                                       .revision = 3,
                                       .class_code = 0x06'8000,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100,
                                       .interrupt_pin = 1}) {
  define_word(pci_config::kStatus, 0x0280, 0);
  define_byte(pci_config::kInterruptLine, 9, 0xff);
  define_word(kPmBase, static_cast<u16>(pm_base | 1), 0);
  // APMC_EN: firmware takes system management as set up already, and does not try to enter it.
  define_byte(0x5b, 0x02, 0x00);
  // COM1 and COM2 are there, the parallel port is not.
  define_byte(0x63, 0x60, 0x00);
  define_byte(0x67, 0x98, 0x00);
  define_byte(kPmRegMisc, 0x01, 0x01);
}

}  // namespace doppel::devices
