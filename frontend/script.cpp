#include "frontend/script.h"

#include <algorithm>
#include <sstream>

#include "frontend/file.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

constexpr u64 kNever = ~u64{0};
constexpr u64 kLookEvery = 20'000'000;

}  // namespace

void RecentText::write(u8 byte) {
  if (next_ != nullptr) next_->write(byte);
  text_.push_back(static_cast<char>(byte));
  if (text_.size() > 2 * kMostRemembered) text_.erase(0, text_.size() - kMostRemembered);
}

Result<std::unique_ptr<Script>, Error> Script::load(const std::string& path) {
  DOPPEL_TRY(const std::vector<u8> bytes, read_file(path, u64{1} << 20));
  return parse(path, std::string(bytes.begin(), bytes.end()));
}

Result<std::unique_ptr<Script>, Error> Script::parse(const std::string& name, const std::string& text) {
  std::unique_ptr<Script> script(new Script(name));
  std::istringstream input(text);
  std::string line;
  for (unsigned number = 1; std::getline(input, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    auto parsed = parse_line(line.substr(begin), number);
    if (!parsed.ok()) return Error{name + ":" + std::to_string(number) + ": " + parsed.error().message};
    script->lines_.push_back(parsed.take());
  }
  if (script->lines_.empty()) script->next_look_ns_ = kNever;
  return script;
}

Result<Script::Line, Error> Script::parse_line(const std::string& text, unsigned number) {
  const size_t space = text.find(' ');
  const std::string word = text.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : text.substr(space + 1);
  Line line{Line::Kind::Monitor, number, text};
  if (word == "expect") {
    if (rest.empty()) return Error{"expect: which text?"};
    line.kind = Line::Kind::Expect;
    line.text = rest;
  } else if (word == "timeout" || word == "wait") {
    const auto time = parse_duration_ns(rest);
    if (!time) return Error{word + ": '" + rest + "' is not a duration (30s, 500ms)"};
    line.kind = word == "wait" ? Line::Kind::Wait : Line::Kind::Timeout;
    line.time_ns = *time;
  }
  return line;
}

std::optional<Script::Failure> Script::look(u64 now_ns, const World& world) {
  while (at_ < lines_.size()) {
    const Line& line = lines_[at_];
    if (!since_ns_) since_ns_ = now_ns;
    switch (line.kind) {
      case Line::Kind::Timeout:
        timeout_ns_ = line.time_ns;
        break;
      case Line::Kind::Monitor:
        if (const std::string answer = world.monitor(line.text); !answer.empty()) world.show(answer);
        if (!world.must_wait || !world.must_wait()) break;
        ++at_;
        time_changed();
        return std::nullopt;
      case Line::Kind::Wait:
        if (now_ns - *since_ns_ < line.time_ns) {
          next_look_ns_ = *since_ns_ + line.time_ns;
          return std::nullopt;
        }
        break;
      case Line::Kind::Expect: {
        const bool in_serial = world.serial != nullptr && world.serial->text().find(line.text) != std::string::npos;
        if (in_serial) world.serial->forget();
        if (in_serial || world.screen().find(line.text) != std::string::npos) break;
        if (now_ns - *since_ns_ >= timeout_ns_) return failure(line, world);
        next_look_ns_ = now_ns + kLookEvery;
        return std::nullopt;
      }
    }
    ++at_;
    since_ns_.reset();
  }
  next_look_ns_ = kNever;
  return std::nullopt;
}

void Script::time_changed() {
  since_ns_.reset();
  next_look_ns_ = at_ < lines_.size() ? 0 : kNever;
}

Script::Failure Script::failure(const Line& line, const World& world) const {
  Failure failure;
  failure.reason = name_ + ":" + std::to_string(line.number) + ": '" + line.text + "' did not come";
  if (const std::string screen = world.screen(); !screen.empty())
    failure.details += "The screen:\n" + screen + "\n";
  if (world.serial != nullptr && !world.serial->text().empty()) {
    constexpr size_t kShown = 2000;
    const std::string& serial = world.serial->text();
    failure.details += "The serial port's last words:\n" +
                       serial.substr(serial.size() - std::min(serial.size(), kShown)) + "\n";
  }
  return failure;
}

}  // namespace doppel::frontend
