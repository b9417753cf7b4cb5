#pragma once

// A QMP client: greeted, negotiated with, served, and told what happens.
//
//     S: {"QMP": {"version": ..., "capabilities": ["oob"]}}
//     C: {"execute": "qmp_capabilities"}              until then nothing else is done or told
//     S: {"return": {}}
//     C: {"execute": "stop", "id": 7}
//     S: {"event": "STOP", "timestamp": ...}          S: {"return": {}, "id": 7}

#include "frontend/character/device.h"
#include "frontend/monitor/json_stream.h"
#include "frontend/monitor/qmp.h"

namespace doppel::frontend {

class QmpSession final : public CharacterUser {
 public:
  /// Both must outlive the session. `pretty`: for a person's eyes.
  QmpSession(Qmp& qmp, CharacterDevice& device, bool pretty)
      : qmp_(qmp), device_(device), pretty_(pretty) {}

  void opened() override;
  void received(std::span<const u8> bytes) override;
  void closed() override;
  bool needs_all() const override { return true; }

  /// Tells the client, if it wants to know.
  void tell(const Json& event);

 private:
  void answer(const JsonStream::Message& message);
  Json respond(const Json& request);
  Json negotiate(const Json& arguments);
  void send(const Json& json);

  Qmp& qmp_;
  CharacterDevice& device_;
  const bool pretty_;
  JsonStream stream_;
  bool negotiated_ = false;
};

}  // namespace doppel::frontend
