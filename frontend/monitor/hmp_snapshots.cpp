// The monitor's saved machines.

#include <cinttypes>
#include <cstdio>
#include <ctime>

#include "frontend/monitor/hmp.h"

namespace doppel::frontend {

std::optional<std::string> Hmp::execute_snapshots(const std::string& command, const Arguments& arguments) {
  if (command == "info" && !arguments.empty() && arguments[0] == "snapshots") return info_snapshots();
  if (command != "savevm" && command != "loadvm" && command != "delvm") return std::nullopt;
  if (arguments.size() != 1) return command + ": which name?\n";
  const std::string& name = arguments[0];
  const auto answer = [](const Result<void, Error>& done) {
    return done.ok() ? std::string() : done.error().message + "\n";
  };
  if (command == "savevm") return answer(snapshots_.save(machine_, name));
  if (command == "delvm") return answer(snapshots_.remove(name));
  // A recording is of one machine, from its start on.
  if (queue_.recording() || queue_.replaying()) return "loadvm: not while input is recorded or replayed\n";
  const auto found = snapshots_.find(name);
  if (found.ok()) loop_.load(name);
  return answer(found);
}

std::string Hmp::info_snapshots() const {
  const std::vector<Snapshots::Entry> entries = snapshots_.list();
  if (entries.empty()) return "there is no saved machine in " + snapshots_.folder() + "\n";
  std::string text = "TAG                  SIZE                 DATE      VM CLOCK         ICOUNT\n";
  for (const Snapshots::Entry& entry : entries) {
    const std::time_t saved_at = entry.summary.saved_at;
    std::tm date = {};
    ::localtime_r(&saved_at, &date);
    char day[24];
    std::strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &date);
    const u64 ms = entry.summary.virtual_ns / 1'000'000;
    char line[160];
    std::snprintf(line, sizeof line, "%6.1f MiB  %s  %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64 " %14" PRIu64 "\n",
                  static_cast<double>(entry.summary.size_bytes) / (1 << 20), day, ms / 3'600'000,
                  ms / 60'000 % 60, ms / 1000 % 60, ms % 1000, entry.summary.instructions);
    std::string name = entry.name;
    if (name.size() < 15) name.resize(15, ' ');
    text += name + " " + line;
  }
  return text;
}

}  // namespace doppel::frontend
