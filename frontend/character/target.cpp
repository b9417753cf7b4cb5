#include "frontend/character/target.h"

#include <sys/un.h>

#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

using Kind = CharacterTarget::Kind;

Error bad(std::string message) { return Error{std::move(message)}; }
std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

/// "HOST:PORT", "[V6]:PORT", ":PORT".
Result<void, Error> take_address(std::string_view text, CharacterTarget& target) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size())
    return bad(quoted(text) + " is not HOST:PORT");
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  target.host = host;
  target.port = text.substr(colon + 1);
  return {};
}

Result<void, Error> check_path(const CharacterTarget& target) {
  if (target.path.empty()) return bad("needs a path");
  if (target.kind == Kind::Unix && target.path.size() >= sizeof(sockaddr_un::sun_path))
    return bad(quoted(target.path) + " is too long for the name of a socket");
  return {};
}

/// `key`, `key=on` or `key=off`; `nokey` is the older word for off.
Result<void, Error> take_flag(PropertyList& list, std::string_view key, bool& flag) {
  if (const auto value = list.take(key)) {
    const auto on = parse_switch(*value);
    if (!on) return bad(std::string(key) + "=" + *value + " is not on or off");
    flag = *on;
  }
  if (list.take("no" + std::string(key))) flag = false;
  return {};
}

Result<void, Error> take_socket_flags(PropertyList& list, CharacterTarget& target) {
  DOPPEL_TRY(take_flag(list, "server", target.server));
  target.wait = target.server;  // QEMU's rule: a server waits unless told not to.
  DOPPEL_TRY(take_flag(list, "wait", target.wait));
  if (target.wait && !target.server) return bad("wait is for a server");
  DOPPEL_TRY(take_flag(list, "telnet", target.telnet));
  // Bytes are always sent at once.
  bool ignored = false;
  DOPPEL_TRY(take_flag(list, "nodelay", ignored));
  return take_flag(list, "delay", ignored);
}

Result<CharacterTarget, Error> parse_socket(std::string_view rest, CharacterTarget target) {
  PropertyList list(rest, "address");
  const std::string address = list.take("address").value_or("");
  if (target.kind == Kind::Unix) {
    target.path = address;
    DOPPEL_TRY(check_path(target));
  } else {
    DOPPEL_TRY(take_address(address, target));
  }
  DOPPEL_TRY(take_socket_flags(list, target));
  if (const auto key = list.leftover()) return bad("a socket has no property " + quoted(*key));
  return target;
}

}  // namespace

Result<CharacterTarget, Error> parse_character_target(std::string_view text) {
  const auto rest_after = [&text](std::string_view prefix) { return text.substr(prefix.size()); };
  CharacterTarget target;
  if (text.starts_with("mon:")) {
    DOPPEL_TRY(target, parse_character_target(rest_after("mon:")));
    if (target.kind == Kind::Null || target.kind == Kind::File)
      return bad(quoted(text) + ": nobody could type there");
    target.monitor = true;
    return target;
  }
  if (text == "null" || text == "none") return target;
  if (text == "stdio") {
    target.kind = Kind::Stdio;
    return target;
  }
  if (text == "pty") {
    target.kind = Kind::Pty;
    return target;
  }
  if (text == "vc" || text.starts_with("vc:")) {
    target.kind = Kind::Console;
    return target;
  }
  if (text.starts_with("file:") && text.size() > 5) {
    target.kind = Kind::File;
    target.path = rest_after("file:");
    return target;
  }
  if (text.starts_with("unix:")) {
    target.kind = Kind::Unix;
    return parse_socket(rest_after("unix:"), std::move(target));
  }
  if (text.starts_with("tcp:")) {
    target.kind = Kind::Tcp;
    return parse_socket(rest_after("tcp:"), std::move(target));
  }
  if (text.starts_with("telnet:")) {
    target.kind = Kind::Tcp;
    target.telnet = true;
    return parse_socket(rest_after("telnet:"), std::move(target));
  }
  return bad(quoted(text) +
             " is not stdio, mon:stdio, null, none, vc, file:NAME, pty, tcp:HOST:PORT, telnet:HOST:PORT, "
             "unix:PATH or chardev:ID");
}

Result<CharacterTarget, Error> take_chardev(const std::string& backend, PropertyList& list) {
  CharacterTarget target;
  if (backend == "stdio") {
    target.kind = Kind::Stdio;
    // Ctrl-C reaches the guest exactly where the monitor shares the terminal.
    (void)list.take("signal");
  } else if (backend == "file") {
    target.kind = Kind::File;
    target.path = list.take("path").value_or("");
    DOPPEL_TRY(check_path(target));
    DOPPEL_TRY(take_flag(list, "append", target.append));
  } else if (backend == "pty") {
    target.kind = Kind::Pty;
  } else if (backend == "vc") {
    target.kind = Kind::Console;
    for (const std::string_view key : {"width", "height", "cols", "rows"}) (void)list.take(key);
  } else if (backend == "socket") {
    const auto path = list.take("path");
    target.kind = path ? Kind::Unix : Kind::Tcp;
    if (path) {
      target.path = *path;
      DOPPEL_TRY(check_path(target));
    } else {
      target.host = list.take("host").value_or("");
      target.port = list.take("port").value_or("");
      if (target.port.empty()) return bad("socket needs port=N or path=NAME");
    }
    DOPPEL_TRY(take_socket_flags(list, target));
  } else if (backend != "null") {
    return bad(quoted(backend) + " is not stdio, file, null, pty, socket or vc");
  }
  DOPPEL_TRY(take_flag(list, "mux", target.monitor));
  return target;
}

std::string describe(const CharacterTarget& target) {
  std::string text;
  switch (target.kind) {
    case Kind::Null:
      return "null";
    case Kind::Stdio:
      return "stdio";
    case Kind::Console:
      return "vc";
    case Kind::Pty:
      return "pty";
    case Kind::File:
      return "file:" + target.path;
    case Kind::Unix:
      text = "unix:" + target.path;
      break;
    case Kind::Tcp:
      text = target.telnet ? "telnet:" : "tcp:";
      text += target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
      text += ":" + target.port;
      break;
  }
  return target.server ? text + ",server=on" : text;
}

}  // namespace doppel::frontend
