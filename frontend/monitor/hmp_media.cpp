// The monitor's drives: what lies in them, and changing it.

#include "frontend/drives.h"
#include "frontend/monitor/hmp.h"

namespace doppel::frontend {
namespace {

using Drive = devices::BoardConfig::Drive;

std::string describe(const Drive& drive, const devices::PcBoard::Door& door) {
  std::string text = drive.name + ": ";
  if (drive.medium == nullptr) {
    text += "[not inserted]\n";
  } else {
    text += drive.file + " (" + std::string(drive.medium->format());
    if (drive.medium->is_read_only()) text += ", read-only";
    text += ")\n";
  }
  if (door.is_removable) {
    text += std::string("    Removable device: ") + (door.is_locked ? "locked" : "not locked") +
            (door.is_open ? ", tray open\n" : ", tray closed\n");
  }
  if (drive.medium != nullptr) text += "    Cache mode:       " + drive.cache + "\n";
  return text;
}

/// Words, in which double quotes hold blanks together.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  bool in_quotes = false;
  for (const char c : text) {
    if (c == ' ' && !in_quotes) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '"') {
      in_quotes = !in_quotes;
    } else {
      words.back() += c;
    }
  }
  return words;
}

}  // namespace

std::optional<std::string> Hmp::execute_media(const std::string& command, std::string_view rest) {
  Arguments arguments = split_words(rest);
  if (command == "info" && !arguments.empty() && arguments[0] == "block") return info_block();
  if (command != "change" && command != "eject") return std::nullopt;
  const bool force = !arguments.empty() && arguments[0] == "-f";
  if (force) arguments.erase(arguments.begin());
  return command == "change" ? change_medium(arguments, force) : eject_medium(arguments, force);
}

std::string Hmp::info_block() const {
  std::string text;
  const auto& drives = machine_.board().drives();
  for (size_t i = 0; i < drives.size(); ++i) {
    if (i != 0) text += "\n";
    text += describe(drives[i], machine_.board().door(i));
  }
  return text.empty() ? "there are no drives\n" : text;
}

std::string Hmp::change_medium(const Arguments& arguments, bool force) {
  if (arguments.size() < 2 || arguments.size() > 4)
    return "change: which drive, which file, and is it raw or qcow2, read-only or read-write?\n";
  MediaChange change;
  change.drive = arguments[0];
  change.force = force;
  change.file = arguments[1];
  if (arguments.size() > 2) {
    const auto format = disk_format_named(arguments[2]);
    if (!format) return "change: '" + arguments[2] + "' is not raw or qcow2\n";
    change.format = *format;
  }
  if (arguments.size() > 3) {
    const std::string& access = arguments[3];
    if (access != "read-only" && access != "read-write" && access != "retain")
      return "change: '" + access + "' is not read-only, read-write or retain\n";
    change.read_only = access == "read-only";
  }
  return enter(std::move(change));
}

std::string Hmp::eject_medium(const Arguments& arguments, bool force) {
  if (arguments.size() != 1) return "eject: which drive?\n";
  MediaChange change;
  change.drive = arguments[0];
  change.force = force;
  return enter(std::move(change));
}

/// What the machine cannot take is refused here; what the guest does not let go of is asked for.
std::string Hmp::enter(MediaChange change) {
  if (queue_.replaying()) return "a replay takes no input\n";
  const auto index = machine_.find_drive(change.drive);
  if (!index) return "there is no drive '" + change.drive + "' (info block lists them)\n";
  const devices::PcBoard::Door door = machine_.board().door(*index);
  if (!door.is_removable) return "drive '" + change.drive + "': its disk cannot be taken out\n";
  if (const auto opened = machine_.open_medium(change); !opened.ok()) return opened.error().message + "\n";
  std::string answer;
  if (door.is_locked && !change.force)
    answer = "drive '" + change.drive + "' is locked by the guest, which was asked; try again, or force it with -f\n";
  queue_.push_media(std::move(change));
  return answer;
}

}  // namespace doppel::frontend
