#pragma once

// What a person would do at the machine, written down: wait for a text, type, look, go on.
//
//     expect GNU GRUB         until the screen or the first serial port shows this text
//     timeout 30s             how long each expect after this waits, in virtual time (60s at first)
//     wait 500ms              virtual time
//     sendkey down            any other line is a line for the monitor
//
// Empty lines and lines that begin with # are skipped. The script looks at fixed moments of virtual
// time, so the same script gives the same run. A text that does not come ends the run with status
// 110 and shows what was there instead.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "devices/endpoints.h"

namespace doppel::frontend {

/// Passes bytes on and remembers the last of them as text.
class RecentText final : public devices::ByteSink {
 public:
  /// `next` may be null.
  explicit RecentText(devices::ByteSink* next = nullptr) : next_(next) {}
  void write(u8 byte) override;
  void set_next(devices::ByteSink* next) { next_ = next; }
  const std::string& text() const { return text_; }
  /// What was seen is not found again.
  void forget() { text_.clear(); }

 private:
  static constexpr size_t kMostRemembered = 64 << 10;
  devices::ByteSink* next_;
  std::string text_;
};

class Script {
 public:
  /// @errors "NAME:LINE: reason"
  static Result<std::unique_ptr<Script>, Error> load(const std::string& path);
  static Result<std::unique_ptr<Script>, Error> parse(const std::string& name, const std::string& text);

  /// What the script sees and does.
  struct World {
    std::function<std::string()> screen;                        ///< Empty: no text mode.
    RecentText* serial = nullptr;                               ///< Null: there is none.
    std::function<std::string(const std::string&)> monitor;     ///< Runs a line; its answer.
    std::function<void(const std::string&)> show;               ///< Tells the person.
    /// After a line for the monitor: the machine has to go on before the next line. May be empty.
    std::function<bool()> must_wait = {};
  };

  /// The moment at which `look` wants to be called; ~0 when it is over.
  u64 next_look_ns() const { return next_look_ns_; }
  /// Why the run must end, in a line, and what was there instead.
  struct Failure {
    std::string reason;
    std::string details;
  };
  /// Goes on as far as it can.
  std::optional<Failure> look(u64 now_ns, const World& world);
  /// Virtual time is another one: another machine was loaded.
  void time_changed();

 private:
  struct Line {
    enum class Kind : u8 { Expect, Timeout, Wait, Monitor };
    Kind kind;
    unsigned number;
    std::string text;
    u64 time_ns = 0;
  };

  explicit Script(std::string name) : name_(std::move(name)) {}
  static Result<Line, Error> parse_line(const std::string& text, unsigned number);
  Failure failure(const Line& line, const World& world) const;

  std::string name_;
  std::vector<Line> lines_;
  size_t at_ = 0;
  u64 timeout_ns_ = u64{60} * 1'000'000'000;
  std::optional<u64> since_ns_;  // When the line at hand was reached.
  u64 next_look_ns_ = 0;
};

}  // namespace doppel::frontend
