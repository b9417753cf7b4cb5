#include "frontend/input_queue.h"

#include <cstdio>

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"

namespace doppel::frontend {
namespace {

/// What a recording with these lines is refused for; empty if it is taken.
std::string refusal(const std::string& text) {
  const std::string path = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_replay";
  REQUIRE(write_file(path, text.data(), text.size()).ok());
  InputQueue queue;
  const auto result = queue.replay_from(path);
  std::remove(path.c_str());
  if (result.ok()) return {};
  CHECK(result.error().message.starts_with(path + ": "));
  CHECK_FALSE(queue.replaying());
  return result.error().message;
}

TEST_CASE("input_queue: a whole recording is taken") {
  CHECK(refusal("doppel-input 1\n5 20 serial0 4a0d\n5 21 keyboard 1c\n9 99 reset -\nend\n").empty());
  CHECK(refusal("doppel-input 1\nend\n").empty());
}

TEST_CASE("input_queue: a damaged recording is refused with the line where it is damaged") {
  const char* const damaged[] = {
      "1 2 serial0", "1 serial0 41", "-1 2 serial0 41", "1 -2 serial0 41", "+1 2 serial0 41",
      "1x 2 serial0 41", "99999999999999999999 2 serial0 41", "1 2 serial2 41", "1 2 serial0 4",
      "1 2 serial0 -1", "1 2 serial0 +1", "1 2 serial0 0x", "1 2 serial0 4g", "",
  };
  for (const std::string line : damaged) {
    CAPTURE(line);
    CHECK(refusal("doppel-input 1\n0 0 serial0 41\n" + line + "\nend\n").find("line 3") != std::string::npos);
  }
}

TEST_CASE("input_queue: a recording that goes back in time or has no end is refused") {
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n4 20 serial0 41\nend\n").empty());
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n5 19 serial0 41\nend\n").empty());
  CHECK_FALSE(refusal("doppel-input 1\n5 20 serial0 41\n").empty());
  CHECK_FALSE(refusal("doppel-input 2\nend\n").empty());
  CHECK_FALSE(refusal("").empty());
}

}  // namespace
}  // namespace doppel::frontend
