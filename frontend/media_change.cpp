#include "frontend/media_change.h"

#include "frontend/drives.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

using Kind = devices::BoardConfig::Drive::Kind;

/// The next word, which is taken from the text with the blank behind it.
std::string_view take_word(std::string_view& text) {
  const size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

}  // namespace

std::string MediaChange::text() const {
  std::string line = file.empty() ? "eject " : "change ";
  if (force) line += "-f ";
  line += drive;
  if (!file.empty())
    line += " " + std::string(disk_format_name(format)) + (read_only ? " ro " : " rw ") + file;
  return line;
}

Result<MediaChange, Error> MediaChange::parse(std::string_view text) {
  MediaChange change;
  const std::string_view verb = take_word(text);
  if (verb != "eject" && verb != "change") return Error{"is no change of a medium"};
  change.force = text.starts_with("-f ");
  if (change.force) text.remove_prefix(3);
  change.drive = take_word(text);
  if (verb == "change") {
    const auto format = disk_format_named(take_word(text));
    const std::string_view access = take_word(text);
    if (!format || (access != "ro" && access != "rw") || text.empty())
      return Error{"is no change of a medium"};
    change.format = *format;
    change.read_only = access == "ro";
    change.file = text;
    text = {};
  }
  if (change.drive.empty() || !text.empty()) return Error{"is no change of a medium"};
  return change;
}

Result<void, Error> open_medium(MediaChange& change, const devices::BoardConfig::Drive& drive,
                                MediumUse use) {
  if (change.file.empty()) return {};
  const devices::DiskImageOptions options{
      .path = change.file,
      .format = change.format,
      .read_only = change.read_only || drive.kind == Kind::Cdrom,
  };
  DOPPEL_TRY(std::unique_ptr<devices::BlockBackend> medium, open_drive_image(options, drive.kind, use));
  change.medium = std::move(medium);
  return {};
}

}  // namespace doppel::frontend
