#include "tests/guest/expectation.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "tests/guest/state_names.h"

namespace doppel::guest {
namespace {

// The log that handlers keep; the layout is in include/layout.inc and include/handlers32.inc.
constexpr u64 kLogCount = 0xf00;
constexpr u64 kLog = 0x1000;
constexpr u64 kLogEntry = 64;
constexpr u64 kNoErrorCode = 0xffff'ffff;

std::string hex(u64 value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
  }
  return parts;
}

class Comparison {
 public:
  Comparison(const Program& program, const Outcome& outcome)
      : program_(program), outcome_(outcome) {}

  std::vector<std::string> run() {
    bool wants_shutdown = false;
    for (const std::string& item : program_.expectations) wants_shutdown |= item == "shutdown";
    check_ending(wants_shutdown ? Outcome::Ending::Shutdown : Outcome::Ending::Halted);
    if (outcome_.ending == Outcome::Ending::Failed) return std::move(differences_);
    for (const std::string& item : program_.expectations) {
      if (item != "shutdown") check_item(item);
    }
    if (!differences_.empty()) describe_log();
    return std::move(differences_);
  }

 private:
  void say(std::string sentence) { differences_.push_back(std::move(sentence)); }

  void check_ending(Outcome::Ending wanted) {
    if (outcome_.ending == wanted) return;
    const char* got = "";
    switch (outcome_.ending) {
      case Outcome::Ending::Halted:
        got = "reached a HLT";
        break;
      case Outcome::Ending::Shutdown:
        got = "ended in a shutdown";
        break;
      case Outcome::Ending::LimitReached:
        got = "did not end within its limit of instructions";
        break;
      case Outcome::Ending::OutsideMemory:
        got = "fetched code from where there is no memory";
        break;
      case Outcome::Ending::Failed:
        got = "could not be run";
        break;
    }
    say(std::string("the program ") + got + " at rip " + hex(outcome_.state.rip()) +
        (outcome_.story.empty() ? "" : ": " + outcome_.story));
  }

  /// A number, a label, or label+number. @errors a sentence in differences_
  std::optional<u64> number(const std::string& text) {
    const size_t plus = text.find('+');
    if (plus != std::string::npos) {
      const auto left = number(text.substr(0, plus)), right = number(text.substr(plus + 1));
      if (!left || !right) return std::nullopt;
      return *left + *right;
    }
    const bool negative = text.starts_with('-');
    std::string digits = negative ? text.substr(1) : text;
    const bool hexadecimal = digits.starts_with("0x");
    if (hexadecimal) digits = digits.substr(2);
    u64 value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
    if (error == std::errc{} && end == digits.data() + digits.size())
      return negative ? 0 - value : value;
    const auto found = program_.symbols.find(text);
    if (found != program_.symbols.end()) return found->second;
    say("the expectation names '" + text + "', which is neither a number nor a label");
    return std::nullopt;
  }

  /// `wanted` is value or value/mask; `bits` the width that both are cut to.
  void check_value(const std::string& what, const std::string& wanted, u64 got,
                   unsigned width_bits) {
    const size_t slash = wanted.find('/');
    const auto value = number(wanted.substr(0, slash));
    const auto mask =
        slash == std::string::npos ? std::optional<u64>(~u64{0}) : number(wanted.substr(slash + 1));
    if (!value || !mask) return;
    const u64 compared = truncate(*mask, width_bits);
    if ((*value & compared) == (got & compared)) return;
    say(what + " is " + hex(got & compared) + ", expected " + hex(*value & compared));
  }

  std::optional<u64> flag_names(const std::string& text) {
    u64 flags = 0;
    if (text == "0" || text.empty()) return flags;
    for (const std::string& name : split(text, '|')) {
      const auto flag = flag_by_name(name);
      if (!flag) {
        say("the expectation names the flag '" + name + "', which does not exist");
        return std::nullopt;
      }
      flags |= *flag;
    }
    return flags;
  }

  void check_flags(const std::string& what, const std::string& names, bool set, bool exact,
                   u64 got) {
    const auto wanted = flag_names(names);
    if (!wanted) return;
    if (set && (got & *wanted) != *wanted)
      say(what + " are " + hex(got) + ", where " + names + " should be set");
    if (!set && (got & *wanted) != 0)
      say(what + " are " + hex(got) + ", where " + names + " should be clear");
    const u64 rest = rflags::kArithmetic & ~*wanted;
    if (exact && (got & rest) != 0)
      say(what + " are " + hex(got) + ", expected " + names + " alone");
  }

  void check_item(const std::string& item) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) return say("the expectation '" + item + "' has no '='");
    std::string name = item.substr(0, equals);
    const std::string wanted = item.substr(equals + 1);
    if (name == "rflags")
      return check_flags("the flags", wanted, true, true, outcome_.state.rflags());
    if (name == "rflags!")
      return check_flags("the flags", wanted, false, false, outcome_.state.rflags());
    if (name.starts_with("mem[")) return check_memory(name, wanted);
    if (name == "log")
      return check_value("the number of log entries", wanted, outcome_.memory(kLogCount, 4), 32);
    if (name.starts_with("log[")) return check_log(name, wanted);
    const auto field = state_field(outcome_.state, name);
    if (!field) return say("the expectation names '" + name + "', which is no part of the state");
    check_value(name, wanted, field->value, field->width_bits);
  }

  void check_memory(const std::string& name, const std::string& wanted) {
    const auto address = number(name.substr(4, name.size() - 5));
    if (!address) return;
    const size_t colon = wanted.find(':');
    const std::string type = wanted.substr(0, colon);
    const unsigned size = type == "byte"    ? 1
                          : type == "word"  ? 2
                          : type == "dword" ? 4
                          : type == "qword" ? 8
                                            : 0;
    if (colon == std::string::npos || size == 0)
      return say("the expectation of " + name + " names no width");
    check_value(name, wanted.substr(colon + 1), outcome_.memory(*address, size), size * 8);
  }

  u64 log_field(u64 entry, unsigned offset, unsigned size) const {
    return outcome_.memory(kLog + entry * kLogEntry + offset, size);
  }

  void check_log(const std::string& name, const std::string& wanted) {
    const auto entry = number(name.substr(4, name.size() - 5));
    if (!entry) return;
    if (*entry >= outcome_.memory(kLogCount, 4))
      return say(name + " does not exist, expected " + wanted);
    const std::vector<std::string> parts = split(wanted, ',');
    check_event(name, *entry, parts[0]);
    for (size_t i = 1; i < parts.size(); ++i) {
      const size_t equals = parts[i].find('=');
      const std::string key = parts[i].substr(0, equals);
      const std::string value = equals == std::string::npos ? "" : parts[i].substr(equals + 1);
      const std::string what = name + "'s " + key;
      if (key == "cr2")
        check_value(what, value, log_field(*entry, 8, 8), 64);
      else if (key == "cs")
        check_value(what, value, log_field(*entry, 24, 2), 16);
      else if (key == "flags")
        check_flags(name + "'s flags", value, true, false, log_field(*entry, 28, 4));
      else if (key == "clear")
        check_flags(name + "'s flags", value, false, false, log_field(*entry, 28, 4));
      else if (key == "sp")
        check_value(what, value, log_field(*entry, 32, 8), 64);
      else if (key == "ss")
        check_value(what, value, log_field(*entry, 40, 2), 16);
      else if (key == "dr6")
        check_value(what, value, log_field(*entry, 48, 4), 32);
      else if (key == "frame")
        check_value(what, value, log_field(*entry, 56, 8), 64);
      else
        say("the expectation of " + name + " names '" + key + "', which entries do not have");
    }
  }

  /// "#PF(0x6)@label", "#UD@label", "0x20".
  void check_event(const std::string& name, u64 entry, const std::string& wanted) {
    const size_t at = wanted.find('@');
    const std::string event = wanted.substr(0, at);
    const size_t open = event.find('(');
    const std::string kind = event.substr(0, open);
    const auto vector = kind.starts_with('#') ? vector_by_name(kind) : number(kind);
    if (!vector)
      return say("the expectation of " + name + " names '" + kind + "', which is no exception");
    const std::string seen = describe_entry(entry);
    if (log_field(entry, 0, 4) != *vector)
      return say(name + " is " + seen + ", expected " + wanted);
    const u64 code = log_field(entry, 4, 4);
    const auto wanted_code = open == std::string::npos
                                 ? std::optional<u64>(kNoErrorCode)
                                 : number(event.substr(open + 1, event.size() - open - 2));
    if (wanted_code && code != *wanted_code) say(name + " is " + seen + ", expected " + wanted);
    if (at != std::string::npos)
      check_value(name + "'s rip", wanted.substr(at + 1), log_field(entry, 16, 8), 64);
  }

  std::string describe_entry(u64 entry) const {
    std::string text = "vector " + hex(log_field(entry, 0, 4));
    if (log_field(entry, 4, 4) != kNoErrorCode) text += " with code " + hex(log_field(entry, 4, 4));
    return text + " at " + hex(log_field(entry, 24, 2)) + ":" + hex(log_field(entry, 16, 8));
  }

  void describe_log() {
    const u64 count = std::min<u64>(outcome_.memory(kLogCount, 4), 8);
    for (u64 i = 0; i < count; ++i) {
      say("  (log[" + std::to_string(i) + "] is " + describe_entry(i) + ", cr2 " +
          hex(log_field(i, 8, 8)) + ", flags " + hex(log_field(i, 28, 4)) + ", dr6 " +
          hex(log_field(i, 48, 4)) + ")");
    }
  }

  const Program& program_;
  const Outcome& outcome_;
  std::vector<std::string> differences_;
};

}  // namespace

std::vector<std::string> compare(const Program& program, const Outcome& outcome) {
  return Comparison(program, outcome).run();
}

}  // namespace doppel::guest
