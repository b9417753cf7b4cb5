#pragma once

// The display adapter without its bus: registers, VBE, memory and the picture they make.
//
// What differs between an ISA and a PCI card, where ports and memory are, is left to the owner.

#include <span>

#include "devices/byte_ports.h"
#include "devices/display.h"
#include "devices/scheduler.h"
#include "devices/vbe.h"
#include "devices/vga_memory.h"
#include "devices/vga_registers.h"
#include "devices/vga_render.h"

namespace doppel::devices {

class VgaAdapter final : public DisplaySource {
 public:
  static constexpr u16 kVbePorts = 0x1ce;
  static constexpr u16 kVbePortCount = 4;  // Index, data, data once more, nothing.

  /// `memory` as VgaMemory wants it; both must outlive the adapter.
  VgaAdapter(std::span<u8> memory, const Scheduler& scheduler);
  VgaAdapter(const VgaAdapter&) = delete;
  VgaAdapter& operator=(const VgaAdapter&) = delete;

  /// VgaRegisters::kMonoPortCount ports from kMonoPorts.
  mmu::IoHandler& mono_ports() { return mono_ports_; }
  /// VgaRegisters::kPortCount ports from kPorts.
  mmu::IoHandler& ports() { return ports_; }
  /// kVbePortCount ports from kVbePorts.
  mmu::IoHandler& vbe_ports() { return vbe_ports_; }
  /// VgaMemory::kWindowSize bytes from VgaMemory::kWindow.
  mmu::IoHandler& window() { return memory_; }

  u8 read_port(u16 port) { return registers_.read(port, scheduler_.now_ns()); }
  void write_port(u16 port, u8 value);
  u16 read_vbe(u16 index) const { return vbe_.read(index); }
  void write_vbe(u16 index, u16 value);

  Change update(Picture& picture) override;
  std::optional<TextScreen> text() const override;

  /// For the owner, who sees stores that pass the window by.
  VgaMemory& memory() { return memory_; }

  void reset();
  void serialize(Archive& archive);

 private:
  class VbePorts final : public mmu::IoHandler {
   public:
    explicit VbePorts(VgaAdapter& adapter) : adapter_(adapter) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    VgaAdapter& adapter_;
  };

  u8 read_mono(unsigned offset) {
    return read_port(static_cast<u16>(VgaRegisters::kMonoPorts + offset));
  }
  void write_mono(unsigned offset, u8 value) {
    write_port(static_cast<u16>(VgaRegisters::kMonoPorts + offset), value);
  }
  u8 read_colour(unsigned offset) {
    return read_port(static_cast<u16>(VgaRegisters::kPorts + offset));
  }
  void write_colour(unsigned offset, u8 value) {
    write_port(static_cast<u16>(VgaRegisters::kPorts + offset), value);
  }
  void follow_vbe();

  const Scheduler& scheduler_;
  VgaRegisters registers_;
  VgaMemory memory_;
  Vbe vbe_;
  VgaRenderer renderer_;
  u32 window_generation_ = 0;
  BytePorts<VgaAdapter> mono_ports_;
  BytePorts<VgaAdapter> ports_;
  VbePorts vbe_ports_;
};

}  // namespace doppel::devices
