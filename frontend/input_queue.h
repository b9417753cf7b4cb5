#pragma once

// The one door for everything the host feeds into a machine.
//
// Host bytes wait here until the machine can take them; the moment they are handed over is stamped
// with the instruction count and the virtual time, and written to the recording. A replay hands
// over the same bytes at the same moments and takes nothing from the host: the machine cannot tell
// the two apart.
//
// Recording, text, one entry a line after the heading:
//
//     doppel-input 1
//     <instructions> <virtual ns> <target> <bytes in hexadecimal>
//
// with target serial0, serial1, keyboard, reset (no bytes: "-") or end, which closes the list.

#include <array>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

class Machine;

class InputQueue {
 public:
  enum class Target : u8 { Serial0, Serial1, Keyboard, Reset };
  static constexpr unsigned kReceivers = 3;  ///< Targets that take bytes.

  InputQueue() = default;
  ~InputQueue();
  InputQueue(const InputQueue&) = delete;
  InputQueue& operator=(const InputQueue&) = delete;

  /// Writes what is delivered from now on. @errors "NAME: reason"
  Result<void, Error> record_to(const std::string& path);
  /// Takes input from a recording. @errors "NAME: reason", with the line where it is damaged.
  Result<void, Error> replay_from(const std::string& path);
  bool replaying() const { return replaying_; }

  /// From the host; ignored in a replay.
  void push(Target target, u8 byte);
  void push_reset();
  /// Something waits to be delivered as soon as the machine can take it.
  bool pending() const;
  /// Some of that could be delivered now.
  bool deliverable(Machine& machine) const;
  bool reset_pending() const { return reset_waiting_; }

  /// Moment of the next entry of a replay.
  struct Stamp {
    u64 instructions = 0;
    u64 time_ns = 0;
  };
  std::optional<Stamp> next_stamp() const;

  enum class Delivered : u8 { Nothing, Bytes, Reset };
  /// Hands over what the machine can take now. Only between instructions.
  Delivered deliver(Machine& machine);
  /// A replay's machine is past an entry's moment, or cannot take what it once took.
  bool diverged() const { return diverged_; }

 private:
  struct Entry {
    Stamp stamp;
    Target target = Target::Serial0;
    std::vector<u8> bytes;
  };
  Delivered deliver_recorded(Machine& machine);
  Delivered deliver_from_host(Machine& machine);
  void write_entry(const Stamp& stamp, Target target, const std::vector<u8>& bytes);

  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::array<std::deque<u8>, kReceivers> waiting_;
  bool reset_waiting_ = false;
  std::unique_ptr<std::FILE, Closer> recording_;
  bool replaying_ = false;
  bool diverged_ = false;
  std::deque<Entry> recorded_;
};

}  // namespace doppel::frontend
