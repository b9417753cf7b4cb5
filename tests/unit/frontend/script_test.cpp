#include "frontend/script.h"

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

constexpr u64 kSecond = 1'000'000'000;

struct Stage {
  std::string screen;
  RecentText serial;
  std::vector<std::string> commands;
  Script::World world{[this] { return screen; }, &serial,
                      [this](const std::string& line) {
                        commands.push_back(line);
                        return std::string();
                      },
                      [](const std::string&) {}};
};

std::unique_ptr<Script> script_of(const std::string& text) {
  auto script = Script::parse("test", text);
  REQUIRE_MESSAGE(script.ok(), script.error().message);
  return script.take();
}

TEST_CASE("script: waits for a text on the screen, then goes on with the monitor") {
  Stage stage;
  const auto script = script_of("# a comment\n\nexpect login:\nsendkey r\nsendkey ret\n");
  CHECK_FALSE(script->look(0, stage.world));
  CHECK(stage.commands.empty());
  CHECK(script->next_look_ns() > 0);
  stage.screen = "debian login: _";
  CHECK_FALSE(script->look(script->next_look_ns(), stage.world));
  CHECK(stage.commands == std::vector<std::string>{"sendkey r", "sendkey ret"});
  CHECK(script->next_look_ns() == ~u64{0});
}

TEST_CASE("script: a text on the serial port counts once") {
  Stage stage;
  const auto script = script_of("expect ready\nexpect ready\nquit\n");
  for (const char c : std::string("ready")) stage.serial.write(static_cast<u8>(c));
  CHECK_FALSE(script->look(0, stage.world));
  CHECK(stage.commands.empty());
  for (const char c : std::string("ready")) stage.serial.write(static_cast<u8>(c));
  CHECK_FALSE(script->look(kSecond, stage.world));
  CHECK(stage.commands.size() == 1);
}

TEST_CASE("script: a text that does not come in time ends the run with what was there") {
  Stage stage;
  stage.screen = "no bootable device";
  const auto script = script_of("timeout 2s\nexpect login:\n");
  CHECK_FALSE(script->look(kSecond, stage.world));
  CHECK_FALSE(script->look(2 * kSecond, stage.world));
  const auto failure = script->look(3 * kSecond, stage.world);
  REQUIRE(failure);
  CHECK(failure->reason == "test:2: 'login:' did not come");
  CHECK(failure->details.find("no bootable device") != std::string::npos);
}

TEST_CASE("script: wait lets virtual time pass and no more") {
  Stage stage;
  const auto script = script_of("wait 500ms\nstop\n");
  CHECK_FALSE(script->look(kSecond, stage.world));
  CHECK(script->next_look_ns() == kSecond + kSecond / 2);
  CHECK_FALSE(script->look(script->next_look_ns(), stage.world));
  CHECK(stage.commands == std::vector<std::string>{"stop"});
}

TEST_CASE("script: a malformed line is named") {
  const auto bad = Script::parse("file", "sendkey a\nwait soon\n");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message.find("file:2") == 0);
  CHECK_FALSE(Script::parse("file", "expect\n").ok());
}

}  // namespace
}  // namespace doppel::frontend
