#include "frontend/character/target.h"

#include <doctest/doctest.h>

#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

using Kind = CharacterTarget::Kind;

TEST_CASE("character_target: QEMU's words lead where they lead there") {
  const auto tcp = parse_character_target("tcp:localhost:4444,server,nowait");
  REQUIRE(tcp.ok());
  CHECK(tcp.value().kind == Kind::Tcp);
  CHECK(tcp.value().host == "localhost");
  CHECK(tcp.value().port == "4444");
  CHECK(tcp.value().server);
  CHECK_FALSE(tcp.value().wait);
  CHECK(describe(tcp.value()) == "tcp:localhost:4444,server=on");

  const auto v6 = parse_character_target("telnet:[::1]:23,server=on,wait=off");
  REQUIRE(v6.ok());
  CHECK(v6.value().host == "::1");
  CHECK(v6.value().telnet);
  CHECK(describe(v6.value()) == "telnet:[::1]:23,server=on");

  const auto path = parse_character_target("unix:/tmp/a,server");
  REQUIRE(path.ok());
  CHECK(path.value().path == "/tmp/a");
  CHECK(path.value().wait);  // A server waits unless told not to.

  const auto shared = parse_character_target("mon:tcp::4444");
  REQUIRE(shared.ok());
  CHECK(shared.value().monitor);
  CHECK_FALSE(shared.value().server);
  for (const char* word : {"stdio", "null", "none", "vc", "vc:80Cx24C", "pty", "file:a", "mon:stdio"}) {
    CAPTURE(word);
    CHECK(parse_character_target(word).ok());
  }
}

TEST_CASE("character_target: what is misspelt is refused") {
  const std::string long_path(200, 'x');
  for (const std::string& text :
       {std::string("tcp:host"), std::string("tcp:host:"), std::string("tcp::1,serve"), std::string("tcp::1,wait"),
        std::string("tcp::1,server=perhaps"), std::string("unix:"), "unix:" + long_path, std::string("file:"),
        std::string("mon:null"), std::string("mon:file:a"), std::string("serial"), std::string("")}) {
    CAPTURE(text);
    CHECK_FALSE(parse_character_target(text).ok());
  }
}

TEST_CASE("character_target: -chardev says the same in properties") {
  PropertyList socket("socket,host=::1,port=1,server=on,wait=off,mux=on", "backend");
  const auto target = take_chardev(*socket.take("backend"), socket);
  REQUIRE(target.ok());
  CHECK(target.value().kind == Kind::Tcp);
  CHECK(target.value().monitor);
  CHECK_FALSE(target.value().wait);
  CHECK_FALSE(socket.leftover());
  PropertyList nowhere("socket,server=on", "backend");
  CHECK_FALSE(take_chardev(*nowhere.take("backend"), nowhere).ok());
  PropertyList unknown("braille", "backend");
  CHECK_FALSE(take_chardev(*unknown.take("backend"), unknown).ok());
}

}  // namespace
}  // namespace doppel::frontend
