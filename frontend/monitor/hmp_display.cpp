// The monitor's eyes: the screen as a picture, and as text.

#include "devices/display_text.h"
#include "frontend/file.h"
#include "frontend/monitor/hmp.h"
#include "frontend/picture_file.h"

namespace doppel::frontend {

std::optional<std::string> Hmp::execute_display(const std::string& command,
                                                const Arguments& arguments) {
  if (command != "screendump" && command != "screentext") return std::nullopt;
  if (display_ == nullptr) return "there is no graphics card\n";
  return command == "screendump" ? dump_screen(arguments) : dump_screen_text(arguments);
}

std::string Hmp::dump_screen(const Arguments& arguments) {
  if (arguments.size() != 1) return "screendump: to which file?\n";
  devices::Picture picture;
  display_->update(picture);
  const auto written = write_picture(arguments[0], picture);
  return written.ok() ? "" : "screendump: " + written.error().message + "\n";
}

std::string Hmp::dump_screen_text(const Arguments& arguments) {
  if (arguments.size() > 1) return "screentext: one file at most\n";
  const auto screen = display_->text();
  if (!screen) return "screentext: the screen is in a graphics mode\n";
  const std::string text = devices::to_utf8(*screen) + "\n";
  if (arguments.empty()) return text;
  const auto written = write_file(arguments[0], text.data(), text.size());
  return written.ok() ? "" : "screentext: " + written.error().message + "\n";
}

}  // namespace doppel::frontend
