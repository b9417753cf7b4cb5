#include "frontend/input_queue.h"

#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstring>
#include <sstream>

#include "frontend/file.h"
#include "frontend/machine.h"

namespace doppel::frontend {
namespace {

constexpr const char* kHeading = "doppel-input 1";
constexpr const char* kNames[] = {"serial0", "serial1", "keyboard", "reset"};
constexpr size_t kMostWaiting = 1 << 20;

InputPort port_of(InputQueue::Target target) {
  switch (target) {
    case InputQueue::Target::Serial1:
      return InputPort::Serial1;
    case InputQueue::Target::Keyboard:
      return InputPort::Keyboard;
    default:
      return InputPort::Serial0;
  }
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
  if (!std::getline(lines, line) || line != kHeading)
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
    if (!parsed) return damaged("has damaged bytes");
    entry.bytes = std::move(*parsed);
    if (entry.stamp.instructions < last.instructions || entry.stamp.time_ns < last.time_ns) {
      return damaged("goes back in time");
    }
    last = entry.stamp;
    recorded_.push_back(std::move(entry));
  }
  return Error{path + ": is cut short"};
}

void InputQueue::push(Target target, u8 byte) {
  if (replaying_ || target == Target::Reset) return;
  std::deque<u8>& queue = waiting_[static_cast<unsigned>(target)];
  if (queue.size() < kMostWaiting) queue.push_back(byte);
}

void InputQueue::push_reset() {
  if (!replaying_) reset_waiting_ = true;
}

bool InputQueue::pending() const {
  for (const auto& queue : waiting_) {
    if (!queue.empty()) return true;
  }
  return reset_waiting_;
}

bool InputQueue::deliverable(Machine& machine) const {
  for (unsigned i = 0; i < kReceivers; ++i) {
    const InputPort port = port_of(static_cast<Target>(i));
    if (!waiting_[i].empty() && machine.receiver(port).room() > 0) return true;
  }
  return reset_waiting_;
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
    const InputPort port = port_of(entry.target);
    if (machine.receiver(port).room() < entry.bytes.size()) {
      diverged_ = true;
      break;
    }
    for (const u8 byte : entry.bytes) machine.receive(port, byte);
    recorded_.pop_front();
    result = Delivered::Bytes;
  }
  return result;
}

InputQueue::Delivered InputQueue::deliver_from_host(Machine& machine) {
  const Stamp stamp{machine.cpu().state.retired, machine.now_ns()};
  if (reset_waiting_) {
    reset_waiting_ = false;
    write_entry(stamp, Target::Reset, {});
    return Delivered::Reset;
  }
  Delivered result = Delivered::Nothing;
  for (unsigned i = 0; i < kReceivers; ++i) {
    std::deque<u8>& queue = waiting_[i];
    if (queue.empty()) continue;
    const InputPort port = port_of(static_cast<Target>(i));
    std::vector<u8> bytes;
    while (!queue.empty() && machine.receiver(port).room() > 0) {
      bytes.push_back(queue.front());
      queue.pop_front();
      machine.receive(port, bytes.back());
    }
    if (bytes.empty()) continue;
    write_entry(stamp, static_cast<Target>(i), bytes);
    result = Delivered::Bytes;
  }
  return result;
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
