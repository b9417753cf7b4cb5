#pragma once

// The small grammars inside option values: sizes, durations, numbers, `key=value` lists.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

/// Decimal, 0x or 0 (octal) prefixed; the whole text must be the number.
std::optional<u64> parse_number(std::string_view text);
/// "512", "512M", "2G", "1.5G": a bare number counts `default_unit` bytes.
std::optional<u64> parse_size(std::string_view text, u64 default_unit);
/// "30s", "500ms", "10us", "100ns", "2m", "1h"; a bare number counts seconds. In nanoseconds.
std::optional<u64> parse_duration_ns(std::string_view text);
/// "on", "yes", "off", "no" and their kin.
std::optional<bool> parse_switch(std::string_view text);
/// "2024-01-01" or "2024-01-01T12:30:00", UTC; seconds since 1970.
std::optional<i64> parse_date(std::string_view text);
/// Splits at commas; a doubled comma stands for one.
std::vector<std::string> split_commas(std::string_view text);

/// `head,key=value,flag`: QEMU's way to write an object. Each key must be asked for: `leftover`
/// names one that nobody wanted.
class PropertyList {
 public:
  /// `implied_key` names a first element that has no `=` ("size" of `-m 512`); empty: no such.
  PropertyList(std::string_view text, std::string_view implied_key);

  /// The value of `key` (the last one wins), and marks it as known.
  std::optional<std::string> take(std::string_view key);
  /// Every value of `key`, in order, and marks them as known.
  std::vector<std::string> take_all(std::string_view key);
  /// A key that was never taken.
  std::optional<std::string> leftover() const;

 private:
  struct Item {
    std::string key;
    std::string value;
    bool taken = false;
  };
  std::vector<Item> items_;
};

}  // namespace doppel::frontend
