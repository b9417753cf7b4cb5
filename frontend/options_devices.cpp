#include <utility>

#include "frontend/file.h"
#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

Error bad(std::string message) { return Error{std::move(message)}; }

Result<u16, Error> port_property(const std::string& value, std::string_view key) {
  const auto number = parse_number(value);
  if (!number || *number > 0xffff) return bad(std::string(key) + "=" + value + " is not a port");
  return static_cast<u16>(*number);
}

OptionResult debug_exit_device(OptionBuilder& builder, PropertyList& list) {
  devices::BoardConfig::DebugExit debug_exit;
  if (const auto base = list.take("iobase")) {
    DOPPEL_TRY(debug_exit.base, port_property(*base, "iobase"));
  }
  if (const auto size = list.take("iosize")) {
    const auto number = parse_number(*size);
    if (!number || (*number != 1 && *number != 2 && *number != 4 && *number != 8)) {
      return bad("iosize=" + *size + " is not 1, 2, 4 or 8");
    }
    debug_exit.size = static_cast<u16>(*number);
  }
  DOPPEL_TRY(refuse_leftover(list, "isa-debug-exit"));
  builder.options.debug_exit = debug_exit;
  return {};
}

OptionResult loader_device(OptionBuilder& builder, PropertyList& list) {
  Options::LoadedFile file;
  const auto path = list.take("file");
  if (!path || path->empty()) return bad("loader needs file=NAME");
  file.path = *path;
  if (const auto address = list.take("addr")) {
    file.address = parse_number(*address);
    if (!file.address) return bad("addr=" + *address + " is not an address");
  }
  if (const auto processor = list.take("cpu-num")) {
    if (parse_number(*processor) != 0)
      return bad("cpu-num=" + *processor + ": there is processor 0 only");
    file.starts = true;
  }
  if (const auto raw = list.take("force-raw"); raw && !parse_switch(*raw)) {
    return bad("force-raw=" + *raw + " is not on or off");
  }
  DOPPEL_TRY(refuse_leftover(list, "loader"));
  builder.options.loaded_files.push_back(std::move(file));
  return {};
}

OptionResult debug_console_device(OptionBuilder& builder, const std::string& properties) {
  PropertyList list(properties, "driver");
  (void)list.take("driver");
  Options::DebugConsole console;
  if (builder.debug_console_port) console.port = *builder.debug_console_port;
  if (const auto base = list.take("iobase")) {
    DOPPEL_TRY(console.port, port_property(*base, "iobase"));
  }
  if (const auto readback = list.take("readback")) {
    const auto number = parse_number(*readback);
    if (!number || *number > 0xff) return bad("readback=" + *readback + " is not a byte");
    console.readback = static_cast<u8>(*number);
  }
  if (const auto id = list.take("chardev")) {
    DOPPEL_TRY(console.target, character_target(builder, "chardev:" + *id));
  }
  if (const auto path = list.take("file")) {
    console.target.kind = CharacterTarget::Kind::File;
    console.target.path = *path;
  }
  DOPPEL_TRY(refuse_leftover(list, "isa-debugcon"));
  builder.options.debug_consoles.push_back(std::move(console));
  return {};
}

}  // namespace

OptionResult refuse_leftover(const PropertyList& list, std::string_view what) {
  if (const auto key = list.leftover())
    return bad(std::string(what) + " has no property '" + *key + "'");
  return {};
}

OptionResult apply_debugcon(OptionBuilder& builder, std::string_view value) {
  builder.debug_consoles.emplace_back(value);
  return {};
}

OptionResult apply_device(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "driver");
  const std::string driver = list.take("driver").value_or("");
  if (driver == "isa-debug-exit") return debug_exit_device(builder, list);
  if (driver == "loader") return loader_device(builder, list);
  if (driver == "pvpanic") {
    builder.options.has_pvpanic = true;
    return refuse_leftover(list, driver);
  }
  if (driver == "isa-debugcon") {
    builder.debug_console_devices.emplace_back(value);
    return {};
  }
  if (driver == "ide-hd" || driver == "ide-cd" || driver == "floppy") {
    const auto bus = driver == "floppy" ? DriveOptions::Bus::Floppy : DriveOptions::Bus::Ide;
    DOPPEL_TRY(attach_drive_device(builder, list, bus, driver == "ide-cd"));
    return refuse_leftover(list, driver);
  }
  if (is_sound_card(driver)) return attach_sound_card(builder, list, driver);
  if (is_virtio_device(driver)) {
    DOPPEL_TRY(apply_virtio_device(builder, driver, list));
    return refuse_leftover(list, driver);
  }
  if (is_nic_model(driver)) {
    DOPPEL_TRY(add_nic_device(builder, list, driver));
    return refuse_leftover(list, driver);
  }
  return bad("there is no device '" + driver +
             "' (e1000, virtio-net-pci, ide-hd, ide-cd, floppy, virtio-blk-pci, virtio-serial-pci, virtconsole, "
             "virtio-rng-pci, AC97, sb16, pvpanic, isa-debug-exit, isa-debugcon, loader)");
}

OptionResult apply_global(OptionBuilder& builder, std::string_view value) {
  constexpr std::string_view kPort = "isa-debugcon.iobase=";
  if (!value.starts_with(kPort)) return bad("only isa-debugcon.iobase=PORT is known");
  DOPPEL_TRY(builder.debug_console_port,
             port_property(std::string(value.substr(kPort.size())), "iobase"));
  return {};
}

OptionResult apply_fw_cfg(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "name");
  devices::BoardConfig::FwCfgItem item;
  item.name = list.take("name").value_or("");
  if (item.name.empty() || item.name.size() > 55)
    return bad("needs name=opt/..., at most 55 characters");
  const auto path = list.take("file");
  const auto text = list.take("string");
  DOPPEL_TRY(refuse_leftover(list, "fw_cfg"));
  if (path.has_value() == text.has_value()) return bad("needs either file=NAME or string=TEXT");
  if (text) {
    item.bytes.assign(text->begin(), text->end());
  } else {
    DOPPEL_TRY(item.bytes, read_file(*path));
  }
  builder.options.fw_cfg_items.push_back(std::move(item));
  return {};
}

OptionResult apply_display(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "type");
  const std::string type = list.take("type").value_or("");
  if (type == "none") {
    builder.display_none = true;
    builder.options.display = Options::Display::None;
    return refuse_leftover(list, "none");
  }
  builder.display_none = false;
  if (type == "curses") {
    builder.options.display = Options::Display::Curses;
    (void)list.take("charset");  // The terminal's own says it.
    return refuse_leftover(list, "curses");
  }
  if (type != "sdl") return bad("'" + type + "' is not sdl, curses or none");
  builder.options.display = Options::Display::Sdl;
  if (const auto keys = list.take("grab-mod")) {
    if (*keys == "lctrl-lalt")
      builder.options.front_keys = FrontKeys::CtrlAlt;
    else if (*keys == "lshift-lctrl-lalt")
      builder.options.front_keys = FrontKeys::ShiftCtrlAlt;
    else if (*keys == "rctrl")
      builder.options.front_keys = FrontKeys::RightCtrl;
    else
      return bad("grab-mod=" + *keys + " is not lctrl-lalt, lshift-lctrl-lalt or rctrl");
  }
  // The host's graphics card draws the window in any case, and nothing else.
  if (const auto gl = list.take("gl"); gl && !parse_switch(*gl))
    return bad("gl=" + *gl + " is not on or off");
  return refuse_leftover(list, "sdl");
}

OptionResult apply_vga(OptionBuilder& builder, std::string_view value) {
  if (value != "std" && value != "none")
    return bad("'" + std::string(value) + "' is not std or none");
  builder.vga = value == "std" ? Options::Vga::Std : Options::Vga::None;
  return {};
}

OptionResult finish_devices(OptionBuilder& builder) {
  Options& options = builder.options;
  if (builder.nographic) options.display = Options::Display::None;
  options.firmware_on_serial = builder.nographic;
  // A card that no firmware has started shows nothing.
  const bool has_card = !builder.no_defaults && options.kernel.empty();
  options.vga = builder.vga.value_or(has_card ? Options::Vga::Std : Options::Vga::None);
  DOPPEL_TRY(finish_characters(builder));
  for (const std::string& text : builder.debug_consoles) {
    auto target = character_target(builder, text);
    if (!target.ok()) return bad("-debugcon: " + target.error().message);
    Options::DebugConsole console;
    if (builder.debug_console_port) console.port = *builder.debug_console_port;
    console.target = target.take();
    options.debug_consoles.push_back(std::move(console));
  }
  for (const std::string& properties : builder.debug_console_devices) {
    auto done = debug_console_device(builder, properties);
    if (!done.ok()) return bad("-device: " + done.error().message);
  }
  return {};
}

}  // namespace doppel::frontend
