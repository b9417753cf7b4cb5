#include "frontend/key_script.h"

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

TEST_CASE("key_script: a script begins now, and lets go of its last key after the hold") {
  InputQueue queue;
  const std::vector<Chord> chords = {{Key::A}, {Key::Shift, Key::B}};
  play_chords(queue, 1000, chords, 10);
  CHECK(queue.next_due_ns() == 1000);
  CHECK(queue.last_due_ns() == 1030);
}

TEST_CASE("key_script: a second script waits for the first one") {
  InputQueue queue;
  const std::vector<Chord> chords = {{Key::A}};
  play_chords(queue, 1000, chords, 10);
  play_chords(queue, 1001, chords, 10);
  CHECK(queue.next_due_ns() == 1000);
  CHECK(queue.last_due_ns() == 1030);
}

}  // namespace
}  // namespace doppel::frontend
