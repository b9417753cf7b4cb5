// The monitor's hands: keys, mouse and the buttons of the case.

#include <charconv>

#include "frontend/key_script.h"
#include "frontend/monitor/hmp.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

constexpr std::string_view kReplay = "a replay takes no input\n";
constexpr u64 kLongestHoldMs = 3'600'000;
constexpr u64 kMillisecond = 1'000'000;

/// A whole word as a number with a sign.
std::optional<int> parse_motion(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < -0x7fff || value > 0x7fff) return std::nullopt;
  return value;
}

/// Puts characters for what stands behind a backslash; nothing if that is none of them.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'b':
        out += '\b';
        break;
      case 'e':
        out += '\x1b';
        break;
      case '\\':
        out += '\\';
        break;
      default:
        return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> Hmp::execute_input(const std::string& command,
                                              const Arguments& arguments, std::string_view rest) {
  const bool known = command == "sendkey" || command == "type" || command == "mouse_move" ||
                     command == "mouse_button" || command == "system_powerdown" ||
                     command == "system_reset";
  if (!known) return std::nullopt;
  if (queue_.replaying()) return std::string(kReplay);
  if (command == "sendkey") return send_key(arguments);
  if (command == "type") return type_text(rest);
  if (command == "mouse_move") return move_mouse(arguments);
  if (command == "mouse_button") return press_mouse_buttons(arguments);
  if (!arguments.empty()) return command + ": takes no argument\n";
  if (command == "system_powerdown") {
    queue_.push_power_button();
  } else {
    queue_.push_reset();
  }
  return std::string();
}

std::string Hmp::send_key(const Arguments& arguments) {
  if (arguments.empty() || arguments.size() > 2)
    return "sendkey: which keys (ctrl-alt-delete), and for how many milliseconds?\n";
  const auto chord = parse_chord(arguments[0]);
  if (!chord.ok()) return "sendkey: " + chord.error().message + "\n";
  u64 hold_ns = kSendKeyHoldNs;
  if (arguments.size() == 2) {
    const auto hold = parse_number(arguments[1]);
    if (!hold || *hold == 0 || *hold > kLongestHoldMs)
      return "sendkey: '" + arguments[1] + "' is not 1 to 3600000 milliseconds\n";
    hold_ns = *hold * kMillisecond;
  }
  play_chords(queue_, machine_.now_ns(), std::span(&chord.value(), 1), hold_ns);
  return {};
}

std::string Hmp::type_text(std::string_view text) {
  if (text.empty()) return "type: what?\n";
  const auto wanted = unescape(text);
  if (!wanted) return "type: after a backslash come n, t, b, e or another backslash\n";
  std::string missing;
  const std::vector<Chord> chords = chords_for(*wanted, missing);
  if (!missing.empty()) return "type: a US keyboard has no '" + missing + "'\n";
  play_chords(queue_, machine_.now_ns(), chords, kTypeHoldNs);
  return {};
}

std::string Hmp::move_mouse(const Arguments& arguments) {
  if (arguments.size() < 2 || arguments.size() > 3)
    return "mouse_move: how far to the right, how far down, and how far with the wheel?\n";
  int motion[3] = {};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto value = parse_motion(arguments[i]);
    if (!value) return "mouse_move: '" + arguments[i] + "' is not -32767 to 32767\n";
    motion[i] = *value;
  }
  if (motion[2] < -0x7f || motion[2] > 0x7f)
    return "mouse_move: '" + arguments[2] + "': the wheel turns by -127 to 127\n";
  queue_.push_mouse(motion[0], motion[1], motion[2], queue_.mouse_buttons());
  return {};
}

std::string Hmp::press_mouse_buttons(const Arguments& arguments) {
  if (arguments.size() != 1) return "mouse_button: which ones (1 left, 2 middle, 4 right)?\n";
  const auto wanted = parse_number(arguments[0]);
  if (!wanted || *wanted > 7)
    return "mouse_button: '" + arguments[0] + "' is not 0 to 7 (1 left, 2 middle, 4 right)\n";
  // QEMU counts from left to right, the mouse has its middle button last.
  const unsigned buttons =
      static_cast<unsigned>((*wanted & 1) | (*wanted & 4) >> 1 | (*wanted & 2) << 1);
  queue_.push_mouse(0, 0, 0, buttons);
  return {};
}

}  // namespace doppel::frontend
