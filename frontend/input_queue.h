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
//     doppel-input 3
//     <instructions> <virtual ns> <target> <bytes in hexadecimal>
//
// with these targets, and the line `end`, which closes the list:
//
//     serial0, serial1   bytes on the wire
//     keyboard           scan set 2
//     mouse              whole events of six bytes: motion to the right and down as 16 bits each,
//                        lowest byte first, the wheel (positive: away from the hand), the buttons
//                        held (bit 0 left, 1 right, 2 middle, 3 and 4 side)
//     console            bytes typed at a virtio console
//     reset, power       the buttons of the case; no bytes: "-"
//     media              a change of a removable medium as text (frontend/media_change.h)
//     nmi                a non-maskable interrupt, which no button of the case gives: "-"
//     time               eight bytes, lowest first: virtual time jumps to this moment, because a
//                        person is watching and the machine was too slow
//     net0 ... net3      a frame for that network card
//
// Format 2 is the same without frames, format 1 without mouse, power and time as well; both are read.
//
// What a script types must not arrive all at once: bytes may also wait for a moment of virtual
// time.

#include <array>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "devices/pc_board.h"
#include "frontend/media_change.h"

namespace doppel::frontend {

class Machine;

class InputQueue {
 public:
  enum class Target : u8 { Serial0, Serial1, Keyboard, Mouse, Console, Reset, Power, Time, Media, Nmi, Net0 };
  static constexpr unsigned kReceivers = 5;  ///< Targets that take bytes.
  static constexpr size_t kNetworkCards = devices::BoardConfig::kMostNics;  ///< Net0 and after it.

  InputQueue() = default;
  ~InputQueue();
  InputQueue(const InputQueue&) = delete;
  InputQueue& operator=(const InputQueue&) = delete;

  /// Writes what is delivered from now on. @errors "NAME: reason"
  Result<void, Error> record_to(const std::string& path);
  /// Takes input from a recording. @errors "NAME: reason", with the line where it is damaged.
  Result<void, Error> replay_from(const std::string& path);
  bool replaying() const { return replaying_; }
  bool recording() const { return recording_ != nullptr; }
  /// What waits was meant for a machine that is no more.
  void forget();

  // From the host; ignored in a replay. Where far too much waits already, what comes is dropped as
  // a whole: half a key press would be another one.

  /// How many bytes it is sensible to push now; what waits outside is not lost.
  size_t room(Target target) const;
  void push(Target target, u8 byte) { push(target, std::span(&byte, 1)); }
  void push(Target target, std::span<const u8> bytes);
  /// Bytes that wait until this moment of virtual time.
  void push_at(u64 time_ns, Target target, std::span<const u8> bytes);
  /// Relative motion in counts, right and down positive, wheel away from the hand; `buttons` is
  /// what is held from now on.
  void push_mouse(int dx, int dy, int wheel, unsigned buttons);
  /// What was last said to be held.
  unsigned mouse_buttons() const { return mouse_buttons_; }
  /// An Ethernet frame, which waits until the card has room.
  void push_frame(size_t card, std::span<const u8> frame);
  void push_reset();
  void push_power_button();
  /// The medium has been opened.
  void push_media(MediaChange change);
  void push_nmi();

  /// Something waits to be delivered as soon as the machine can take it.
  bool pending(u64 now_ns) const;
  /// Some of that could be delivered now.
  bool deliverable(Machine& machine) const;
  bool reset_pending() const { return reset_waiting_; }
  bool power_button_pending() const { return power_waiting_; }
  /// The first moment that bytes wait for, and the last one.
  std::optional<u64> next_due_ns() const;
  std::optional<u64> last_due_ns() const;

  /// Moment of the next entry of a replay.
  struct Stamp {
    u64 instructions = 0;
    u64 time_ns = 0;
  };
  std::optional<Stamp> next_stamp() const;

  enum class Delivered : u8 { Nothing, Input, Reset };
  /// Hands over what the machine can take now. Only between instructions.
  Delivered deliver(Machine& machine);
  /// Virtual time jumps. Only between instructions, and not in a replay, which does it by itself.
  void jump(Machine& machine, u64 time_ns);
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
  bool replay_media(Machine& machine, const std::vector<u8>& bytes);
  void take_due(u64 now_ns);
  bool deliver_frames(Machine& machine, const Stamp& stamp);
  void write_entry(const Stamp& stamp, Target target, const std::vector<u8>& bytes);

  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Later {
    Target target = Target::Serial0;
    std::vector<u8> bytes;
  };
  std::array<std::deque<u8>, kReceivers> waiting_;
  std::array<std::deque<std::vector<u8>>, kNetworkCards> frames_;
  std::multimap<u64, Later> later_;  // Equal moments keep their order.
  size_t later_bytes_ = 0;
  unsigned mouse_buttons_ = 0;
  bool reset_waiting_ = false;
  bool power_waiting_ = false;
  std::deque<MediaChange> media_waiting_;
  bool nmi_waiting_ = false;
  std::unique_ptr<std::FILE, Closer> recording_;
  bool replaying_ = false;
  bool diverged_ = false;
  std::deque<Entry> recorded_;
};

}  // namespace doppel::frontend
