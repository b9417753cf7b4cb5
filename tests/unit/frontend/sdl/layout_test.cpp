#include "frontend/sdl/layout.h"

#include <doctest/doctest.h>

namespace doppel::frontend::sdl {
namespace {

TEST_CASE("layout: the picture keeps its shape and stands in the middle") {
  CHECK(fit(640, 480, 640, 480) == Box{0, 0, 640, 480});
  CHECK(fit(640, 480, 1280, 1000) == Box{0, 20, 1280, 960});
  CHECK(fit(640, 480, 1920, 1080) == Box{240, 0, 1440, 1080});
  CHECK(fit(640, 480, 320, 480) == Box{0, 120, 320, 240});
  CHECK(fit(720, 400, 1, 1000) == Box{0, 499, 1, 1});
}

TEST_CASE("layout: without a picture or without room there is no box") {
  CHECK(fit(0, 480, 640, 480) == Box{});
  CHECK(fit(640, 0, 640, 480) == Box{});
  CHECK(fit(640, 480, 0, 480) == Box{});
}

TEST_CASE("layout: only whole factors keep the pixels sharp") {
  CHECK(is_whole_factor(320, fit(320, 200, 960, 600)));
  CHECK_FALSE(is_whole_factor(320, fit(320, 200, 800, 600)));
  CHECK_FALSE(is_whole_factor(0, Box{}));
}

TEST_CASE("layout: the title says what the machine does") {
  CHECK(title("", false, 123, false) == "doppel - running - 123 MIPS");
  CHECK(title("xp", false, 7, true) == "doppel [xp] - running - 7 MIPS - disk");
  CHECK(title("xp", true, 7, false) == "doppel [xp] - paused");
}

TEST_CASE("layout: the speed is measured over half a second") {
  SpeedMeter meter;
  CHECK(meter.update(1'000, 5, 1'000'000'000));
  CHECK_FALSE(meter.update(100'000'000, 6, 1'400'000'000));
  CHECK(meter.update(50'001'000, 6, 1'500'000'000));
  CHECK(meter.mips() == 100);
  CHECK(meter.disk());
  CHECK(meter.update(50'001'000, 6, 2'000'000'000));
  CHECK(meter.mips() == 0);
  CHECK_FALSE(meter.disk());
  CHECK(meter.update(5, 6, 3'000'000'000));  // A saved machine was loaded.
  CHECK(meter.mips() == 0);
}

}  // namespace
}  // namespace doppel::frontend::sdl
