#include "devices/pc_board.h"

#include <algorithm>
#include <string>

#include "cpu/arch/msr.h"
#include "cpu/base/check.h"
#include "cpu/base/log.h"
#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

using namespace layout;

PcBoard::Parts::Parts(const BoardConfig& board_config, mmu::PhysicalMemory& physical_memory,
                      mmu::IoMap& port_map, Scheduler& time, ProcessorLines& processor_lines,
                      MachineControl& control)
    : config(board_config),
      scheduler(time),
      memory(physical_memory),
      ports(port_map),
      processor(processor_lines),
      tsc(time, board_config.tsc_hz),
      apic_messages(apic_bus, physical_memory),
      apic_window(*this),
      pic_output(*this),
      pic(pic_output),
      ioapic(apic_bus, [this] { return pic.acknowledge(); }),
      pit_line(isa[kIrqTimer].source(kFromChip)),
      rtc_gate(isa[kIrqRtc].source(kFromChip)),
      acpi(time, isa[kIrqAcpi].source(kFromChip), control),
      rtc_event(acpi),
      pit(time, pit_line),
      speaker(time, board_config.speaker),
      rtc(time, rtc_line.source(0), board_config.rtc_start),
      keyboard(time, isa[kIrqKeyboard].source(kFromChip), isa[kIrqMouse].source(kFromChip),
               control),
      coprocessor_error(isa[kIrqCoprocessor].source(kFromChip)),
      port92(control, keyboard),
      reset_port(control),
      uarts{{{"uart0", time, isa[kIrqCom1].source(kFromChip), board_config.serial[0]},
             {"uart1", time, isa[kIrqCom2].source(kFromChip), board_config.serial[1]}}},
      post(time),
      fw_cfg(physical_memory, time),
      hpet(time, Hpet::Wires{.pin = [this](unsigned pin) -> IrqLine& { return ioapic.pin(pin); },
                             .legacy_timer = isa[kIrqTimer].source(kFromHpet),
                             .legacy_rtc = isa[kIrqRtc].source(kFromHpet),
                             .legacy_changed =
                                 [this](bool on) {
                                   pit_line.set_open(!on);
                                   rtc_gate.set_open(!on);
                                 }}),
      hpet_window(*this),
      pci(reset_port),
      pci_host(physical_memory),
      piix3([this](unsigned irq) -> IrqLine& { return isa[irq & 15].source(kFromPirq); }),
      piix4_pm(kAcpiPm),
      ide(physical_memory, port_map, time, isa[kIrqIde[0]].source(kFromChip),
          isa[kIrqIde[1]].source(kFromChip)),
      dma(physical_memory),
      floppy(time, isa[kIrqFloppy].source(kFromChip), dma.channel(kDmaFloppy)),
      shutdown_port(control) {
  // One processor's lines were given, so there is one local APIC; the bus takes any number.
  lapics.push_back(std::make_unique<LocalApic>(0, apic_bus, time, tsc, processor, *this));
  for (size_t i = 0; i < config.debug_consoles.size(); ++i) {
    const BoardConfig::DebugConsole& console = config.debug_consoles[i];
    debug_consoles.push_back(std::make_unique<DebugConsole>("debug_console" + std::to_string(i),
                                                            console.sink, console.readback));
  }
  if (config.debug_exit) debug_exit = std::make_unique<DebugExit>(control);

  devices = {&acpi, &pit,  &rtc,    &keyboard, &port92, &reset_port, &uarts[0], &uarts[1],
             &post, &hpet, &fw_cfg, &pci_host, &piix3,  &piix4_pm,   &pci,      &shutdown_port,
             &coprocessor_error, &ide, &dma, &floppy, &speaker};
  fit_drives();
  fit_display();
  fit_sound();
  fit_pvpanic(control);
  fit_network();
  fit_virtio();
  for (auto& console : debug_consoles) devices.push_back(console.get());
  if (debug_exit) devices.push_back(debug_exit.get());
  devices.push_back(&pic);
  devices.push_back(&ioapic);
  for (auto& apic : lapics) devices.push_back(apic.get());

  wire_lines();
  map_ports();
  map_memory();
  describe_machine();
}

void PcBoard::Parts::wire_lines() {
  for (unsigned irq = 0; irq < isa.size(); ++irq) {
    if (irq == 2) continue;  // The cascade.
    isa[irq].add_output(pic.line(irq));
    isa[irq].add_output(ioapic.pin(irq == kIrqTimer ? kIoApicTimerPin : irq));
  }
  pit.connect_speaker(speaker);
  rtc_line.add_output(rtc_gate);
  rtc_line.add_output(rtc_event);

  pci.add(kSlotHost, 0, pci_host);
  pci.add(kSlotBridge, 0, piix3);
  pci.add(kSlotBridge, 1, ide);
  pci.add(kSlotBridge, 3, piix4_pm);
  if (vga) pci.add(kSlotVga, 0, *vga);
}

void PcBoard::Parts::fit_drives() {
  for (const BoardConfig::Drive& drive : config.drives) {
    const std::string place = std::to_string(drive.place);
    const unsigned channel = drive.place / 2;
    name_boot_drive(drive);
    switch (drive.kind) {
      case BoardConfig::Drive::Kind::HardDisk:
        DOPPEL_CHECK(drive.medium != nullptr, "a hard disk without its platters");
        ide.attach(channel, drive.place % 2,
                   std::make_unique<AtaDisk>("disk" + place, *drive.medium, drive.serial));
        break;
      case BoardConfig::Drive::Kind::Cdrom: {
        auto cdrom = std::make_unique<AtapiCdrom>("cdrom" + place);
        if (drive.medium) cdrom->insert(drive.medium.get());
        if (drive.place < cdroms.size()) cdroms[drive.place] = cdrom.get();
        ide.attach(channel, drive.place % 2, std::move(cdrom));
        break;
      }
      case BoardConfig::Drive::Kind::Floppy:
        if (!drive.medium) {
          floppy.fit(drive.place, FloppyDriveType::Kb1440);
        } else if (!floppy.insert(drive.place, drive.medium.get())) {
          log::warn("board", "floppy drive %u cannot take its disk", drive.place);
        }
        break;
      case BoardConfig::Drive::Kind::VirtioDisk:
        break;  // fit_virtio()
    }
  }
}

void PcBoard::Parts::fit_display() {
  if (!config.has_vga) return;
  auto made = mmu::DeviceMemory::create(memory, config.video_memory_bytes);
  DOPPEL_CHECK(made.ok(), "the machine's pool has no room for its display adapter");
  video_memory = made.take();
  vga = std::make_unique<Vga>(*video_memory, memory.mmio(), scheduler, config.vga_rom);
  devices.push_back(vga.get());
}

void PcBoard::Parts::map_ports() {
  auto fixed = [this](u16 first, u16 size, mmu::IoHandler& handler) {
    DOPPEL_CHECK(ports.add(first, size, handler), "two chips of the board share a port");
  };
  fixed(kPicMaster, 2, pic.master_ports());
  fixed(kPicSlave, 2, pic.slave_ports());
  fixed(kPicEdgeLevel, 2, pic.elcr_ports());
  fixed(kPit, 4, pit.ports());
  fixed(kPort61, 1, pit.port61());
  fixed(kKeyboardData, 1, keyboard.data_port());
  fixed(kKeyboardCommand, 1, keyboard.command_port());
  fixed(kRtc, RtcMc146818::kPorts, rtc.ports());
  fixed(kPost, 1, post);
  fixed(kPort92, 1, port92);
  fixed(kDmaBytes, Dma8237Pair::kBytePorts, dma.byte_ports());
  fixed(kDmaPages, Dma8237Pair::kPagePorts, dma.page_ports());
  fixed(kDmaWords, Dma8237Pair::kWordPorts, dma.word_ports());
  fixed(kFloppy, Floppy82077::kPorts, floppy.ports());
  fixed(kFloppyRate, 1, floppy.rate_port());
  for (unsigned channel = 0; channel < IdeController::kChannels; ++channel) {
    fixed(kIdeCommand[channel], 8, ide.command_ports(channel));
    fixed(kIdeControl[channel], 1, ide.control_port(channel));
  }
  if (vga) {
    fixed(VgaRegisters::kMonoPorts, VgaRegisters::kMonoPortCount, vga->adapter().mono_ports());
    fixed(VgaRegisters::kPorts, VgaRegisters::kPortCount, vga->adapter().ports());
    fixed(VgaAdapter::kVbePorts, VgaAdapter::kVbePortCount, vga->adapter().vbe_ports());
  }
  fixed(kCoprocessor, 2, coprocessor_error);
  fixed(kSmiCommand, 2, acpi.command_ports());
  fixed(kCom1, 8, uarts[0]);
  fixed(kCom2, 8, uarts[1]);
  fixed(kPciAddress, 4, pci.address_ports());
  fixed(kPciData, 4, pci.data_ports());
  fixed(kFwCfg, 2, fw_cfg.ports());
  fixed(kFwCfgDma, 8, fw_cfg.dma_ports());
  fixed(kAcpiPm, kAcpiPmSize, acpi);
  fixed(kOldAcpiControl, AcpiPm::kControlSize, acpi.control_ports());

  // These are where the person wants them.
  auto chosen = [this](u16 first, u16 size, mmu::IoHandler& handler, const Device& device) {
    if (ports.add(first, size, handler)) return;
    log::warn("board", "port 0x%x is taken: there is no %s", first,
              std::string(device.name()).c_str());
  };
  for (size_t i = 0; i < debug_consoles.size(); ++i) {
    chosen(config.debug_consoles[i].port, 1, *debug_consoles[i], *debug_consoles[i]);
  }
  if (debug_exit) {
    chosen(config.debug_exit->base, config.debug_exit->size, *debug_exit, *debug_exit);
  }
  chosen(kBochsShutdown, 1, shutdown_port, shutdown_port);
}

void PcBoard::Parts::map_memory() {
  mmu::IoMap& mmio = memory.mmio();
  DOPPEL_CHECK(mmio.add(kIoApic, IoApic::kWindowSize, ioapic), "the I/O APIC's address is taken");
  DOPPEL_CHECK(mmio.add(kHpet, Hpet::kWindowSize, hpet_window), "the HPET's address is taken");
  if (vga) {
    DOPPEL_CHECK(mmio.add(kVgaHole, VgaMemory::kWindowSize, vga->adapter().window()),
                 "the display adapter's window is taken");
  }
}

u64 PcBoard::Parts::low_ram() const { return std::min(config.ram_bytes, kPciHole); }

// --- INTR -------------------------------------------------------------------------------------

void PcBoard::Parts::drive_intr() {
  if (lapics.empty()) return;  // A chip moved a line while the board is being built.
  const bool level = lapic().wants_interrupt() || (lapic().accepts_pic() && pic.output());
  if (level == intr) return;
  intr = level;
  processor.set_intr(level);
}

void PcBoard::Parts::local_apic_output_changed(LocalApic&) { drive_intr(); }

void PcBoard::Parts::local_apic_moved(LocalApic& apic) {
  if (&apic != &lapic()) return;
  std::optional<u64> base;
  if (apic.is_mapped()) base = apic.base();
  if (base == apic_window_base) return;
  mmu::IoMap& mmio = memory.mmio();
  if (apic_window_base) mmio.remove(*apic_window_base);
  apic_window_base = base;
  if (!base || mmio.add(*base, LocalApic::kWindowSize, apic_window)) return;
  log::warn("board", "the local APIC cannot be at 0x%llx: something else is",
            static_cast<unsigned long long>(*base));
  apic_window_base.reset();
}

void PcBoard::set_ferr(bool level) { parts_->coprocessor_error.set_ferr(level); }

u8 PcBoard::acknowledge_interrupt() {
  LocalApic& apic = parts_->lapic();
  u8 vector = 0;
  if (apic.wants_interrupt()) {
    vector = apic.acknowledge();
  } else if (apic.accepts_pic()) {
    vector = parts_->pic.acknowledge();  // Line 7, if the request went away.
  } else {
    vector = apic.spurious_vector();
  }
  parts_->drive_intr();
  return vector;
}

// --- State ------------------------------------------------------------------------------------

void PcBoard::Parts::reset() {
  for (Device* device : devices) device->reset();
  tsc.reset();
  write_boot_order(has_booted || config.boot_once.empty() ? config.boot_order : config.boot_once);
  has_booted = true;
  drive_intr();
  // The processor has been reset too and may have forgotten the level of its pin.
  processor.set_intr(intr);
}

void PcBoard::Parts::serialize(Archive& archive) {
  archive.section("board", [&] { archive(isa, rtc_line, pit_line, rtc_gate, tsc, has_booted); });
  for (Device* device : devices) {
    archive.section(device->name(), [&] { device->serialize(archive); });
  }
  if (!archive.is_loading()) return;
  drive_intr();
  processor.set_intr(intr);
}

PcBoard::PcBoard(const BoardConfig& config, mmu::PhysicalMemory& memory, mmu::IoMap& ports,
                 Scheduler& scheduler, ProcessorLines& processor, MachineControl& control)
    : parts_(std::make_unique<Parts>(config, memory, ports, scheduler, processor, control)) {}

PcBoard::~PcBoard() = default;

void PcBoard::reset() { parts_->reset(); }
void PcBoard::show_rom_segments() { parts_->pci_host.show_segments(); }
void PcBoard::serialize(Archive& archive) { parts_->serialize(archive); }

// --- The processor's side ---------------------------------------------------------------------

bool PcBoard::read_msr(u32 index, u64& value) { return parts_->lapic().read_msr(index, value); }
bool PcBoard::write_msr(u32 index, u64 value) { return parts_->lapic().write_msr(index, value); }
u8 PcBoard::cr8() const { return parts_->lapic().cr8(); }
void PcBoard::set_cr8(u8 priority) { parts_->lapic().set_cr8(priority); }

u64 PcBoard::tsc() const { return parts_->tsc.value(); }
u64 PcBoard::tsc_adjust() const { return parts_->tsc.adjust(); }
void PcBoard::set_tsc(u64 value) {
  parts_->tsc.set_value(value);
  parts_->lapic().tsc_changed();
}
void PcBoard::set_tsc_adjust(u64 value) {
  parts_->tsc.set_adjust(value);
  parts_->lapic().tsc_changed();
}

// --- The person's side ------------------------------------------------------------------------

ByteReceiver& PcBoard::serial_input(unsigned port) {
  return parts_->uarts[port % parts_->uarts.size()].receiver();
}
ByteReceiver& PcBoard::keyboard_input() { return parts_->keyboard.keyboard_input(); }
DisplaySource* PcBoard::display() { return parts_->vga ? &parts_->vga->adapter() : nullptr; }
u64 PcBoard::disk_sectors_moved() const {
  u64 sum = parts_->ide.sectors_moved();
  for (const VirtioBlock* disk : parts_->virtio_disks) sum += disk->sectors_moved();
  return sum;
}
ByteReceiver& PcBoard::console_input() {
  if (parts_->virtio_consoles.empty()) return parts_->no_receiver;
  return parts_->virtio_consoles.front()->receiver();
}
ByteReceiver& PcBoard::mouse_input() { return parts_->keyboard.mouse_input(); }
void PcBoard::press_power_button() { parts_->acpi.press_power_button(); }

std::vector<u8> PcBoard::post_codes() const {
  std::vector<u8> codes;
  for (const PostCodePort::Entry& entry : parts_->post.history()) codes.push_back(entry.code);
  return codes;
}

}  // namespace doppel::devices
