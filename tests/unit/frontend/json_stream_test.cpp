#include "frontend/monitor/json_stream.h"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

using Kind = JsonStream::Message::Kind;

std::vector<JsonStream::Message> messages(JsonStream& stream, std::string_view text) {
  std::vector<JsonStream::Message> out;
  for (const char letter : text) {
    if (auto message = stream.take(static_cast<u8>(letter))) out.push_back(*message);
  }
  return out;
}

TEST_CASE("json_stream: an object ends with its outermost brace, wherever lines end") {
  JsonStream stream;
  const auto found = messages(stream, "{\"a\":{\"b\":[1]}}{}\r\n { \"c\" :\n2 }\n{\"d\"");
  REQUIRE(found.size() == 3);
  CHECK(found[0].text == "{\"a\":{\"b\":[1]}}");
  CHECK(found[1].text == "{}");
  CHECK(found[2].text == "{ \"c\" :\n2 }");
  const auto rest = messages(stream, ":3}");
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].text == "{\"d\":3}");
}

TEST_CASE("json_stream: braces and quotes inside a string are text") {
  JsonStream stream;
  const auto found = messages(stream, R"({"a":"}{\"}\\"})");
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::Object);
}

TEST_CASE("json_stream: damage is told once and lasts until the end of the line") {
  for (const char* damage : {"hello {}", "]", "{\"a", "[1,{}]"}) {
    CAPTURE(damage);
    JsonStream stream;
    const auto found = messages(stream, std::string(damage) + "\n{}");
    REQUIRE(found.size() == 2);
    CHECK(found[0].kind == Kind::Damaged);
    CHECK(found[1].kind == Kind::Object);
  }
}

TEST_CASE("json_stream: an object may neither be endless nor bottomless") {
  JsonStream stream;
  const auto found = messages(stream, "{\"a\":\"" + std::string(JsonStream::kLongest, 'x') + "\"}\n{}");
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == Kind::TooLong);
  CHECK(found[1].kind == Kind::Object);
  const auto deep = messages(stream, "{\"a\":" + std::string(JsonStream::kDeepest, '[') + "\n{}");
  REQUIRE(deep.size() == 2);
  CHECK(deep[0].kind == Kind::Damaged);
}

}  // namespace
}  // namespace doppel::frontend
