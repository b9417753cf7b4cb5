#include "frontend/input_queue.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstring>
#include <sstream>

#include "cpu/base/log.h"
#include "devices/keyboard_8042.h"
#include "frontend/file.h"
#include "frontend/machine.h"

namespace doppel::frontend {
namespace {

constexpr const char* kHeading = "doppel-input 3";
constexpr const char* kOldHeadings[] = {"doppel-input 1", "doppel-input 2"};
constexpr const char* kNames[] = {"serial0", "serial1", "keyboard", "mouse", "console", "reset", "power",
                                  "time",    "media",   "nmi",      "net0",  "net1",    "net2",  "net3"};
constexpr size_t kMouseEvent = devices::Keyboard8042::kMouseEventBytes;
constexpr size_t kMostWaiting = 1 << 20;
constexpr size_t kEnoughWaiting = 64 << 10;
/// Frames for one card. A wire holds none: those who speak over it know that some are lost.
constexpr size_t kMostFrames = 1024;

InputPort port_of(InputQueue::Target target) {
  switch (target) {
    case InputQueue::Target::Serial1:
      return InputPort::Serial1;
    case InputQueue::Target::Keyboard:
      return InputPort::Keyboard;
    case InputQueue::Target::Mouse:
      return InputPort::Mouse;
    case InputQueue::Target::Console:
      return InputPort::Console;
    default:
      return InputPort::Serial0;
  }
}

bool takes_bytes(InputQueue::Target target) {
  return static_cast<unsigned>(target) < InputQueue::kReceivers;
}

constexpr unsigned kFirstCard = static_cast<unsigned>(InputQueue::Target::Net0);
static_assert(std::size(kNames) == kFirstCard + InputQueue::kNetworkCards);

bool takes_frames(InputQueue::Target target) { return target >= InputQueue::Target::Net0; }
size_t card_of(InputQueue::Target target) { return static_cast<unsigned>(target) - kFirstCard; }
InputQueue::Target target_of(size_t card) {
  return static_cast<InputQueue::Target>(kFirstCard + card);
}

/// Whether an entry of a recording can have been written by us.
bool fits(InputQueue::Target target, size_t bytes) {
  if (target == InputQueue::Target::Time) return bytes == sizeof(u64);
  if (target == InputQueue::Target::Media) return bytes != 0;
  if (takes_frames(target)) return bytes != 0 && bytes <= devices::kMaxFrameBytes;
  if (!takes_bytes(target)) return bytes == 0;
  return target != InputQueue::Target::Mouse || bytes % kMouseEvent == 0;
}

/// A whole word as a number; a sign or anything behind the digits is damage.
bool parse_whole(std::string_view text, u64& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size();
}

std::optional<std::vector<u8>> parse_bytes(std::string_view text) {
  std::vector<u8> bytes;
  if (text == "-") return bytes;
  if (text.size() % 2 != 0) return std::nullopt;
  for (; !text.empty(); text.remove_prefix(2)) {
    u64 value = 0;
    if (!parse_whole(text.substr(0, 2), value, 16)) return std::nullopt;
    bytes.push_back(static_cast<u8>(value));
  }
  return bytes;
}

}  // namespace

InputQueue::~InputQueue() {
  if (recording_) std::fputs("end\n", recording_.get());
}

Result<void, Error> InputQueue::record_to(const std::string& path) {
  recording_.reset(std::fopen(path.c_str(), "we"));
  if (!recording_) return Error{path + ": " + std::strerror(errno)};
  std::fprintf(recording_.get(), "%s\n", kHeading);
  return {};
}

Result<void, Error> InputQueue::replay_from(const std::string& path) {
  DOPPEL_TRY(const std::vector<u8> bytes, read_file(path));
  std::istringstream lines(std::string(bytes.begin(), bytes.end()));
  std::string line;
  const auto is_heading = [](const std::string& text) {
    return text == kHeading || std::find(std::begin(kOldHeadings), std::end(kOldHeadings), text) !=
                                   std::end(kOldHeadings);
  };
  if (!std::getline(lines, line) || !is_heading(line))
    return Error{path + ": is not a recording of input"};
  Stamp last;
  for (unsigned number = 2; std::getline(lines, line); ++number) {
    if (line == "end") {
      replaying_ = true;
      return {};
    }
    const auto damaged = [&](const char* why) {
      return Error{path + ": line " + std::to_string(number) + ": " + why};
    };
    std::istringstream words(line);
    Entry entry;
    std::string instructions;
    std::string time_ns;
    std::string target;
    std::string data;
    if (!(words >> instructions >> time_ns >> target >> data) ||
        !parse_whole(instructions, entry.stamp.instructions) ||
        !parse_whole(time_ns, entry.stamp.time_ns)) {
      return damaged("is not 'instructions time target bytes'");
    }
    bool found = false;
    for (unsigned i = 0; i < std::size(kNames); ++i) {
      if (target != kNames[i]) continue;
      entry.target = static_cast<Target>(i);
      found = true;
    }
    if (!found) return damaged("names an unknown target");
    auto parsed = parse_bytes(data);
    if (!parsed || !fits(entry.target, parsed->size())) return damaged("has damaged bytes");
    entry.bytes = std::move(*parsed);
    if (entry.stamp.instructions < last.instructions || entry.stamp.time_ns < last.time_ns) {
      return damaged("goes back in time");
    }
    last = entry.stamp;
    recorded_.push_back(std::move(entry));
  }
  return Error{path + ": is cut short"};
}

size_t InputQueue::room(Target target) const {
  if (replaying_ || !takes_bytes(target)) return kEnoughWaiting;
  const size_t waiting = waiting_[static_cast<unsigned>(target)].size();
  return kEnoughWaiting - std::min(kEnoughWaiting, waiting);
}

void InputQueue::push(Target target, std::span<const u8> bytes) {
  if (replaying_ || !takes_bytes(target)) return;
  std::deque<u8>& queue = waiting_[static_cast<unsigned>(target)];
  if (queue.size() + bytes.size() > kMostWaiting) return;
  queue.insert(queue.end(), bytes.begin(), bytes.end());
}

void InputQueue::push_at(u64 time_ns, Target target, std::span<const u8> bytes) {
  if (replaying_ || !takes_bytes(target) || later_bytes_ + bytes.size() > kMostWaiting) return;
  later_.emplace(time_ns, Later{target, std::vector<u8>(bytes.begin(), bytes.end())});
  later_bytes_ += bytes.size();
}

void InputQueue::push_mouse(int dx, int dy, int wheel, unsigned buttons) {
  constexpr int kFarthest = 0x7fff;
  const auto x = static_cast<u16>(std::clamp(dx, -kFarthest, kFarthest));
  const auto y = static_cast<u16>(std::clamp(dy, -kFarthest, kFarthest));
  const u8 event[kMouseEvent] = {static_cast<u8>(x),
                                 static_cast<u8>(x >> 8),
                                 static_cast<u8>(y),
                                 static_cast<u8>(y >> 8),
                                 static_cast<u8>(std::clamp(wheel, -0x7f, 0x7f)),
                                 static_cast<u8>(buttons)};
  mouse_buttons_ = buttons;
  push(Target::Mouse, event);
}

void InputQueue::push_frame(size_t card, std::span<const u8> frame) {
  if (replaying_ || card >= frames_.size() || frames_[card].size() >= kMostFrames) return;
  if (frame.empty() || frame.size() > devices::kMaxFrameBytes) return;
  frames_[card].emplace_back(frame.begin(), frame.end());
}

void InputQueue::push_reset() {
  if (!replaying_) reset_waiting_ = true;
}

void InputQueue::push_power_button() {
  if (!replaying_) power_waiting_ = true;
}

void InputQueue::forget() {
  for (auto& queue : waiting_) queue.clear();
  for (auto& queue : frames_) queue.clear();
  later_.clear();
  later_bytes_ = 0;
  media_waiting_.clear();
  reset_waiting_ = power_waiting_ = nmi_waiting_ = false;
}

void InputQueue::push_media(MediaChange change) {
  if (!replaying_) media_waiting_.push_back(std::move(change));
}

void InputQueue::push_nmi() {
  if (!replaying_) nmi_waiting_ = true;
}

bool InputQueue::pending(u64 now_ns) const {
  for (const auto& queue : waiting_) {
    if (!queue.empty()) return true;
  }
  for (const auto& queue : frames_) {
    if (!queue.empty()) return true;
  }
  return reset_waiting_ || power_waiting_ || nmi_waiting_ || !media_waiting_.empty() ||
         (!later_.empty() && later_.begin()->first <= now_ns);
}

bool InputQueue::deliverable(Machine& machine) const {
  const auto has_room = [&machine](Target target) {
    return machine.receiver(port_of(target)).room() > 0;
  };
  for (unsigned i = 0; i < kReceivers; ++i) {
    if (!waiting_[i].empty() && has_room(static_cast<Target>(i))) return true;
  }
  for (size_t card = 0; card < frames_.size(); ++card) {
    if (!frames_[card].empty() && machine.can_receive_frame(card)) return true;
  }
  for (const auto& [time_ns, later] : later_) {
    if (time_ns > machine.now_ns()) break;
    if (has_room(later.target)) return true;
  }
  return reset_waiting_ || power_waiting_ || nmi_waiting_ || !media_waiting_.empty();
}

std::optional<u64> InputQueue::next_due_ns() const {
  if (later_.empty()) return std::nullopt;
  return later_.begin()->first;
}

std::optional<u64> InputQueue::last_due_ns() const {
  if (later_.empty()) return std::nullopt;
  return later_.rbegin()->first;
}

/// What waited for its moment waits for room from now on.
void InputQueue::take_due(u64 now_ns) {
  while (!later_.empty() && later_.begin()->first <= now_ns) {
    const Later& later = later_.begin()->second;
    later_bytes_ -= later.bytes.size();
    push(later.target, later.bytes);
    later_.erase(later_.begin());
  }
}

std::optional<InputQueue::Stamp> InputQueue::next_stamp() const {
  if (recorded_.empty()) return std::nullopt;
  return recorded_.front().stamp;
}

InputQueue::Delivered InputQueue::deliver(Machine& machine) {
  return replaying_ ? deliver_recorded(machine) : deliver_from_host(machine);
}

InputQueue::Delivered InputQueue::deliver_recorded(Machine& machine) {
  Delivered result = Delivered::Nothing;
  while (!recorded_.empty()) {
    const Entry& entry = recorded_.front();
    const u64 instructions = machine.cpu().state.retired;
    if (entry.stamp.instructions > instructions) break;
    if (entry.stamp.instructions == instructions && entry.stamp.time_ns > machine.now_ns()) break;
    if (entry.stamp.instructions < instructions || entry.stamp.time_ns < machine.now_ns()) {
      diverged_ = true;
      break;
    }
    if (entry.target == Target::Reset) {
      recorded_.pop_front();
      return Delivered::Reset;
    }
    if (entry.target == Target::Power) {
      recorded_.pop_front();
      machine.press_power_button();
      result = Delivered::Input;
      continue;
    }
    if (entry.target == Target::Nmi) {
      recorded_.pop_front();
      machine.press_nmi_button();
      result = Delivered::Input;
      continue;
    }
    if (entry.target == Target::Time) {
      u64 time_ns = 0;
      std::memcpy(&time_ns, entry.bytes.data(), sizeof time_ns);
      recorded_.pop_front();
      machine.skip_to(time_ns);
      result = Delivered::Input;
      continue;
    }
    if (entry.target == Target::Media) {
      if (!replay_media(machine, entry.bytes)) break;
      recorded_.pop_front();
      result = Delivered::Input;
      continue;
    }
    if (takes_frames(entry.target)) {
      const size_t card = card_of(entry.target);
      diverged_ = !machine.can_receive_frame(card);
      if (diverged_) break;
      machine.receive_frame(card, entry.bytes);
      recorded_.pop_front();
      result = Delivered::Input;
      continue;
    }
    const InputPort port = port_of(entry.target);
    if (machine.receiver(port).room() < entry.bytes.size()) {
      diverged_ = true;
      break;
    }
    for (const u8 byte : entry.bytes) machine.receive(port, byte);
    recorded_.pop_front();
    result = Delivered::Input;
  }
  return result;
}

/// False: what was put in then cannot be put in now.
bool InputQueue::replay_media(Machine& machine, const std::vector<u8>& bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto change = MediaChange::parse(text);
  const auto drive = change.ok() ? machine.find_drive(change->drive) : std::nullopt;
  if (drive) {
    const auto opened = machine.open_medium(*change);
    if (opened.ok()) {
      machine.change_medium(*change);
      return true;
    }
    log::warn("machine", "%s", opened.error().message.c_str());
  } else {
    log::warn("machine", "the recording changes the medium of a drive that does not exist");
  }
  diverged_ = true;
  return false;
}

void InputQueue::jump(Machine& machine, u64 time_ns) {
  std::vector<u8> bytes(sizeof time_ns);
  std::memcpy(bytes.data(), &time_ns, sizeof time_ns);
  write_entry({machine.cpu().state.retired, machine.now_ns()}, Target::Time, bytes);
  machine.skip_to(time_ns);
}

InputQueue::Delivered InputQueue::deliver_from_host(Machine& machine) {
  const Stamp stamp{machine.cpu().state.retired, machine.now_ns()};
  if (reset_waiting_) {
    reset_waiting_ = false;
    write_entry(stamp, Target::Reset, {});
    return Delivered::Reset;
  }
  take_due(stamp.time_ns);
  Delivered result = Delivered::Nothing;
  if (power_waiting_) {
    power_waiting_ = false;
    write_entry(stamp, Target::Power, {});
    machine.press_power_button();
    result = Delivered::Input;
  }
  for (; !media_waiting_.empty(); media_waiting_.pop_front()) {
    const std::string text = media_waiting_.front().text();
    write_entry(stamp, Target::Media, std::vector<u8>(text.begin(), text.end()));
    machine.change_medium(media_waiting_.front());
    result = Delivered::Input;
  }
  if (nmi_waiting_) {
    nmi_waiting_ = false;
    write_entry(stamp, Target::Nmi, {});
    machine.press_nmi_button();
    result = Delivered::Input;
  }
  for (unsigned i = 0; i < kReceivers; ++i) {
    std::deque<u8>& queue = waiting_[i];
    if (queue.empty()) continue;
    const InputPort port = port_of(static_cast<Target>(i));
    // What there is room for before the first byte: a replay asks for room for all of them.
    const size_t count = std::min<size_t>(queue.size(), machine.receiver(port).room());
    const auto end = queue.begin() + static_cast<std::ptrdiff_t>(count);
    const std::vector<u8> bytes(queue.begin(), end);
    queue.erase(queue.begin(), end);
    for (const u8 byte : bytes) machine.receive(port, byte);
    if (bytes.empty()) continue;
    write_entry(stamp, static_cast<Target>(i), bytes);
    result = Delivered::Input;
  }
  if (deliver_frames(machine, stamp)) result = Delivered::Input;
  return result;
}

bool InputQueue::deliver_frames(Machine& machine, const Stamp& stamp) {
  bool any = false;
  for (size_t card = 0; card < frames_.size(); ++card) {
    std::deque<std::vector<u8>>& queue = frames_[card];
    while (!queue.empty() && machine.can_receive_frame(card)) {
      machine.receive_frame(card, queue.front());
      write_entry(stamp, target_of(card), queue.front());
      queue.pop_front();
      any = true;
    }
  }
  return any;
}

void InputQueue::write_entry(const Stamp& stamp, Target target, const std::vector<u8>& bytes) {
  if (!recording_) return;
  std::fprintf(recording_.get(), "%" PRIu64 " %" PRIu64 " %s ", stamp.instructions, stamp.time_ns,
               kNames[static_cast<unsigned>(target)]);
  if (bytes.empty()) std::fputs("-", recording_.get());
  for (const u8 byte : bytes) std::fprintf(recording_.get(), "%02x", byte);
  std::fputs("\n", recording_.get());
  std::fflush(recording_.get());
}

}  // namespace doppel::frontend
