#include <doctest/doctest.h>

#include "frontend/options.h"

namespace doppel::frontend {
namespace {

using Kind = AudioOptions::Backend::Kind;

std::string error_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  return parsed.ok() ? "" : parsed.error().message;
}

TEST_CASE("options: sound cards and the speaker are plugged into an audiodev by its id") {
  const auto parsed = parse_options({"-device", "AC97,audiodev=a", "-device", "sb16", "-machine", "pc,pcspk-audiodev=a",
                                     "-audiodev", "wav,id=a,path=x.wav,out.frequency=48000"});
  REQUIRE(parsed.ok());
  const AudioOptions& audio = parsed.value().audio;
  REQUIRE(audio.backends.size() == 1);
  CHECK(audio.backends[0].kind == Kind::Wav);
  CHECK(audio.backends[0].path == "x.wav");
  CHECK(audio.backends[0].rate_hz == 48000);
  REQUIRE(audio.cards.size() == 2);
  CHECK(audio.cards[0].model == "AC97");
  CHECK(audio.cards[0].audiodev == "a");
  CHECK(audio.speaker_audiodev == "a");
}

TEST_CASE("options: -audio is a backend and a card in one word") {
  const auto parsed = parse_options({"-audio", "none,model=ac97"});
  REQUIRE(parsed.ok());
  const AudioOptions& audio = parsed.value().audio;
  CHECK(audio.backends[0].kind == Kind::None);
  CHECK(audio.cards[0].model == "AC97");
  CHECK(audio.cards[0].audiodev == audio.backends[0].id);
}

TEST_CASE("options: what is wrong with sound is refused by name") {
  CHECK(error_of({"-audiodev", "oss,id=a"}).find("oss") != std::string::npos);
  CHECK(error_of({"-audiodev", "wav"}).find("id=") != std::string::npos);
  CHECK(error_of({"-audiodev", "wav,id=a,out.frequency=7"}).find("out.frequency=7") != std::string::npos);
  CHECK(error_of({"-audiodev", "none,id=a", "-audiodev", "none,id=a"}).find("twice") != std::string::npos);
  CHECK(error_of({"-device", "AC97,audiodev=b"}).find("'b'") != std::string::npos);
  CHECK(error_of({"-device", "AC97", "-device", "AC97"}).find("one AC97") != std::string::npos);
  CHECK(error_of({"-device", "sb16,irq=7"}).find("irq") != std::string::npos);
  CHECK(error_of({"-machine", "pc,pcspk-audiodev=b"}).find("'b'") != std::string::npos);
  CHECK(error_of({"-audio", "none,model=gus"}).find("gus") != std::string::npos);
}

TEST_CASE("options: the host's loudspeaker goes with the window") {
  CHECK(parse_options({}).value().audio.follows_window);
  CHECK_FALSE(parse_options({"-display", "none"}).value().audio.follows_window);
}

TEST_CASE("options: -action says what follows a panic, a reset, a shutdown") {
  CHECK(parse_options({}).value().on_panic == PanicAction::ExitFailure);
  const auto parsed = parse_options({"-action", "panic=pause,reboot=shutdown", "-device", "pvpanic"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().on_panic == PanicAction::Pause);
  CHECK(parsed.value().no_reboot);
  CHECK_FALSE(parsed.value().no_shutdown);
  CHECK(parsed.value().has_pvpanic);
  CHECK(error_of({"-action", "panic=dance"}).find("dance") != std::string::npos);
  CHECK(error_of({"-action", "watchdog=frob"}).find("watchdog") != std::string::npos);
}

}  // namespace
}  // namespace doppel::frontend
