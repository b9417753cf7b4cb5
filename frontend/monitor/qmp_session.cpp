#include "frontend/monitor/qmp_session.h"

#include <ctime>

namespace doppel::frontend {
namespace {

Json failure(const char* kind, const std::string& description) {
  return {{"error", {{"class", kind}, {"desc", description}}}};
}

Json generic_error(const std::string& description) { return failure("GenericError", description); }

}  // namespace

void QmpSession::opened() {
  stream_.clear();
  negotiated_ = false;
  const Qmp::Answer version = qmp_.execute("query-version", Json::object());
  send({{"QMP", {{"version", version.value()}, {"capabilities", {"oob"}}}}});
}

void QmpSession::closed() {
  stream_.clear();
  negotiated_ = false;
}

void QmpSession::received(std::span<const u8> bytes) {
  for (const u8 byte : bytes) {
    if (const auto message = stream_.take(byte)) answer(*message);
  }
}

void QmpSession::answer(const JsonStream::Message& message) {
  using Kind = JsonStream::Message::Kind;
  if (message.kind == Kind::TooLong)
    return send(generic_error("QMP input is longer than 1 MiB"));
  const Json request = message.kind == Kind::Object
                           ? Json::parse(message.text, nullptr, false)
                           : Json(Json::value_t::discarded);
  if (request.is_discarded()) return send(generic_error("JSON parse error"));
  Json response = respond(request);
  if (const auto id = request.find("id"); id != request.end()) response["id"] = *id;
  send(response);
}

Json QmpSession::respond(const Json& request) {
  const Json* command = nullptr;
  Json arguments = Json::object();
  for (const auto& [key, value] : request.items()) {
    if (key == "execute" || key == "exec-oob") {
      // All commands are done at once, so those that may overtake others need not.
      if (command != nullptr || !value.is_string())
        return generic_error("QMP input member '" + key + "' must be a string, once");
      command = &value;
    } else if (key == "arguments") {
      if (!value.is_object()) return generic_error("QMP input member 'arguments' must be an object");
      arguments = value;
    } else if (key != "id") {
      return generic_error("QMP input member '" + key + "' is unexpected");
    }
  }
  if (command == nullptr) return generic_error("QMP input lacks member 'execute'");
  const auto& name = command->get_ref<const std::string&>();
  if (name == "qmp_capabilities") return negotiate(arguments);
  if (!negotiated_) {
    return failure("CommandNotFound",
                   "Expecting capabilities negotiation with 'qmp_capabilities'");
  }
  Qmp::Answer answer = qmp_.execute(name, arguments);
  if (answer.ok()) return {{"return", answer.take()}};
  return failure(answer.error().unknown_command ? "CommandNotFound" : "GenericError",
                 answer.error().description);
}

Json QmpSession::negotiate(const Json& arguments) {
  if (negotiated_) {
    return failure("CommandNotFound",
                   "Capabilities negotiation is already complete, command ignored");
  }
  for (const auto& [key, value] : arguments.items()) {
    if (key != "enable" || !value.is_array())
      return generic_error("Parameter '" + key + "' is unexpected");
    for (const Json& capability : value) {
      if (capability != "oob") return generic_error("there is no capability but 'oob'");
    }
  }
  negotiated_ = true;
  return {{"return", Json::object()}};
}

void QmpSession::tell(const Json& event) {
  if (!negotiated_ || !device_.connected()) return;
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  Json json = event;
  json["timestamp"] = {{"seconds", now.tv_sec}, {"microseconds", now.tv_nsec / 1000}};
  send(json);
}

void QmpSession::send(const Json& json) {
  // Names of files may hold anything; what is no UTF-8 is replaced.
  device_.write_text(json.dump(pretty_ ? 4 : -1, ' ', true, Json::error_handler_t::replace));
  device_.write_text("\r\n");
}

}  // namespace doppel::frontend
