// Drives: -hda ... -hdd, -cdrom, -fda, -fdb, -drive, the image without an option, -device ide-hd.

#include <algorithm>
#include <utility>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

using Bus = DriveOptions::Bus;

Error bad(std::string message) { return Error{std::move(message)}; }

constexpr unsigned kIdePlaces = 4;
constexpr unsigned kFloppyPlaces = 2;
constexpr unsigned kCdromPlace = 2;

unsigned places(Bus bus) {
  if (bus == Bus::Virtio) return devices::PcBoard::kMostCards;
  return bus == Bus::Floppy ? kFloppyPlaces : kIdePlaces;
}

std::string place_name(Bus bus, unsigned index) {
  if (bus == Bus::Virtio) return "virtio disk " + std::to_string(index);
  return (bus == Bus::Floppy ? "-fd" : "-hd") + std::string(1, static_cast<char>('a' + index));
}

Result<Bus, Error> bus_of(const std::string& name) {
  if (name == "ide") return Bus::Ide;
  if (name == "floppy") return Bus::Floppy;
  if (name == "virtio") return Bus::Virtio;
  if (name == "none") return Bus::None;
  return bad("if=" + name + " is not ide, floppy, virtio or none");
}

Result<DriveOptions, Error> parse_drive(std::string_view value) {
  PropertyList list(value, "file");
  DriveOptions drive;
  drive.path = list.take("file").value_or("");
  drive.id = list.take("id").value_or("");
  drive.serial = list.take("serial").value_or("");
  if (const auto bus = list.take("if")) {
    DOPPEL_TRY(drive.bus, bus_of(*bus));
  }
  if (const auto format = list.take("format")) {
    if (*format == "raw") drive.format = devices::DiskImageOptions::Format::Raw;
    else if (*format == "qcow2") drive.format = devices::DiskImageOptions::Format::Qcow2;
    else return bad("format=" + *format + " is not raw or qcow2");
  }
  if (const auto media = list.take("media")) {
    if (*media != "disk" && *media != "cdrom") return bad("media=" + *media + " is not disk or cdrom");
    drive.is_cdrom = *media == "cdrom";
  }
  DOPPEL_TRY(take_number(list, "index", drive.index));
  std::optional<unsigned> bus_number, unit;
  DOPPEL_TRY(take_number(list, "bus", bus_number));
  DOPPEL_TRY(take_number(list, "unit", unit));
  if (bus_number || unit) drive.index = bus_number.value_or(0) * 2 + unit.value_or(0);
  DOPPEL_TRY(take_flag(list, "snapshot", drive.snapshot));
  DOPPEL_TRY(take_flag(list, "readonly", drive.read_only));
  DOPPEL_TRY(take_flag(list, "read-only", drive.read_only));
  DOPPEL_TRY(take_host_modes(list, drive));
  if (const auto key = list.leftover()) return bad("has no property '" + *key + "'");
  if (drive.bus == Bus::Virtio && drive.is_cdrom) return bad("if=virtio: there are hard disks only");
  if (drive.path.empty() && !drive.is_cdrom && drive.bus != Bus::Floppy)
    return bad("needs file=NAME");
  return drive;
}

/// Puts drives without a place into the first free one, and refuses two in one place.
OptionResult place_drives(std::vector<DriveOptions>& drives) {
  for (const Bus bus : {Bus::Ide, Bus::Floppy, Bus::Virtio}) {
    std::vector<const DriveOptions*> taken(places(bus));
    for (const bool has_place : {true, false}) {
      for (DriveOptions& drive : drives) {
        if (drive.bus != bus || drive.index.has_value() != has_place) continue;
        if (!drive.index) {
          const auto free = std::find(taken.begin(), taken.end(), nullptr);
          drive.index = static_cast<unsigned>(free - taken.begin());
        }
        if (*drive.index >= taken.size())
          return bad("'" + drive.path + "': there is no place for drive " + std::to_string(*drive.index));
        if (taken[*drive.index] != nullptr)
          return bad("'" + drive.path + "': the place of " + place_name(bus, *drive.index) + " is taken by '" +
                     taken[*drive.index]->path + "'");
        taken[*drive.index] = &drive;
      }
    }
  }
  return {};
}

bool has_drive(const Options& options, Bus bus, unsigned index) {
  return std::any_of(options.drives.begin(), options.drives.end(), [&](const DriveOptions& drive) {
    return drive.bus == bus && drive.index == index;
  });
}

}  // namespace

OptionResult take_number(PropertyList& list, std::string_view key, std::optional<unsigned>& out) {
  const auto text = list.take(key);
  if (!text) return {};
  const auto number = parse_number(*text);
  if (!number || *number > 255) return bad(std::string(key) + "=" + *text + " is not a number");
  out = static_cast<unsigned>(*number);
  return {};
}

OptionResult apply_image(OptionBuilder& builder, DriveOptions::Bus bus, unsigned index, bool is_cdrom,
                         std::string_view path) {
  if (path.empty()) return bad("needs a file name");
  DriveOptions drive;
  drive.path = path;
  drive.bus = bus;
  drive.index = index;
  drive.is_cdrom = is_cdrom;
  builder.options.drives.push_back(std::move(drive));
  return {};
}

OptionResult apply_drive(OptionBuilder& builder, std::string_view value) {
  DOPPEL_TRY(DriveOptions drive, parse_drive(value));
  builder.options.drives.push_back(std::move(drive));
  return {};
}

OptionResult attach_drive_device(OptionBuilder& builder, PropertyList& list, Bus bus, bool is_cdrom) {
  builder.drive_devices.push_back({list.take("drive").value_or(""), bus, is_cdrom, {}, list.take("serial").value_or(""), {}});
  OptionBuilder::DriveDevice& device = builder.drive_devices.back();
  std::optional<unsigned> unit;
  DOPPEL_TRY(take_number(list, "unit", unit));
  if (const auto name = list.take("bus")) {
    if (*name != "ide.0" && *name != "ide.1") return bad("bus=" + *name + " is not ide.0 or ide.1");
    device.index = (*name == "ide.1" ? 2 : 0) + unit.value_or(0);
  } else if (unit) {
    device.index = unit;
  }
  DOPPEL_TRY(take_number(list, "bootindex", device.boot_index));
  for (const std::string_view key : {"id", "drive-type"}) (void)list.take(key);
  return {};
}

OptionResult apply_boot(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "order");
  Options& options = builder.options;
  const auto check = [](const std::string& order) -> OptionResult {
    for (const char letter : order) {
      if (letter < 'a' || letter > 'p') return bad("'" + order + "' is not an order as cad");
    }
    return {};
  };
  if (const auto order = list.take("order")) {
    DOPPEL_TRY(check(*order));
    options.boot_order = *order;
  }
  if (const auto once = list.take("once")) {
    DOPPEL_TRY(check(*once));
    options.boot_once = *once;
  }
  DOPPEL_TRY(take_flag(list, "menu", options.boot_menu));
  for (const std::string_view key : {"strict", "splash", "splash-time", "reboot-timeout"}) (void)list.take(key);
  if (const auto key = list.leftover()) return bad("has no property '" + *key + "'");
  return {};
}

OptionResult finish_drives(OptionBuilder& builder) {
  Options& options = builder.options;
  for (const OptionBuilder::DriveDevice& device : builder.drive_devices) {
    const auto drive = std::find_if(options.drives.begin(), options.drives.end(), [&](const DriveOptions& candidate) {
      return candidate.bus == Bus::None && candidate.id == device.drive && !device.drive.empty();
    });
    if (drive == options.drives.end())
      return bad("-device: there is no -drive if=none with id '" + device.drive + "'");
    drive->bus = device.bus;
    drive->is_cdrom = device.is_cdrom;
    drive->index = device.index;
    drive->boot_index = device.boot_index;
    if (!device.serial.empty()) drive->serial = device.serial;
  }
  for (DriveOptions& drive : options.drives) {
    drive.snapshot = drive.snapshot || builder.snapshot;
    drive.read_only = drive.read_only || drive.is_cdrom;
  }
  auto placed = place_drives(options.drives);
  if (!placed.ok()) return bad("-drive: " + placed.error().message);
  if (builder.no_defaults) return {};
  const auto add_empty = [&](Bus bus, unsigned index, bool is_cdrom) {
    if (has_drive(options, bus, index)) return;
    DriveOptions drive;
    drive.bus = bus;
    drive.index = index;
    drive.is_cdrom = is_cdrom;
    options.drives.push_back(std::move(drive));
  };
  add_empty(Bus::Ide, kCdromPlace, true);
  add_empty(Bus::Floppy, 0, false);
  return {};
}

}  // namespace doppel::frontend
