// Options that name a machine, and say what a run does at its ends.

#include <cctype>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

Error bad(std::string message) { return Error{std::move(message)}; }

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (value == word) return true;
  }
  return false;
}

}  // namespace

OptionResult apply_name(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "guest");
  builder.options.name = list.take("guest").value_or("");
  // Names of the process and its threads stay.
  (void)list.take("process");
  (void)list.take("debug-threads");
  if (const auto key = list.leftover()) return bad("has no property '" + *key + "'");
  return {};
}

OptionResult apply_uuid(OptionBuilder& builder, std::string_view value) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  bool fits = value.size() == kShape.size();
  for (size_t i = 0; fits && i < kShape.size(); ++i) {
    const auto letter = static_cast<unsigned char>(value[i]);
    fits = kShape[i] == '-' ? letter == '-' : std::isxdigit(letter) != 0;
  }
  if (!fits) return bad("'" + std::string(value) + "' is not of the form " + std::string(kShape));
  builder.options.uuid.clear();
  for (const char letter : value)
    builder.options.uuid += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return {};
}

OptionResult apply_action(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "");
  const auto refuse = [](const char* key, const std::string& word, const char* words) {
    return bad(std::string(key) + "=" + word + " is not " + words);
  };
  if (const auto word = list.take("reboot")) {
    if (!is_one_of(*word, {"reset", "shutdown"})) return refuse("reboot", *word, "reset or shutdown");
    builder.options.no_reboot = *word == "shutdown";
  }
  if (const auto word = list.take("shutdown")) {
    if (!is_one_of(*word, {"poweroff", "pause"}))
      return refuse("shutdown", *word, "poweroff or pause");
    builder.options.no_shutdown = *word == "pause";
  }
  if (const auto word = list.take("panic")) {
    if (*word == "none")
      builder.options.on_panic = PanicAction::None;
    else if (*word == "pause")
      builder.options.on_panic = PanicAction::Pause;
    else if (*word == "shutdown")
      builder.options.on_panic = PanicAction::Shutdown;
    else if (*word == "exit-failure")
      builder.options.on_panic = PanicAction::ExitFailure;
    else
      return refuse("panic", *word, "none, pause, shutdown or exit-failure");
  }
  // The machine has no such chip.
  if (const auto word = list.take("watchdog");
      word && !is_one_of(*word, {"none", "reset", "shutdown", "poweroff", "pause", "debug", "inject-nmi"}))
    return refuse("watchdog", *word, "none, reset, shutdown, poweroff, pause, debug or inject-nmi");
  if (const auto key = list.leftover()) return bad("has no property '" + *key + "'");
  return {};
}

}  // namespace doppel::frontend
