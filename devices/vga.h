#pragma once

// The display card: a VGA with the Bochs VBE interface as a PCI function (1234:1111).
//
//   BAR 0   the card's memory, linear
//   BAR 2   registers in memory, 4 KiB:
//           400h-41Fh  ports 3C0h-3DFh
//           500h-515h  VBE registers, a word each
//           600h-607h  size of this block, byte order of the frame buffer
//   ROM     the video BIOS
//
// Stores through BAR 0 do not pass the card. A watched page tells of its first store; the card
// stamps it, lets it go, and takes it up again at the next retrace with another stamp: a page that
// is being drawn on costs one slow store a frame. Retraces of virtual time, so that no run depends
// on when somebody looks.

#include <vector>

#include "devices/pci.h"
#include "devices/scheduler.h"
#include "devices/vga_adapter.h"
#include "mmu/device_memory.h"

namespace doppel::devices {

/// @source  QEMU, "Standard VGA" (docs/specs/standard-vga)
class Vga final : public PciFunction {
 public:
  static constexpr u64 kRegisterBytes = 0x1000;

  /// `rom` may be empty. References must outlive the card; the size of `memory` is a power of two.
  Vga(mmu::DeviceMemory& memory, mmu::IoMap& mmio, Scheduler& scheduler, std::vector<u8> rom);

  /// Its ports, its window below 1 MiB and its picture.
  VgaAdapter& adapter() { return adapter_; }

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class Registers final : public mmu::IoHandler {
   public:
    explicit Registers(VgaAdapter& adapter) : adapter_(adapter) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    VgaAdapter& adapter_;
  };

  void page_stored(u64 page);
  void watch_again();
  void watch_everything();

  Scheduler& scheduler_;
  mmu::DeviceMemory& memory_;
  VgaAdapter adapter_;
  Registers registers_;
  Scheduler::EventId retrace_event_;
  std::vector<u32> unwatched_;  // Pages stored to since the last retrace.
};

}  // namespace doppel::devices
