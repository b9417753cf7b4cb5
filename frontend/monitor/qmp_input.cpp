// QMP's hands: send-key and input-send-event.

#include <algorithm>

#include "frontend/key_script.h"
#include "frontend/monitor/qmp.h"
#include "frontend/monitor/qmp_arguments.h"

namespace doppel::frontend {
namespace {

constexpr i64 kLongestHoldMs = 3'600'000;
constexpr u64 kMillisecond = 1'000'000;
constexpr i64 kFarthest = 0x7fff;
constexpr size_t kMostKeys = 16;

constexpr unsigned kNoButton = 0;

/// A KeyValue: {"type": "qcode", "data": "ctrl"} or {"type": "number", "data": 29}.
std::optional<Key> take_key(const Json& json, QmpArguments& owner) {
  QmpArguments value(json);
  const std::string type = value.string("type");
  std::optional<Key> key;
  if (type == "number") {
    const i64 number = value.integer("data");
    key = key_numbered(static_cast<u64>(number));
    if (value.ok() && !key) value.fail("there is no key with number " + std::to_string(number));
  } else {
    const std::string name = value.string("data");
    if (type != "qcode") value.fail("Parameter 'type' does not accept value '" + type + "'");
    key = key_named(name);
    if (value.ok() && !key) value.fail("Parameter 'data' does not accept value '" + name + "'");
  }
  if (const auto failure = value.failure()) {
    owner.fail(failure->description);
    return std::nullopt;
  }
  return key;
}

/// What input-send-event does, collected before anything happens: all of it, or nothing.
struct Actions {
  std::vector<u8> keys;
  struct MouseStep {
    int dx = 0;
    int dy = 0;
    int wheel = 0;
    unsigned buttons = 0;
  };
  std::vector<MouseStep> mouse;
};

unsigned button_bit(const std::string& name) {
  if (name == "left") return 0x01;
  if (name == "right") return 0x02;
  if (name == "middle") return 0x04;
  if (name == "side") return 0x08;
  if (name == "extra") return 0x10;
  return kNoButton;
}

void take_button(QmpArguments& data, unsigned& held, Actions& actions) {
  const std::string name = data.string("button");
  const bool down = data.boolean("down");
  if (!data.ok()) return;
  if (name == "wheel-up" || name == "wheel-down") {
    if (down) actions.mouse.push_back({0, 0, name == "wheel-up" ? 1 : -1, held});
    return;
  }
  const unsigned bit = button_bit(name);
  if (bit == kNoButton)
    return data.fail("Parameter 'button' does not accept value '" + name + "'");
  held = down ? held | bit : held & ~bit;
  actions.mouse.push_back({0, 0, 0, held});
}

void take_motion(QmpArguments& data, unsigned held, Actions& actions) {
  const std::string axis = data.string("axis");
  const i64 value = data.integer("value");
  if (!data.ok()) return;
  if (axis != "x" && axis != "y")
    return data.fail("Parameter 'axis' does not accept value '" + axis + "'");
  const int counts = static_cast<int>(std::clamp(value, -kFarthest, kFarthest));
  actions.mouse.push_back({axis == "x" ? counts : 0, axis == "y" ? counts : 0, 0, held});
}

}  // namespace

Qmp::Answer Qmp::send_key(const Json& json) {
  QmpArguments arguments(json);
  const Json* const keys = arguments.array("keys");
  const i64 hold_ms = arguments.optional_integer("hold-time").value_or(kSendKeyHoldNs / kMillisecond);
  if (hold_ms <= 0 || hold_ms > kLongestHoldMs)
    arguments.fail("Parameter 'hold-time' expects 1 to 3600000 milliseconds");
  Chord chord;
  if (keys != nullptr) {
    if (keys->empty() || keys->size() > kMostKeys) arguments.fail("Parameter 'keys' expects 1 to 16 keys");
    for (const Json& value : *keys) {
      if (const auto key = take_key(value, arguments)) chord.push_back(*key);
    }
  }
  if (const auto failure = arguments.failure()) return *failure;
  if (world_.queue.replaying()) return Failure{"a replay takes no input"};
  play_chords(world_.queue, world_.machine.now_ns(), std::span(&chord, 1),
              static_cast<u64>(hold_ms) * kMillisecond);
  return Json::object();
}

Qmp::Answer Qmp::input_send_event(const Json& json) {
  QmpArguments arguments(json);
  const Json* const events = arguments.array("events");
  (void)arguments.optional_string("device");
  (void)arguments.optional_integer("head");
  KeyEncoder encoder = keys_;
  Actions actions;
  unsigned held = world_.queue.mouse_buttons();
  for (const Json& item : events != nullptr ? *events : Json::array()) {
    QmpArguments event(item);
    const std::string type = event.string("type");
    const Json* const found = event.object("data");
    const Json empty = Json::object();
    QmpArguments data(found != nullptr ? *found : empty);
    if (found != nullptr && type == "key") {
      const bool down = data.boolean("down");
      const Json* const value = data.object("key");
      const auto key = value != nullptr ? take_key(*value, data) : std::nullopt;
      if (key && down) encoder.press(*key, actions.keys);
      if (key && !down) encoder.release(*key, actions.keys);
    } else if (found != nullptr && type == "btn") {
      take_button(data, held, actions);
    } else if (found != nullptr && type == "rel") {
      take_motion(data, held, actions);
    } else if (found != nullptr && type == "abs") {
      data.fail("there is no pointer with absolute positions");
    } else {
      event.fail("Parameter 'type' does not accept value '" + type + "'");
    }
    if (const auto failure = event.failure()) arguments.fail(failure->description);
    if (const auto failure = data.failure()) arguments.fail(failure->description);
  }
  if (const auto failure = arguments.failure()) return *failure;
  if (world_.queue.replaying()) return Failure{"a replay takes no input"};
  keys_ = encoder;
  world_.queue.push(InputQueue::Target::Keyboard, actions.keys);
  for (const Actions::MouseStep& step : actions.mouse)
    world_.queue.push_mouse(step.dx, step.dy, step.wheel, step.buttons);
  return Json::object();
}

}  // namespace doppel::frontend
