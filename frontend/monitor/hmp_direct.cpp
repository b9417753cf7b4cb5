// What the monitor does past the machine's own ways: ports, the NMI line, the log.

#include <cinttypes>
#include <cstdio>

#include "frontend/monitor/expression.h"
#include "frontend/monitor/hmp.h"
#include "frontend/option_values.h"
#include "frontend/trace_log.h"

namespace doppel::frontend {
namespace {

Width width_of(unsigned size) {
  return size == 1 ? Width::Byte : size == 2 ? Width::Word : Width::Dword;
}

}  // namespace

std::optional<std::string> Hmp::execute_direct(const std::string& command,
                                               const Arguments& arguments) {
  if (command == "log" || command == "logfile") return set_log(command, arguments);
  if (command == "nmi") {
    if (!arguments.empty()) return std::string("nmi: takes no argument\n");
    if (queue_.replaying()) return std::string("a replay takes no input\n");
    queue_.push_nmi();
    return std::string();
  }
  if (command == "cpu") {
    const auto number = arguments.size() == 1 ? parse_number(arguments[0]) : std::nullopt;
    return std::string(number == 0 ? "" : "cpu: there is processor 0 only\n");
  }
  const std::string name = command.substr(0, command.find('/'));
  if (name != "i" && name != "o") return std::nullopt;
  Arguments rest = arguments;
  std::string format_text = command.substr(name.size());
  if (format_text.empty() && !rest.empty() && rest[0].starts_with('/')) {
    format_text = rest[0];
    rest.erase(rest.begin());
  }
  auto format = parse_value_format(format_text);
  if (!format || format->count != 1 || format->size == 8 || format->kind == 'i' || format->kind == 's')
    return name + ": '" + format_text + "' is not a format as /b, /h or /w\n";
  if (format_text.find_first_of("bhw") == std::string::npos) format->size = 1;
  return access_port(name == "o", *format, rest);
}

std::string Hmp::access_port(bool write, const ValueFormat& format, const Arguments& arguments) {
  const std::string name = write ? "o" : "i";
  if (arguments.size() != (write ? 2 : 1)) return name + (write ? ": which port, and what?\n" : ": which port?\n");
  // Chips change at this, and neither a recording nor a second machine would hear of it.
  if (queue_.recording() || queue_.replaying()) return name + ": not while recording or replaying\n";
  if (machine_.lockstep() != nullptr) return name + ": not under --engine lockstep\n";
  const auto port = evaluate(machine_, arguments[0]);
  if (!port.ok() || port.value() > 0xffff) return name + ": '" + arguments[0] + "' is not a port\n";
  const auto number = static_cast<u16>(port.value());
  cpu::Environment& ports = machine_.cpu().environment;
  if (write) {
    const auto value = evaluate(machine_, arguments[1]);
    if (!value.ok()) return "o: " + value.error().message + "\n";
    ports.write_port(number, width_of(format.size), value.value() & all_ones(width_of(format.size)));
    return {};
  }
  char text[32];
  std::snprintf(text, sizeof text, "port%c[0x%04x] = ", "bwxl"[format.size - 1], number);
  return text + format_value(format, ports.read_port(number, width_of(format.size))) + "\n";
}

std::string Hmp::set_log(const std::string& command, const Arguments& arguments) {
  if (facts_ == nullptr || facts_->trace == nullptr) return command + ": there is no log\n";
  if (arguments.size() != 1) return command + (command == "log" ? ": which items (none)?\n" : ": to which file?\n");
  const auto done = command == "log" ? facts_->trace->choose(arguments[0]) : facts_->trace->move_to(arguments[0]);
  return done.ok() ? "" : command + ": " + done.error().message + "\n";
}

}  // namespace doppel::frontend
