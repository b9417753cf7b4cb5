#pragma once

// The rows behind `parse_options`: every option is a name, the shape of its argument, a line of
// help and a function. Private to the options*.cpp files.

#include <span>

#include "frontend/option_values.h"
#include "frontend/options.h"

namespace doppel::frontend {

/// What is collected while reading the command line; `finish` turns it into Options.
struct OptionBuilder {
  Options options;
  std::vector<std::string> serial;  ///< As written: chardevs may be defined later.
  std::vector<std::string> debug_consoles;
  std::vector<std::string> debug_console_devices;  ///< Properties of -device isa-debugcon.
  std::map<std::string, CharacterTarget> chardevs;
  struct DriveDevice {
    std::string drive;  ///< The id of a -drive if=none.
    DriveOptions::Bus bus;
    bool is_cdrom;
    std::optional<unsigned> index;
    std::string serial;
    std::optional<unsigned> boot_index;
  };
  std::vector<DriveDevice> drive_devices;  ///< -device ide-hd and its like.
  std::vector<std::string> virtio_consoles;  ///< Names of chardevs; empty: to nowhere.
  unsigned virtio_serials = 0;               ///< -device virtio-serial-pci
  std::vector<UserNetworkOptions> netdevs;  ///< -netdev, to be taken by a card.
  struct Nic {
    NicOptions options;
    std::string netdev;  ///< The id of a -netdev; empty: it has its network, or none.
  };
  std::vector<Nic> nics;
  std::optional<NicOptions> net_nic;           ///< -net nic,
  std::optional<UserNetworkOptions> net_user;  ///< and the -net user that it hangs on.
  bool no_network = false;                     ///< -nic none
  bool snapshot = false;
  std::optional<u16> debug_console_port;  ///< -global isa-debugcon.iobase
  std::optional<Options::Vga> vga;
  bool nographic = false;
  bool display_none = false;
  bool no_defaults = false;
  struct WantedMonitor {
    std::string option;
    std::string target;  ///< As written.
    bool for_programs = false;
    bool pretty = false;
  };
  std::vector<WantedMonitor> monitors;
  bool monitor_given = false;  ///< The terminal does not get one by itself.
  bool machine_noted = false;
};

using OptionResult = Result<void, Error>;

struct OptionRow {
  std::string_view name;      ///< Without dashes.
  std::string_view argument;  ///< How help shows it; empty: the option takes none.
  std::string_view help;
  OptionResult (*apply)(OptionBuilder& builder, std::string_view value);
};

std::span<const OptionRow> option_rows();

/// @errors a property that nobody took: "WHAT has no property 'KEY'".
OptionResult refuse_leftover(const PropertyList& list, std::string_view what);

// options_characters.cpp: ports and monitors, and where their bytes go.
OptionResult apply_serial(OptionBuilder& builder, std::string_view value);
OptionResult apply_parallel(OptionBuilder& builder, std::string_view value);
OptionResult apply_chardev(OptionBuilder& builder, std::string_view value);
OptionResult apply_monitor(OptionBuilder& builder, std::string_view value);
OptionResult apply_qmp(OptionBuilder& builder, std::string_view value);
OptionResult apply_pretty_qmp(OptionBuilder& builder, std::string_view value);
OptionResult apply_mon(OptionBuilder& builder, std::string_view value);
/// What a target as written means.
Result<CharacterTarget, Error> character_target(const OptionBuilder& builder, std::string_view text);
/// After the display is known.
OptionResult finish_characters(OptionBuilder& builder);

// options_run.cpp: names, and what a run does at its ends.
OptionResult apply_name(OptionBuilder& builder, std::string_view value);
OptionResult apply_uuid(OptionBuilder& builder, std::string_view value);
OptionResult apply_action(OptionBuilder& builder, std::string_view value);

// options_devices.cpp: what speaks of chips and files.
OptionResult apply_debugcon(OptionBuilder& builder, std::string_view value);
OptionResult apply_device(OptionBuilder& builder, std::string_view value);
OptionResult apply_global(OptionBuilder& builder, std::string_view value);
OptionResult apply_fw_cfg(OptionBuilder& builder, std::string_view value);
OptionResult apply_display(OptionBuilder& builder, std::string_view value);
OptionResult apply_vga(OptionBuilder& builder, std::string_view value);
/// What a -serial, -debugcon or "chardev:ID" means.
Result<CharacterTarget, Error> character_target(const OptionBuilder& builder, std::string_view text);
/// Connects what was named to what it is.
OptionResult finish_devices(OptionBuilder& builder);

// options_audio.cpp
OptionResult apply_audiodev(OptionBuilder& builder, std::string_view value);
OptionResult apply_audio(OptionBuilder& builder, std::string_view value);
bool is_sound_card(std::string_view driver);
/// -device of a sound card.
OptionResult attach_sound_card(OptionBuilder& builder, PropertyList& list, std::string_view driver);
OptionResult finish_audio(OptionBuilder& builder);

// options_drives.cpp
/// A file in a place that the option names.
OptionResult apply_image(OptionBuilder& builder, DriveOptions::Bus bus, unsigned index, bool is_cdrom,
                         std::string_view path);
/// options_drive_modes.cpp: how the host keeps a -drive: cache, discard and what else is said of files.
OptionResult take_host_modes(PropertyList& list, DriveOptions& drive);
/// KEY=on or off, if it is there.
OptionResult take_flag(PropertyList& list, std::string_view key, bool& out);
OptionResult apply_drive(OptionBuilder& builder, std::string_view value);
/// -device ide-hd and its like: takes what it knows of the list.
OptionResult attach_drive_device(OptionBuilder& builder, PropertyList& list, DriveOptions::Bus bus,
                                 bool is_cdrom);
OptionResult take_number(PropertyList& list, std::string_view key, std::optional<unsigned>& out);
OptionResult apply_boot(OptionBuilder& builder, std::string_view value);
OptionResult finish_drives(OptionBuilder& builder);

// options_network.cpp
OptionResult apply_netdev(OptionBuilder& builder, std::string_view value);
OptionResult apply_nic(OptionBuilder& builder, std::string_view value);
OptionResult apply_net(OptionBuilder& builder, std::string_view value);
/// The driver is a network card, so -device means one.
bool is_nic_model(std::string_view driver);
/// -device e1000 and its like: takes what it knows of the list.
OptionResult add_nic_device(OptionBuilder& builder, PropertyList& list, const std::string& model);
OptionResult finish_network(OptionBuilder& builder);

// options_virtio.cpp
bool is_virtio_device(std::string_view driver);
/// -device virtio-blk-pci and its like: takes what it knows of the list.
OptionResult apply_virtio_device(OptionBuilder& builder, std::string_view driver, PropertyList& list);
/// A virtconsole is on the terminal.
bool console_has_terminal(const OptionBuilder& builder);
OptionResult finish_virtio(OptionBuilder& builder);

}  // namespace doppel::frontend
