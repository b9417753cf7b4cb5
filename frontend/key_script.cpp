#include "frontend/key_script.h"

#include <algorithm>

namespace doppel::frontend {

void play_chords(InputQueue& queue, u64 now_ns, std::span<const Chord> chords, u64 hold_ns) {
  u64 time_ns = now_ns;
  if (const auto last = queue.last_due_ns()) time_ns = std::max(time_ns, *last + hold_ns);
  KeyEncoder encoder;
  std::vector<u8> bytes;
  for (const Chord& chord : chords) {
    bytes.clear();
    for (const Key key : chord) encoder.press(key, bytes);
    queue.push_at(time_ns, InputQueue::Target::Keyboard, bytes);
    bytes.clear();
    encoder.release_all(bytes);
    queue.push_at(time_ns + hold_ns, InputQueue::Target::Keyboard, bytes);
    time_ns += 2 * hold_ns;
  }
}

}  // namespace doppel::frontend
