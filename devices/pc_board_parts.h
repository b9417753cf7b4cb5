#pragma once

// What stands on the board and how it is wired. Only the board's own files include this.
//
//     PIT --gate--+                 +--> 8259 pair --INTR--> LINT0 of every local APIC
//     HPET -------+--> IRQ line ----+
//     PIRQ router-+                 +--> I/O APIC --bus----> local APIC --INTR--> processor

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "devices/ac97.h"
#include "devices/acpi_pm.h"
#include "devices/acpi_tables.h"
#include "devices/apic_messages.h"
#include "devices/atapi_cdrom.h"
#include "devices/coprocessor_error.h"
#include "devices/debug_exit.h"
#include "devices/debug_port.h"
#include "devices/dma_8237.h"
#include "devices/floppy_82077.h"
#include "devices/fw_cfg.h"
#include "devices/hpet.h"
#include "devices/ide_controller.h"
#include "devices/ioapic.h"
#include "devices/keyboard_8042.h"
#include "devices/lapic.h"
#include "devices/pc_board.h"
#include "devices/pc_speaker.h"
#include "devices/pc_layout.h"
#include "devices/pci.h"
#include "devices/pci_host.h"
#include "devices/pic_8259.h"
#include "devices/piix3.h"
#include "devices/pit_8254.h"
#include "devices/port_92.h"
#include "devices/port_cf9.h"
#include "devices/post_code.h"
#include "devices/pvpanic.h"
#include "devices/rtc_mc146818.h"
#include "devices/sb16.h"
#include "devices/shared_line.h"
#include "devices/timestamp_counter.h"
#include "devices/uart_16550.h"
#include "devices/vga.h"
#include "devices/virtio_block.h"
#include "devices/virtio_console.h"
#include "devices/virtio_pci.h"

namespace doppel::devices {

struct PcBoard::Parts final : LocalApicHost {
  Parts(const BoardConfig& board_config, mmu::PhysicalMemory& physical_memory, mmu::IoMap& port_map,
        Scheduler& time, ProcessorLines& processor_lines, MachineControl& control);

  /// The local APIC of the processor whose turn it is.
  LocalApic& lapic() { return *lapics[current]; }
  /// RAM below the PCI hole; the rest is above 4 GiB.
  u64 low_ram() const;

  void local_apic_output_changed(LocalApic& apic) override;
  void local_apic_moved(LocalApic& apic) override;
  void drive_intr();
  void reset();
  void serialize(Archive& archive);
  /// What firmware looks up: memory sizes in the CMOS, items of fw_cfg.
  void describe_machine();
  /// Puts drives in, with what is in them.
  void fit_drives();
  /// Null: the drive is another kind.
  AtapiCdrom* cdrom_of(const BoardConfig::Drive& drive) const;
  void fit_display();
  /// pc_board_sound.cpp
  void fit_sound();
  void fit_pvpanic(MachineControl& control);
  /// Everything on virtio queues (pc_board_virtio.cpp).
  void fit_virtio();
  void fit_virtio_disk(const BoardConfig::Drive& drive);
  NetworkCard* fit_virtio_nic(const BoardConfig::Nic& nic, std::string name, unsigned slot);
  void plug_virtio(std::string name, std::unique_ptr<VirtioDevice> device, unsigned slot);
  /// pc_board_network.cpp
  void fit_network();
  AcpiTablesConfig acpi_config() const;
  void write_boot_order(const std::string& order);
  /// How firmware calls a drive on the south bridge, if it has a place in the order.
  void name_boot_drive(const BoardConfig::Drive& drive);

  /// Sources of a shared ISA line.
  enum Source : unsigned { kFromChip, kFromPirq, kFromHpet, kFromSound };

  /// The 8259's INTR pin.
  class PicOutput final : public IrqLine {
   public:
    explicit PicOutput(Parts& parts) : parts_(parts) {}
    void set(bool level) override {
      for (auto& apic : parts_.lapics) apic->set_lint(0, level);
      parts_.drive_intr();
    }

   private:
    Parts& parts_;
  };

  /// Takes nothing.
  class NoReceiver final : public ByteReceiver {
   public:
    unsigned room() const override { return 0; }
    void receive(u8) override {}
  };

  /// The page of the processor whose turn it is: every one sees its own local APIC there.
  class ApicWindow final : public mmu::IoHandler {
   public:
    explicit ApicWindow(Parts& parts) : parts_(parts) {}
    u64 read(u64 offset, Width width) override { return parts_.lapic().read(offset, width); }
    void write(u64 offset, Width width, u64 value) override {
      parts_.lapic().write(offset, width, value);
    }

   private:
    Parts& parts_;
  };

  /// The HPET, as far away as it is.
  class HpetWindow final : public mmu::IoHandler {
   public:
    explicit HpetWindow(Parts& parts) : parts_(parts) {}
    u64 read(u64 offset, Width width) override {
      const u64 value = parts_.hpet.read(offset, width);
      pass_time();
      return value;
    }
    void write(u64 offset, Width width, u64 value) override {
      parts_.hpet.write(offset, width, value);
      pass_time();
    }

   private:
    void pass_time() { parts_.scheduler.skip_to(parts_.scheduler.now_ns() + layout::kHpetAccessNs); }

    Parts& parts_;
  };

  /// An RTC interrupt is an ACPI event as well.
  class RtcEvent final : public IrqLine {
   public:
    explicit RtcEvent(AcpiPm& acpi) : acpi_(acpi) {}
    void set(bool level) override {
      if (level) acpi_.rtc_alarm();
    }

   private:
    AcpiPm& acpi_;
  };

  BoardConfig config;
  Scheduler& scheduler;
  mmu::PhysicalMemory& memory;
  mmu::IoMap& ports;
  ProcessorLines& processor;

  TimestampCounter tsc;
  ApicBus apic_bus;
  ApicMessages apic_messages;
  std::vector<std::unique_ptr<LocalApic>> lapics;
  size_t current = 0;
  ApicWindow apic_window;
  std::optional<u64> apic_window_base;
  bool intr = false;
  bool has_booted = false;  // Since then the boot order for once is of no account.

  PicOutput pic_output;
  Pic8259Pair pic;
  IoApic ioapic;
  std::array<SharedLine, 16> isa;
  GatedLine pit_line;
  GatedLine rtc_gate;
  SharedLine rtc_line;

  AcpiPm acpi;
  RtcEvent rtc_event;
  Pit8254 pit;
  PcSpeaker speaker;
  RtcMc146818 rtc;
  Keyboard8042 keyboard;
  CoprocessorError coprocessor_error;
  Port92 port92;
  ResetPortCf9 reset_port;
  std::array<Uart16550, 2> uarts;
  PostCodePort post;
  FwCfg fw_cfg;
  Hpet hpet;
  HpetWindow hpet_window;
  PciBus pci;
  PciHost pci_host;
  Piix3 piix3;
  Piix4Pm piix4_pm;
  IdeController ide;
  std::array<AtapiCdrom*, 4> cdroms{};  // By place; null: something else is there.
  Dma8237Pair dma;
  Floppy82077 floppy;
  std::unique_ptr<mmu::DeviceMemory> video_memory;  // With the card, or neither.
  std::unique_ptr<Vga> vga;
  std::vector<std::unique_ptr<PciFunction>> network_functions;
  std::vector<NetworkCard*> network_cards;  // The same, as the wire sees them.
  std::unique_ptr<Ac97> ac97;
  std::unique_ptr<Sb16> sb16;
  std::unique_ptr<PvPanic> pvpanic;
  unsigned next_slot = layout::kSlotNics + BoardConfig::kMostNics;
  std::vector<std::unique_ptr<VirtioPci>> virtio_cards;
  std::vector<VirtioBlock*> virtio_disks;
  std::vector<VirtioConsole*> virtio_consoles;
  NoReceiver no_receiver;
  /// Firmware's names of what has a boot index, by that index.
  std::multimap<unsigned, std::string> boot_paths;
  ShutdownPort8900 shutdown_port;
  std::vector<std::unique_ptr<DebugConsole>> debug_consoles;
  std::unique_ptr<DebugExit> debug_exit;

  /// Everything with a name, drivers of lines before the controllers they lead to.
  std::vector<Device*> devices;

 private:
  void wire_lines();
  void map_ports();
  void map_memory();
};

}  // namespace doppel::devices
