// Options that say where bytes go and come from: ports of the machine, monitors, -chardev.

#include <algorithm>
#include <utility>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

using Kind = CharacterTarget::Kind;

Error bad(std::string message) { return Error{std::move(message)}; }

OptionResult want_monitor(OptionBuilder& builder, const char* option, std::string_view target,
                          bool for_programs, bool pretty = false) {
  if (target == "none") return {};
  builder.monitors.push_back({option, std::string(target), for_programs, pretty});
  return {};
}

bool is_on_terminal(const Options::Monitor& monitor) {
  return monitor.target.kind == Kind::Stdio;
}

/// What COM1 is where nobody said.
std::string default_serial(const OptionBuilder& builder) {
  const Options& options = builder.options;
  if (options.display == Options::Display::Curses) return "vc";
  if (options.daemonize) return "null";
  if (std::any_of(options.monitors.begin(), options.monitors.end(), is_on_terminal)) return "null";
  return builder.monitor_given ? "stdio" : "mon:stdio";
}

/// Who shares a port with the monitor gets one, unless -mon named it already.
void add_shared_monitor(Options& options, const CharacterTarget& target) {
  if (!target.monitor) return;
  const bool named = std::any_of(
      options.monitors.begin(), options.monitors.end(), [&target](const Options::Monitor& monitor) {
        return monitor.target == target || (!target.id.empty() && monitor.target.id == target.id);
      });
  if (!named) options.monitors.push_back({target, false, false});
}

/// The terminal has one owner, or Ctrl-A switches between several.
OptionResult check_terminal(const Options& options) {
  unsigned owners = 0;
  bool shared = false;
  const auto count = [&](const CharacterTarget& target, unsigned typed) {
    if (target.kind != Kind::Stdio) return;
    owners += typed;
    shared = shared || target.monitor;
  };
  for (const CharacterTarget& target : options.serial) count(target, 0);
  for (const Options::Monitor& monitor : options.monitors) count(monitor.target, 1);
  for (const CharacterTarget& target : options.serial) {
    if (target.kind == Kind::Stdio && !target.monitor) ++owners;
    if (target.kind == Kind::Stdio && options.display == Options::Display::Curses)
      return bad("-serial: stdio: -display curses needs the terminal for itself");
    if (target.kind == Kind::Stdio && options.daemonize)
      return bad("-daemonize: -serial stdio: the terminal stays behind");
  }
  for (const Options::Monitor& monitor : options.monitors) {
    if (monitor.target.kind != Kind::Stdio) continue;
    if (options.display == Options::Display::Curses)
      return bad("-monitor: stdio: -display curses needs the terminal for itself");
    if (options.daemonize) return bad("-daemonize: -monitor stdio: the terminal stays behind");
  }
  const bool monitors_there =
      std::any_of(options.monitors.begin(), options.monitors.end(), is_on_terminal);
  if (owners > 1 && monitors_there && !shared)
    return bad("-monitor: stdio is taken already (mon:stdio shares it)");
  return {};
}

}  // namespace

OptionResult apply_serial(OptionBuilder& builder, std::string_view value) {
  if (builder.serial.size() == 2) return bad("there are two serial ports");
  builder.serial.emplace_back(value);
  return {};
}

OptionResult apply_parallel(OptionBuilder&, std::string_view value) {
  if (value == "none" || value == "null") return {};
  return bad("'" + std::string(value) + "': there is no parallel port (none)");
}

OptionResult apply_chardev(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "backend");
  const std::string backend = list.take("backend").value_or("");
  const auto id = list.take("id");
  if (!id || id->empty()) return bad("needs id=NAME");
  DOPPEL_TRY(CharacterTarget target, take_chardev(backend, list));
  target.id = *id;
  if (const auto key = list.leftover()) return bad(backend + " has no property '" + *key + "'");
  if (!builder.chardevs.emplace(*id, std::move(target)).second)
    return bad("id '" + *id + "' is used twice");
  return {};
}

OptionResult apply_monitor(OptionBuilder& builder, std::string_view value) {
  builder.monitor_given = true;
  return want_monitor(builder, "-monitor", value, false);
}

OptionResult apply_qmp(OptionBuilder& builder, std::string_view value) {
  return want_monitor(builder, "-qmp", value, true);
}

OptionResult apply_pretty_qmp(OptionBuilder& builder, std::string_view value) {
  return want_monitor(builder, "-qmp-pretty", value, true, true);
}

OptionResult apply_mon(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "chardev");
  const std::string id = list.take("chardev").value_or("");
  if (id.empty()) return bad("needs chardev=ID");
  const std::string mode = list.take("mode").value_or("readline");
  if (mode != "readline" && mode != "control")
    return bad("mode=" + mode + " is not readline or control");
  bool pretty = false;
  if (const auto text = list.take("pretty")) {
    const auto on = parse_switch(*text);
    if (!on) return bad("pretty=" + *text + " is not on or off");
    pretty = *on;
  }
  if (const auto key = list.leftover()) return bad("has no property '" + *key + "'");
  if (mode == "readline") builder.monitor_given = true;
  return want_monitor(builder, "-mon", "chardev:" + id, mode == "control", pretty);
}

Result<CharacterTarget, Error> character_target(const OptionBuilder& builder,
                                                std::string_view text) {
  constexpr std::string_view kNamed = "chardev:";
  if (!text.starts_with(kNamed)) return parse_character_target(text);
  const std::string id(text.substr(kNamed.size()));
  const auto found = builder.chardevs.find(id);
  if (found == builder.chardevs.end()) return bad("there is no -chardev with id '" + id + "'");
  return found->second;
}

OptionResult finish_characters(OptionBuilder& builder) {
  Options& options = builder.options;
  const bool curses = options.display == Options::Display::Curses;
  if (curses && !builder.monitor_given && !builder.no_defaults)
    builder.monitors.insert(builder.monitors.begin(), {"-monitor", "vc", false, false});
  for (const OptionBuilder::WantedMonitor& wanted : builder.monitors) {
    auto target = character_target(builder, wanted.target);
    if (!target.ok()) return bad(wanted.option + ": " + target.error().message);
    options.monitors.push_back({target.take(), wanted.for_programs, wanted.pretty});
  }
  if (builder.serial.empty() && !builder.no_defaults && !console_has_terminal(builder) &&
      (builder.nographic || !builder.display_none)) {
    builder.serial.push_back(default_serial(builder));
  }
  for (const std::string& text : builder.serial) {
    auto target = character_target(builder, text);
    if (!target.ok()) return bad("-serial: " + target.error().message);
    options.serial.push_back(target.take());
    add_shared_monitor(options, options.serial.back());
  }
  return check_terminal(options);
}

}  // namespace doppel::frontend
