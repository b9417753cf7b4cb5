// QMP's commands that steer the machine and write files.

#include <cstdio>

#include "frontend/monitor/memory_file.h"
#include "frontend/monitor/qmp.h"
#include "frontend/monitor/qmp_arguments.h"
#include "frontend/picture_file.h"

namespace doppel::frontend {
namespace {

/// A drive by either of the names that QEMU has for it here: both mean the same.
std::string drive_of(QmpArguments& arguments) {
  const auto device = arguments.optional_string("device");
  const auto id = arguments.optional_string("id");
  if (!device && !id) arguments.fail("Either 'device' or 'id' needs to be specified");
  return device.value_or(id.value_or(""));
}

}  // namespace

Qmp::Answer Qmp::through_hmp(const std::string& line) {
  std::string text = world_.hmp.execute(line);
  if (text.empty()) return Json::object();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return Failure{std::move(text)};
}

Qmp::Answer Qmp::stop(const Json&) { return through_hmp("stop"); }
Qmp::Answer Qmp::cont(const Json&) { return through_hmp("cont"); }
Qmp::Answer Qmp::quit(const Json&) { return through_hmp("quit"); }
Qmp::Answer Qmp::system_reset(const Json&) { return through_hmp("system_reset"); }
Qmp::Answer Qmp::system_powerdown(const Json&) { return through_hmp("system_powerdown"); }

Qmp::Answer Qmp::inject_nmi(const Json&) { return through_hmp("nmi"); }

Qmp::Answer Qmp::human_monitor_command(const Json& json) {
  QmpArguments arguments(json);
  const std::string line = arguments.string("command-line");
  const i64 processor = arguments.optional_integer("cpu-index").value_or(0);
  if (processor != 0) arguments.fail("there is processor 0 only");
  if (const auto failure = arguments.failure()) return *failure;
  std::string text = world_.hmp.execute(line);
  // Line ends as on a terminal, which is what readers of QEMU's answers expect.
  std::string out;
  for (const char letter : text) {
    if (letter == '\n') out += '\r';
    out += letter;
  }
  return Json(std::move(out));
}

Qmp::Answer Qmp::change_medium(const Json& json) {
  QmpArguments arguments(json);
  const std::string drive = drive_of(arguments);
  const std::string file = arguments.string("filename");
  const std::string format = arguments.optional_string("format").value_or("");
  const std::string access = arguments.optional_string("read-only-mode").value_or("");
  const bool force = arguments.boolean_or("force", false);
  if (file.find('"') != std::string::npos) arguments.fail("a file name with quotes cannot be given");
  if (!access.empty() && format.empty()) arguments.fail("'read-only-mode' needs 'format'");
  if (const auto failure = arguments.failure()) return *failure;
  return through_hmp(std::string("change ") + (force ? "-f " : "") + drive + " \"" + file + "\" " + format +
                     " " + access);
}

Qmp::Answer Qmp::eject(const Json& json) {
  QmpArguments arguments(json);
  const std::string drive = drive_of(arguments);
  const bool force = arguments.boolean_or("force", false);
  if (const auto failure = arguments.failure()) return *failure;
  return through_hmp(std::string("eject ") + (force ? "-f " : "") + drive);
}

Qmp::Answer Qmp::screendump(const Json& json) {
  QmpArguments arguments(json);
  const std::string path = arguments.string("filename");
  const auto format = arguments.optional_string("format");
  (void)arguments.optional_string("device");
  (void)arguments.optional_integer("head");
  if (format && *format != "png" && *format != "ppm")
    arguments.fail("Parameter 'format' does not accept value '" + *format + "'");
  if (const auto failure = arguments.failure()) return *failure;
  devices::DisplaySource* const display = world_.machine.display();
  if (display == nullptr) return Failure{"there is no graphics card"};
  devices::Picture picture;
  display->update(picture);
  auto kind = PictureFormat::ByName;
  if (format) kind = *format == "png" ? PictureFormat::Png : PictureFormat::Ppm;
  const auto written = write_picture(path, picture, kind);
  if (!written.ok()) return Failure{written.error().message};
  return Json::object();
}

Qmp::Answer Qmp::memsave(const Json& json) {
  QmpArguments arguments(json);
  const auto address = static_cast<u64>(arguments.integer("val"));
  const auto size = static_cast<u64>(arguments.integer("size"));
  const std::string path = arguments.string("filename");
  if (arguments.optional_integer("cpu-index").value_or(0) != 0)
    arguments.fail("there is processor 0 only");
  if (const auto failure = arguments.failure()) return *failure;
  const auto saved = save_linear_memory(world_.machine, LinearAddr(address), size, path);
  if (!saved.ok()) return Failure{saved.error().message};
  return Json::object();
}

Qmp::Answer Qmp::pmemsave(const Json& json) {
  QmpArguments arguments(json);
  const auto address = static_cast<u64>(arguments.integer("val"));
  const auto size = static_cast<u64>(arguments.integer("size"));
  const std::string path = arguments.string("filename");
  if (const auto failure = arguments.failure()) return *failure;
  const auto saved = save_physical_memory(world_.machine, PhysAddr(address), size, path);
  if (!saved.ok()) return Failure{saved.error().message};
  return Json::object();
}

}  // namespace doppel::frontend
