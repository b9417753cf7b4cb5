#pragma once

// A QMP command's arguments, taken one by one under their names.

#include <optional>
#include <string>
#include <vector>

#include "frontend/monitor/qmp.h"

namespace doppel::frontend {

class QmpArguments {
 public:
  explicit QmpArguments(const Json& json) : json_(json) {}

  std::string string(const char* name) { return take<std::string>(name, "string").value_or(""); }
  std::optional<std::string> optional_string(const char* name) {
    return find(name) == nullptr ? std::nullopt : take<std::string>(name, "string");
  }
  i64 integer(const char* name) { return take<i64>(name, "integer").value_or(0); }
  std::optional<i64> optional_integer(const char* name) {
    return find(name) == nullptr ? std::nullopt : take<i64>(name, "integer");
  }
  bool boolean_or(const char* name, bool otherwise) {
    return find(name) == nullptr ? otherwise : boolean(name);
  }
  bool boolean(const char* name) { return take<bool>(name, "boolean").value_or(false); }
  /// An array or object; null if it is not there or something else.
  const Json* array(const char* name) { return child(name, &Json::is_array, "array"); }
  const Json* object(const char* name) { return child(name, &Json::is_object, "object"); }

  /// The first thing that was wrong, names that nobody asked for included.
  std::optional<Qmp::Failure> failure();
  /// Something else was wrong.
  void fail(std::string description) {
    if (failure_.empty()) failure_ = std::move(description);
  }
  bool ok() const { return failure_.empty(); }

 private:
  const Json* find(const char* name);
  const Json* child(const char* name, bool (Json::*is)() const noexcept, const char* type);
  template <class T>
  std::optional<T> take(const char* name, const char* type);

  const Json& json_;
  std::vector<std::string> known_;
  std::string failure_;
};

template <class T>
std::optional<T> QmpArguments::take(const char* name, const char* type) {
  const Json* const value = find(name);
  bool fits = false;
  if constexpr (std::is_same_v<T, std::string>) fits = value != nullptr && value->is_string();
  if constexpr (std::is_same_v<T, bool>) fits = value != nullptr && value->is_boolean();
  if constexpr (std::is_same_v<T, i64>) fits = value != nullptr && value->is_number_integer();
  if (fits) return value->template get<T>();
  if (value == nullptr)
    fail("Parameter '" + std::string(name) + "' is missing");
  else
    fail("Invalid parameter type for '" + std::string(name) + "', expected: " + type);
  return std::nullopt;
}

}  // namespace doppel::frontend
