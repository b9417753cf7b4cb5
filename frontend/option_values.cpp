#include "frontend/option_values.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace doppel::frontend {
namespace {

/// Reads a decimal fraction at the start of `text` and leaves what follows it.
std::optional<double> take_fraction(std::string_view& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || value < 0 || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<u64> scaled(double value, double unit) {
  const double product = value * unit;
  if (product > 9e18) return std::nullopt;
  return static_cast<u64>(product + 0.5);
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted from March so that the leap
/// day is the last of its year.
i64 days_since_1970(i64 year, unsigned month, unsigned day) {
  const i64 shifted_year = month <= 2 ? year - 1 : year;
  const i64 era = shifted_year / 400;
  const i64 year_of_era = shifted_year - era * 400;
  const i64 month_from_march = (month + 9) % 12;
  const i64 day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  const i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

std::optional<unsigned> take_digits(std::string_view& text, size_t count, char separator) {
  if (separator != 0) {
    if (text.empty() || text.front() != separator) return std::nullopt;
    text.remove_prefix(1);
  }
  if (text.size() < count) return std::nullopt;
  unsigned value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

}  // namespace

std::optional<u64> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  } else if (text.size() > 1 && text.front() == '0') {
    text.remove_prefix(1);
    base = 8;
  }
  u64 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<u64> parse_size(std::string_view text, u64 default_unit) {
  const std::optional<double> value = take_fraction(text);
  if (!value) return std::nullopt;
  double unit = static_cast<double>(default_unit);
  if (!text.empty()) {
    switch (text.front()) {
      case 'b':
      case 'B':
        unit = 1;
        break;
      case 'k':
      case 'K':
        unit = 1024.0;
        break;
      case 'm':
      case 'M':
        unit = 1024.0 * 1024;
        break;
      case 'g':
      case 'G':
        unit = 1024.0 * 1024 * 1024;
        break;
      case 't':
      case 'T':
        unit = 1024.0 * 1024 * 1024 * 1024;
        break;
      default:
        return std::nullopt;
    }
    text.remove_prefix(1);
    if (unit > 1 && (text == "iB" || text == "B")) text = {};
  }
  if (!text.empty()) return std::nullopt;
  return scaled(*value, unit);
}

std::optional<u64> parse_duration_ns(std::string_view text) {
  const std::optional<double> value = take_fraction(text);
  if (!value) return std::nullopt;
  if (text.empty() || text == "s") return scaled(*value, 1e9);
  if (text == "ms") return scaled(*value, 1e6);
  if (text == "us") return scaled(*value, 1e3);
  if (text == "ns") return scaled(*value, 1);
  if (text == "m" || text == "min") return scaled(*value, 60e9);
  if (text == "h") return scaled(*value, 3600e9);
  return std::nullopt;
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
  if (text == "off" || text == "no" || text == "false" || text == "n") return false;
  return std::nullopt;
}

std::optional<i64> parse_date(std::string_view text) {
  const auto year = take_digits(text, 4, 0);
  const auto month = take_digits(text, 2, '-');
  const auto day = take_digits(text, 2, '-');
  if (!year || !month || !day || *year < 1970 || *month < 1 || *month > 12 || *day < 1)
    return std::nullopt;
  static constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  if (*day > kDays[*month - 1] + (leap && *month == 2 ? 1 : 0)) return std::nullopt;
  i64 seconds = days_since_1970(*year, *month, *day) * 86400;
  if (!text.empty()) {
    const auto hour = take_digits(text, 2, 'T');
    const auto minute = take_digits(text, 2, ':');
    const auto second = take_digits(text, 2, ':');
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59 ||
        !text.empty()) {
      return std::nullopt;
    }
    seconds += *hour * 3600 + *minute * 60 + *second;
  }
  return seconds;
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += ',';
      ++i;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

PropertyList::PropertyList(std::string_view text, std::string_view implied_key) {
  bool first = true;
  for (std::string& part : split_commas(text)) {
    const size_t equals = part.find('=');
    if (equals != std::string::npos) {
      items_.push_back({part.substr(0, equals), part.substr(equals + 1)});
    } else if (first && !implied_key.empty()) {
      items_.push_back({std::string(implied_key), std::move(part)});
    } else {
      items_.push_back({std::move(part), "on"});  // A bare word switches something on.
    }
    first = false;
  }
}

std::vector<std::string> PropertyList::take_all(std::string_view key) {
  std::vector<std::string> values;
  for (Item& item : items_) {
    if (item.key != key) continue;
    item.taken = true;
    values.push_back(item.value);
  }
  return values;
}

std::optional<std::string> PropertyList::take(std::string_view key) {
  std::vector<std::string> values = take_all(key);
  if (values.empty()) return std::nullopt;
  return std::move(values.back());
}

std::optional<std::string> PropertyList::leftover() const {
  for (const Item& item : items_) {
    if (!item.taken) return item.key;
  }
  return std::nullopt;
}

}  // namespace doppel::frontend
