#include "frontend/monitor/qmp.h"

#include <optional>

#include <doctest/doctest.h>

#include "frontend/monitor/qmp_session.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// What goes to a client.
class Wire final : public CharacterDevice {
 public:
  Wire() : CharacterDevice("wire") {}
  void write(u8 byte) override { text += static_cast<char>(byte); }
  std::string description() const override { return "wire"; }
  std::string text;
};

/// A client at a machine that sleeps.
class QmpRig {
 public:
  QmpRig()
      : machine({0xfb, 0xf4, 0xeb, 0xfd}),  // sti; again: hlt; jmp again
        loop(*machine, queue, characters, config()),
        hmp(*machine, loop, queue, nullptr),
        qmp({*machine, loop, queue, hmp, facts}),
        session(qmp, wire, false) {
    session.opened();
  }

  /// What is answered, line by line.
  std::vector<Json> operator()(std::string_view text) {
    wire.text.clear();
    session.received(std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
    std::vector<Json> lines;
    for (size_t at = 0; at < wire.text.size();) {
      const size_t end = wire.text.find("\r\n", at);
      REQUIRE(end != std::string::npos);
      lines.push_back(Json::parse(wire.text.substr(at, end - at), nullptr, false));
      at = end + 2;
    }
    return lines;
  }
  Json one(std::string_view text) {
    const auto lines = (*this)(text);
    REQUIRE(lines.size() == 1);
    return lines[0];
  }
  void negotiate() { CHECK(one(R"({"execute":"qmp_capabilities"})") == Json{{"return", Json::object()}}); }

 private:
  RunConfig config() {
    RunConfig config;
    config.flush_output = [] {};
    config.observer = [this](const RunEvent& event) { session.tell(Qmp::event(event)); };
    return config;
  }

 public:
  InputQueue queue;
  SmallMachine machine;
  CharacterDevices characters;
  MonitorFacts facts;
  RunLoop loop;
  Hmp hmp;
  Qmp qmp;
  Wire wire;
  QmpSession session;
};

std::string error_class(const Json& answer) {
  const auto error = answer.find("error");
  return error == answer.end() ? "" : error->value("class", "");
}

TEST_CASE("qmp: a client is greeted, and may do nothing before it has said what it can") {
  QmpRig client;
  const Json greeting = Json::parse(client.wire.text, nullptr, false);
  CHECK(greeting["QMP"]["version"]["qemu"]["major"].is_number());
  CHECK(greeting["QMP"]["capabilities"] == Json::array({"oob"}));
  CHECK(error_class(client.one(R"({"execute":"stop","id":1})")) == "CommandNotFound");
  CHECK_FALSE(client.loop.paused());
  CHECK(error_class(client.one(R"({"execute":"qmp_capabilities","arguments":{"enable":["x"]}})")) == "GenericError");
  client.negotiate();
  CHECK(error_class(client.one(R"({"execute":"qmp_capabilities"})")) == "CommandNotFound");
}

TEST_CASE("qmp: answers carry the id of what was asked, whatever it is") {
  QmpRig client;
  client.negotiate();
  for (const char* id : {"1", "\"x\"", "{\"a\":[1,null]}", "null"}) {
    const Json answer = client.one(std::string(R"({"execute":"query-status","id":)") + id + "}");
    CHECK(answer["id"].dump() == id);
  }
  CHECK_FALSE(client.one(R"({"execute":"query-status"})").contains("id"));
  CHECK(client.one(R"({"execute":"frobnicate","id":7})")["id"] == 7);
}

TEST_CASE("qmp: what cannot be understood is a GenericError, and the next request is heard") {
  QmpRig client;
  client.negotiate();
  for (const char* damaged :
       {"hello", "{\"execute\":}", "{}", "{\"execute\":1}", "{\"execute\":\"stop\",\"exec-oob\":\"stop\"}",
        "{\"execute\":\"stop\",\"arguments\":[]}", "{\"execute\":\"stop\",\"more\":1}", "[\"execute\"]",
        "{\"execute\":\"stop\",\"arguments\":{\"x\":1}}", "{\"execute\":\"memsave\",\"arguments\":{\"val\":\"0\"}}",
        "{\"execute\":\"memsave\",\"arguments\":{\"val\":0,\"size\":1}}", "{\"execute\":\"\xff\"}"}) {
    CAPTURE(damaged);
    const auto lines = client(std::string(damaged) + "\n{\"execute\":\"query-name\"}\n");
    REQUIRE(lines.size() == 2);
    CHECK(error_class(lines[0]) == "GenericError");
    CHECK(lines[1].contains("return"));
  }
  CHECK_FALSE(client.loop.paused());
}

TEST_CASE("qmp: stop and cont are told as events with a time, before the answer") {
  QmpRig client;
  client.negotiate();
  const auto lines = client(R"({"execute":"stop"}{"execute":"stop"}{"execute":"cont"})");
  REQUIRE(lines.size() == 5);
  CHECK(lines[0]["event"] == "STOP");
  CHECK(lines[0]["timestamp"]["microseconds"].is_number());
  CHECK(lines[1].contains("return"));
  CHECK(lines[2].contains("return"));  // It was stopped already.
  CHECK(lines[3]["event"] == "RESUME");
  CHECK(lines[4].contains("return"));
}

TEST_CASE("qmp: a run's end says why") {
  CHECK(Qmp::event({RunEvent::Kind::Shutdown, RunEvent::Cause::GuestShutdown}).dump() ==
        R"({"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-shutdown"}})");
  CHECK(Qmp::event({RunEvent::Kind::Reset, RunEvent::Cause::HostMonitor}).dump() ==
        R"({"event":"RESET","data":{"guest":false,"reason":"host-qmp-system-reset"}})");
  CHECK(Qmp::event({RunEvent::Kind::Shutdown, RunEvent::Cause::HostSignal})["data"]["reason"] == "host-signal");
}

TEST_CASE("qmp: another client's past does not matter to the next one") {
  QmpRig client;
  client.negotiate();
  client("{\"execute\":");
  client.session.closed();
  client.session.opened();
  CHECK(error_class(client.one("{\"execute\":\"stop\"}")) == "CommandNotFound");
}

TEST_CASE("qmp: the prompt's commands are there too, with a terminal's line ends") {
  QmpRig client;
  client.negotiate();
  const Json answer = client.one(R"({"execute":"human-monitor-command","arguments":{"command-line":"info version"}})");
  CHECK(answer["return"] == "doppel 0.1\r\n");
}

TEST_CASE("qmp: keys that do not exist are refused, and nothing is pressed") {
  QmpRig client;
  client.negotiate();
  const char* const wrong[] = {
      R"({"execute":"send-key","arguments":{"keys":[]}})",
      R"({"execute":"send-key","arguments":{"keys":["a"]}})",
      R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"hyper"}]}})",
      R"({"execute":"send-key","arguments":{"keys":[{"type":"number","data":-1}]}})",
      R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"a"}],"hold-time":0}})",
      R"({"execute":"input-send-event","arguments":{"events":[{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"a"}}},{"type":"abs","data":{"axis":"x","value":1}}]}})",
      R"({"execute":"input-send-event","arguments":{"events":[1]}})",
  };
  for (const char* line : wrong) {
    CAPTURE(line);
    CHECK(error_class(client.one(line)) == "GenericError");
  }
  CHECK_FALSE(client.queue.pending(0));
  CHECK_FALSE(client.queue.next_due_ns());
  CHECK(client.one(R"({"execute":"input-send-event","arguments":{"events":[{"type":"btn","data":{"button":"left","down":true}}]}})")
            .contains("return"));
  CHECK(client.queue.mouse_buttons() == 1);
}

}  // namespace
}  // namespace doppel::frontend
