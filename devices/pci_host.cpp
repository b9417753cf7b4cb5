#include "devices/pci_host.h"

namespace doppel::devices {

PciHost::PciHost()
    // The subsystem ids are by which firmware for virtual machines recognises its board.
    : PciFunction("pci_host", Identity{.vendor = 0x8086,
                                       .device = 0x1237,
                                       .revision = 2,
                                       .class_code = 0x06'0000,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100}) {
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

}  // namespace doppel::devices
