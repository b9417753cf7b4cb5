#pragma once

#include "cpu/base/types.h"

/// Which port, line and address a chip has on the board: an ISA PC with PCI, 440FX and PIIX3 style.
namespace doppel::devices::layout {

// Memory.
inline constexpr u64 kVgaHole = 0xa0000;
inline constexpr u64 kRomArea = 0xc0000;
inline constexpr u64 kAcpiTables = 0xf0000;        // Direct boot only: RSDP first, below 1 MiB.
inline constexpr u64 kHighRam = 0x100000;
inline constexpr u64 kPciHole = 0xc000'0000;       // RAM below ends here at most; the rest is above 4 GiB.
inline constexpr u64 kIoApic = 0xfec0'0000;
inline constexpr u64 kHpet = 0xfed0'0000;
inline constexpr u64 kLocalApic = 0xfee0'0000;
inline constexpr u64 kFourGib = u64{1} << 32;

// Ports.
inline constexpr u16 kDmaBytes = 0x00;
inline constexpr u16 kPicMaster = 0x20;
inline constexpr u16 kPicSlave = 0xa0;
inline constexpr u16 kPicEdgeLevel = 0x4d0;
inline constexpr u16 kPit = 0x40;
inline constexpr u16 kPort61 = 0x61;
inline constexpr u16 kKeyboardData = 0x60;
inline constexpr u16 kKeyboardCommand = 0x64;
inline constexpr u16 kRtc = 0x70;
inline constexpr u16 kPost = 0x80;
inline constexpr u16 kDmaPages = 0x81;
inline constexpr u16 kPort92 = 0x92;
inline constexpr u16 kSmiCommand = 0xb2;  // ACPI on and off; status at +1
inline constexpr u16 kDmaWords = 0xc0;
inline constexpr u16 kCoprocessor = 0xf0;
inline constexpr u16 kIdeCommand[] = {0x1f0, 0x170};
inline constexpr u16 kIdeControl[] = {0x3f6, 0x376};
inline constexpr u16 kFloppy = 0x3f0;
inline constexpr u16 kFloppyRate = 0x3f7;
inline constexpr u16 kCom1 = 0x3f8;
inline constexpr u16 kCom2 = 0x2f8;
inline constexpr u16 kPciAddress = 0xcf8;
inline constexpr u16 kReset = 0xcf9;
inline constexpr u16 kPciData = 0xcfc;
inline constexpr u16 kFwCfg = 0x510;
inline constexpr u16 kFwCfgDma = 0x514;
inline constexpr u16 kPvPanic = 0x505;
inline constexpr u16 kSoundBlaster = 0x220;
inline constexpr u16 kMpu401 = 0x330;
inline constexpr u16 kAcpiPm = 0x600;  // event +0, control +4, timer +8
inline constexpr u16 kAcpiPmSize = 0x40;
inline constexpr u16 kOldAcpiControl = 0xb004;  // PM1 control once more, where Bochs has it

inline constexpr u16 kBochsShutdown = 0x8900;

/// How long an access to a port holds the processor up. The chips of an AT take a cycle of the ISA bus
/// as they always did; what is on PCI answers sooner, the disks' data ports among them.
inline constexpr u64 bus_time_ns(u16 port) {
  constexpr u64 kIsaCycle = 500;
  constexpr u64 kPciCycle = 60;
  const bool is_ide = (port & ~7u) == kIdeCommand[0] || (port & ~7u) == kIdeCommand[1];
  return port < 0x400 && !is_ide ? kIsaCycle : kPciCycle;
}

/// The same for a register of the HPET. Drivers calibrate with loops that read its counter until a millisecond has passed.
inline constexpr u64 kHpetAccessNs = 500;

// Interrupt lines of the ISA bus; the I/O APIC has the timer on pin 2.
inline constexpr unsigned kIoApicTimerPin = 2;
inline constexpr unsigned kIrqTimer = 0;
inline constexpr unsigned kIrqKeyboard = 1;
inline constexpr unsigned kIrqCom2 = 3;
inline constexpr unsigned kIrqCom1 = 4;
inline constexpr unsigned kIrqFloppy = 6;
inline constexpr unsigned kIrqRtc = 8;
inline constexpr unsigned kIrqAcpi = 9;
inline constexpr unsigned kIrqMouse = 12;
inline constexpr unsigned kIrqCoprocessor = 13;
inline constexpr unsigned kIrqIde[] = {14, 15};

// Channels of the ISA bus's DMA.
inline constexpr unsigned kDmaFloppy = 2;

// Slots of the PCI bus; the south bridge's functions are in one.
inline constexpr unsigned kSlotHost = 0;
inline constexpr unsigned kSlotBridge = 1;
inline constexpr unsigned kSlotVga = 2;
inline constexpr unsigned kSlotNics = 3;  // And those behind it, one for each card; then virtio.
inline constexpr unsigned kSlotSound = 31;

}  // namespace doppel::devices::layout
