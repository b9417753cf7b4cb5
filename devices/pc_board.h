#pragma once

// The board: every chip, its address and its wires.
//
// The board owns the chips and connects their interrupt lines to both controllers (8259 pair and
// I/O APIC). The processor is outside: the board drives its pins through ProcessorLines and answers
// its acknowledge cycle.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "devices/audio.h"
#include "devices/block_backend.h"
#include "devices/device.h"
#include "devices/display.h"
#include "devices/endpoints.h"
#include "devices/irq.h"
#include "devices/network.h"
#include "devices/scheduler.h"
#include "mmu/io_map.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

struct BoardView;

struct BoardConfig {
  u64 ram_bytes = 0;
  unsigned cpus = 1;
  /// The RTC's start, seconds since 1970 (UTC).
  i64 rtc_start = 0;
  /// Frequency of the TSC (and of the local APIC timer's bus, divided by nothing), for CPUID-less calibration paths.
  u64 tsc_hz = 1'000'000'000;
  /// COM1, COM2; null: the port is there, its bytes go nowhere.
  std::array<ByteSink*, 2> serial{};
  struct DebugConsole {
    u16 port = 0xe9;
    ByteSink* sink = nullptr;
    u8 readback = 0xe9;
  };
  std::vector<DebugConsole> debug_consoles;
  struct DebugExit {
    u16 base = 0x501;
    u16 size = 2;
  };
  std::optional<DebugExit> debug_exit;
  /// The port by which a guest says that it crashed.
  bool has_pvpanic = false;
  /// A drive and its medium; null: nothing in it.
  struct Drive {
    enum class Kind : u8 { HardDisk, Cdrom, Floppy, VirtioDisk };
    Kind kind = Kind::HardDisk;
    unsigned place = 0;  ///< IDE: channel * 2 + unit; floppy: A is 0; virtio: a number of its own.
    std::shared_ptr<BlockBackend> medium;
    std::string serial;
    std::string name;   ///< As a person calls it: "ide1-cd0".
    std::string file;   ///< What the medium is kept in.
    std::string cache;  ///< How.
    std::optional<unsigned> boot_index = {};  ///< Firmware tries the lowest first.
  };
  std::vector<Drive> drives;
  /// A network card in a PCI slot, in this order.
  struct Nic {
    std::string model;  ///< "e1000", "virtio-net-pci": a name of -device.
    MacAddress mac{};
    NetworkLink* link = nullptr;  ///< Null: no cable. Must outlive the board.
    std::vector<u8> rom;          ///< The expansion ROM; empty: none.
  };
  static constexpr size_t kMostNics = 4;
  std::vector<Nic> nics;  ///< At most kMostNics.
  /// Who hears the loudspeaker; null: nobody.
  AudioSink* speaker = nullptr;
  struct SoundCard {
    std::string model;          ///< "AC97", "sb16": a name of -device.
    AudioSink* sink = nullptr;  ///< Null: nobody hears it. Must outlive the board.
  };
  std::vector<SoundCard> sound_cards;
  /// Consoles on virtio queues, hvc0 first; a null sink: its bytes go nowhere.
  std::vector<ByteSink*> virtio_consoles;
  unsigned virtio_rngs = 0;
  /// What random bytes for the guest are made of.
  u64 seed = 0;
  /// What firmware tries to boot from: letters a (floppy), c (hard disk), d (CD-ROM), n (network).
  std::string boot_order = "cad";
  std::string boot_once;  ///< Until the first reset.
  bool boot_menu = false;
  /// Firmware writes to COM1 as well.
  bool firmware_on_serial = false;
  /// A display adapter with this ROM.
  bool has_vga = false;
  std::vector<u8> vga_rom;
  u64 video_memory_bytes = u64{16} << 20;  ///< Of the machine's memory pool; a power of two, from 2 MiB.
  /// User items of fw_cfg ("opt/...").
  struct FwCfgItem {
    std::string name;
    std::vector<u8> bytes;
  };
  std::vector<FwCfgItem> fw_cfg_items;
  /// Items of fw_cfg with a number. @see FwCfg::Key
  struct FwCfgNumbered {
    u16 key = 0;
    std::vector<u8> bytes;
  };
  std::vector<FwCfgNumbered> fw_cfg_numbered;
};

class PcBoard {
 public:
  /// Virtio disks, consoles and random numbers: there are not more slots.
  static constexpr unsigned kMostCards = 24;

  /// References must outlive the board.
  PcBoard(const BoardConfig& config, mmu::PhysicalMemory& memory, mmu::IoMap& ports,
          Scheduler& scheduler, ProcessorLines& processor, MachineControl& control);
  ~PcBoard();
  PcBoard(const PcBoard&) = delete;
  PcBoard& operator=(const PcBoard&) = delete;

  /// All chips, as the RESET line does.
  void reset();
  /// After reset(), for machines started without firmware: chips as a BIOS leaves them to a boot
  /// loader. 8259 at vectors 08h and 70h with timer and keyboard open, local APIC as a virtual wire,
  /// PCI interrupts on 10 and 11, ACPI on.
  void firmware_state();
  /// INTA: the vector of the interrupt that INTR announced (spurious ones included).
  u8 acknowledge_interrupt();

  /// The processor's accesses to MSRs that belong to the local APIC: APIC_BASE, TSC_DEADLINE, x2APIC.
  /// False: no such register, or a value it refuses (#GP).
  bool read_msr(u32 index, u64& value);
  bool write_msr(u32 index, u64 value);
  /// FERR#: an x87 error while CR0.NE is clear; reported as IRQ 13.
  void set_ferr(bool level);
  /// CR8 is the upper half of the task priority register.
  u8 cr8() const;
  void set_cr8(u8 priority);
  /// The TSC as the guest's WRMSR last adjusted it; TSC deadline compares against it.
  u64 tsc() const;
  void set_tsc(u64 value);
  u64 tsc_adjust() const;
  void set_tsc_adjust(u64 value);

  /// COM1 = 0, COM2 = 1.
  ByteReceiver& serial_input(unsigned port);
  /// What is typed at the first virtio console; without one there is never room.
  ByteReceiver& console_input();
  /// Key strokes as raw scan set 2 bytes.
  ByteReceiver& keyboard_input();
  /// What the display adapter shows; null: there is none.
  DisplaySource* display();
  /// Grows with every sector that a disk moves.
  u64 disk_sectors_moved() const;
  /// What BoardConfig::nics names at this place; null: nothing.
  NetworkCard* network_card(size_t index);
  /// Mouse events of Keyboard8042::kMouseEventBytes each.
  ByteReceiver& mouse_input();
  /// The drives, in the order of the configuration, with what is in them now.
  const std::vector<BoardConfig::Drive>& drives() const;
  /// The door of a removable drive.
  struct Door {
    bool is_removable = false;
    bool is_open = false;
    bool is_locked = false;  ///< By the guest.
  };
  Door door(size_t drive) const;
  /// A person puts a medium in, or (null) takes it out, whatever the guest thinks of it. False: the
  /// drive does not take it, and nothing changed.
  bool change_medium(size_t drive, std::shared_ptr<BlockBackend> medium, std::string file);
  /// A person presses the button of a locked drive: the guest may give the disc out.
  void press_eject_button(size_t drive);
  /// The button at the front: an ACPI event, which the guest may ignore.
  void press_power_button();

  /// The tables with their final addresses, for direct boot: writes them into RAM below 1 MiB and returns the RSDP's address.
  u64 install_acpi_tables();
  /// POST codes written to port 80h, oldest first (the last 256).
  std::vector<u8> post_codes() const;

  void serialize(Archive& archive);
  /// Makes memory between C0000h and FFFFFh what the host bridge says.
  void show_rom_segments();

  /// What a monitor tells of the chips (devices/board_view.h).
  BoardView view() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace doppel::devices
