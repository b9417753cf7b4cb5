#pragma once

// What the command line asks for, under QEMU's names.
//
// One or two dashes are the same. Options that only doppel has are full words. Whatever is not
// understood is refused with one line that names the option and the reason: a machine that differs
// from what was asked for is worse than none.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "devices/disk_image.h"
#include "devices/pc_board.h"
#include "frontend/audio/audio_devices.h"
#include "frontend/character/target.h"
#include "frontend/engine_choice.h"
#include "frontend/host_front.h"
#include "frontend/machine.h"
#include "frontend/network/network_options.h"
#include "frontend/run_loop.h"

namespace doppel::frontend {

/// A drive and what is in it.
struct DriveOptions {
  enum class Bus : u8 { Ide, Floppy, Virtio, None };
  Bus bus = Bus::Ide;
  std::optional<unsigned> index;  ///< IDE: channel * 2 + unit; floppy: A is 0; virtio: any.
  bool is_cdrom = false;
  std::string path;  ///< Empty: no medium.
  devices::DiskImageOptions::Format format = devices::DiskImageOptions::Format::Detect;
  bool snapshot = false;  ///< Writes go nowhere in the end.
  bool read_only = false;
  devices::DiskCache cache = {};
  bool unmap = false;  ///< What the guest discards is given back to the host.
  std::string id;
  std::string serial;
  std::optional<unsigned> boot_index;
};

struct Options {
  enum class Action : u8 { Run, Help, Version, CpuHelp, MachineHelp, LogHelp };
  Action action = Action::Run;

  u64 ram_bytes = u64{128} << 20;
  std::string cpu = "max";
  std::string name;
  std::string uuid;  ///< In the usual form of 36 characters; empty: none.

  // What is booted.
  std::string kernel;
  std::vector<std::string> initrd;  ///< As written; for multiboot "file arguments".
  std::string append;
  std::string firmware;
  std::vector<std::string> firmware_directories;
  struct LoadedFile {
    std::string path;
    std::optional<u64> address;
    bool starts = false;  ///< cpu-num was given: the processor starts there.
  };
  std::vector<LoadedFile> loaded_files;
  enum class LinuxEntry : u8 { Auto, Bits16, Bits32, Bits64 };
  LinuxEntry linux_entry = LinuxEntry::Auto;
  std::vector<DriveOptions> drives;
  std::string boot_order = "cad";  ///< Letters as in -boot: a floppy, c hard disk, d CD-ROM, n network.
  std::string boot_once;
  bool boot_menu = false;
  bool firmware_on_serial = false;  ///< Firmware writes to COM1 as well.

  std::vector<NicOptions> nics;

  // Ports to the outside.
  std::vector<CharacterTarget> serial;  ///< COM1, COM2.
  struct DebugConsole {
    u16 port = 0xe9;
    u8 readback = 0xe9;
    CharacterTarget target;
  };
  std::vector<DebugConsole> debug_consoles;
  std::optional<devices::BoardConfig::DebugExit> debug_exit;
  bool has_pvpanic = false;
  std::vector<CharacterTarget> virtio_consoles;  ///< hvc0 and up.
  unsigned virtio_rngs = 0;
  std::vector<devices::BoardConfig::FwCfgItem> fw_cfg_items;

  // Who may look at the machine and steer it.
  struct Monitor {
    CharacterTarget target;
    bool for_programs = false;  ///< QMP; else a prompt.
    bool pretty = false;        ///< QMP with line breaks.
  };
  std::vector<Monitor> monitors;
  std::string pid_file;
  bool daemonize = false;

  // What a person sees.
  enum class Display : u8 { Auto, Sdl, Curses, None };
  Display display = Display::Auto;  ///< Auto: a window, where the host has a screen.
  bool full_screen = false;
  FrontKeys front_keys = FrontKeys::CtrlAlt;
  enum class Vga : u8 { None, Std };
  Vga vga = Vga::Std;

  AudioOptions audio;

  // How it runs.
  bool no_reboot = false;
  bool no_shutdown = false;
  PanicAction on_panic = PanicAction::ExitFailure;
  bool start_paused = false;
  unsigned icount_shift = 0;
  enum class Pace : u8 { Auto, Jump, RealTime };
  Pace pace = Pace::Auto;
  i64 rtc_start = 1'704'067'200;  ///< 2024-01-01: the same day for everybody.
  u64 seed = 0;
  std::optional<u64> timeout_virtual_ns;
  std::optional<u64> timeout_host_ns;
  bool qemu_exit_style = false;

  // What runs it.
  EngineKind engine = kDefaultEngine;
  jit::TranslatorOptions jit;
  mmu::PagingScheme paging = kDefaultPaging;
  MachineConfig::LockstepIntervals lockstep;

  // What is written down.
  std::vector<std::string> log_items;
  std::string log_file;
  std::string log_filter;
  std::string report_file;
  std::string script_file;
  std::string record_file;
  std::string replay_file;
  std::string state_save_file;
  u64 state_save_at_ns = 0;
  std::string state_load_file;
  std::string state_folder;   ///< Where savevm puts machines; empty: beside the first disk.
  std::string load_snapshot;  ///< -loadvm

  /// Things worth telling once ("-accel tcg: ...").
  std::vector<std::string> notes;
};

/// @errors one line: the option and what is wrong with it.
Result<Options, Error> parse_options(const std::vector<std::string>& arguments);
/// QEMU's name for a set of switches, or the switches.
std::string cache_mode_name(const devices::DiskCache& cache);
/// All options with their meanings, as `-help` prints them.
std::string help_text();

}  // namespace doppel::frontend
