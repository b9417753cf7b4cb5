#include "frontend/snapshots.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace doppel::frontend {

namespace fs = std::filesystem;

std::string Snapshots::default_folder(const std::vector<devices::BoardConfig::Drive>& drives) {
  for (const devices::BoardConfig::Drive& drive : drives) {
    if (drive.medium != nullptr && !drive.medium->is_read_only() && drive.medium->twin() == nullptr)
      return drive.file + ".states";
  }
  return "doppel.states";
}

/// A name is a part of a path, and no more.
Result<std::string, Error> Snapshots::path_of(const std::string& name) const {
  const bool is_plain = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
                        !name.ends_with(".part") && !name.ends_with(".old");
  if (!is_plain || folder_.empty()) return Error{"'" + name + "' cannot be the name of a saved machine"};
  return folder_ + "/" + name;
}

Result<void, Error> Snapshots::save(Machine& machine, const std::string& name) const {
  DOPPEL_TRY(const std::string path, path_of(name));
  return save_state_directory(machine, path);
}

Result<void, Error> Snapshots::find(const std::string& name) const {
  DOPPEL_TRY(const std::string path, path_of(name));
  if (!is_state_directory(path)) return Error{path + ": there is no saved machine"};
  return {};
}

Result<void, Error> Snapshots::load(Machine& machine, const std::string& name, MachineAfter& after) const {
  after = MachineAfter::Unchanged;
  DOPPEL_TRY(find(name));
  return load_state_directory(machine, folder_ + "/" + name, after);
}

Result<void, Error> Snapshots::remove(const std::string& name) const {
  DOPPEL_TRY(find(name));
  std::error_code error;
  fs::remove_all(folder_ + "/" + name, error);
  if (error) return Error{folder_ + "/" + name + ": " + error.message()};
  fs::remove(folder_, error);  // If it was the last one.
  return {};
}

std::vector<Snapshots::Entry> Snapshots::list() const {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!path_of(name).ok() || !is_state_directory(entry->path().string())) continue;
    auto summary = summarize_state(entry->path().string());
    if (summary.ok()) entries.push_back({name, summary.take()});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace doppel::frontend
