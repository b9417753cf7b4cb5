#include "frontend/monitor/qmp_arguments.h"

#include <algorithm>

namespace doppel::frontend {

const Json* QmpArguments::find(const char* name) {
  known_.emplace_back(name);
  const auto found = json_.find(name);
  return found == json_.end() ? nullptr : &*found;
}

const Json* QmpArguments::child(const char* name, bool (Json::*is)() const noexcept,
                                const char* type) {
  const Json* const value = find(name);
  if (value != nullptr && (value->*is)()) return value;
  if (value == nullptr)
    fail("Parameter '" + std::string(name) + "' is missing");
  else
    fail("Invalid parameter type for '" + std::string(name) + "', expected: " + type);
  return nullptr;
}

std::optional<Qmp::Failure> QmpArguments::failure() {
  for (const auto& [key, value] : json_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      fail("Parameter '" + key + "' is unexpected");
  }
  if (ok()) return std::nullopt;
  return Qmp::Failure{failure_, false};
}

}  // namespace doppel::frontend
