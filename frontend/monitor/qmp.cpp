#include "frontend/monitor/qmp.h"

namespace doppel::frontend {

struct Qmp::Command {
  const char* name;
  Answer (Qmp::*run)(const Json& arguments);
  bool takes_arguments = false;
};

std::span<const Qmp::Command> Qmp::commands() {
  static constexpr Command kCommands[] = {
      {"blockdev-change-medium", &Qmp::change_medium, true},
      {"cont", &Qmp::cont},
      {"eject", &Qmp::eject, true},
      {"human-monitor-command", &Qmp::human_monitor_command, true},
      {"input-send-event", &Qmp::input_send_event, true},
      {"inject-nmi", &Qmp::inject_nmi},
      {"memsave", &Qmp::memsave, true},
      {"pmemsave", &Qmp::pmemsave, true},
      {"query-block", &Qmp::query_block},
      {"query-chardev", &Qmp::query_chardev},
      {"query-commands", &Qmp::query_commands},
      {"query-cpus-fast", &Qmp::query_cpus_fast},
      {"query-kvm", &Qmp::query_kvm},
      {"query-name", &Qmp::query_name},
      {"query-pci", &Qmp::query_pci},
      {"query-replay", &Qmp::query_replay},
      {"query-status", &Qmp::query_status},
      {"query-target", &Qmp::query_target},
      {"query-uuid", &Qmp::query_uuid},
      {"query-version", &Qmp::query_version},
      {"quit", &Qmp::quit},
      {"screendump", &Qmp::screendump, true},
      {"send-key", &Qmp::send_key, true},
      {"stop", &Qmp::stop},
      {"system_powerdown", &Qmp::system_powerdown},
      {"system_reset", &Qmp::system_reset},
  };
  return kCommands;
}

Qmp::Answer Qmp::execute(const std::string& command, const Json& arguments) {
  for (const Command& known : commands()) {
    if (command != known.name) continue;
    if (!known.takes_arguments && !arguments.empty())
      return Failure{"Parameter '" + arguments.begin().key() + "' is unexpected"};
    return (this->*known.run)(arguments);
  }
  return Failure{"The command " + command + " has not been found", true};
}

Qmp::Answer Qmp::query_commands(const Json&) {
  Json list = Json::array();
  for (const Command& known : commands()) list.push_back({{"name", known.name}});
  list.push_back({{"name", "qmp_capabilities"}});
  return list;
}

Json Qmp::event(const RunEvent& event) {
  using Cause = RunEvent::Cause;
  using Kind = RunEvent::Kind;
  const auto reason = [&event]() -> const char* {
    switch (event.cause) {
      case Cause::GuestShutdown:
        return "guest-shutdown";
      case Cause::GuestReset:
        return "guest-reset";
      case Cause::HostMonitor:
        return event.kind == Kind::Reset ? "host-qmp-system-reset" : "host-qmp-quit";
      case Cause::HostSignal:
        return "host-signal";
      case Cause::HostWindow:
        return "host-ui";
      case Cause::HostError:
        return "host-error";
      case Cause::None:
        break;
    }
    return "none";
  };
  const auto with_cause = [&](const char* name) -> Json {
    const bool guest = event.cause == Cause::GuestShutdown || event.cause == Cause::GuestReset;
    return {{"event", name}, {"data", {{"guest", guest}, {"reason", reason()}}}};
  };
  switch (event.kind) {
    case Kind::Stop:
      return {{"event", "STOP"}};
    case Kind::Resume:
      return {{"event", "RESUME"}};
    case Kind::PowerButton:
      return {{"event", "POWERDOWN"}};
    case Kind::Reset:
      return with_cause("RESET");
    case Kind::Shutdown:
      break;
  }
  return with_cause("SHUTDOWN");
}

}  // namespace doppel::frontend
