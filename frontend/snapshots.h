#pragma once

// Saved machines by name: directories below one folder.

#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/machine.h"
#include "frontend/state_directory.h"

namespace doppel::frontend {

class Snapshots {
 public:
  Snapshots() = default;
  explicit Snapshots(std::string folder) : folder_(std::move(folder)) {}

  /// Beside the first disk that is written in place, or else in the present folder.
  static std::string default_folder(const std::vector<devices::BoardConfig::Drive>& drives);
  const std::string& folder() const { return folder_; }

  // @errors "NAME: reason"
  Result<void, Error> save(Machine& machine, const std::string& name) const;
  Result<void, Error> load(Machine& machine, const std::string& name, MachineAfter& after) const;
  Result<void, Error> remove(const std::string& name) const;
  /// A state of this name is there.
  Result<void, Error> find(const std::string& name) const;

  struct Entry {
    std::string name;
    StateSummary summary;
  };
  /// By name; what cannot be read is left out.
  std::vector<Entry> list() const;

 private:
  Result<std::string, Error> path_of(const std::string& name) const;

  std::string folder_;
};

}  // namespace doppel::frontend
