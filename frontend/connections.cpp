#include "frontend/connections.h"

#include <algorithm>

namespace doppel::frontend {
namespace {

Error named(const char* option, const Error& error) {
  return Error{std::string(option) + ": " + error.message};
}

}  // namespace

Result<void, Error> Connections::open(const Options& options, devices::BoardConfig& board) {
  for (size_t i = 0; i < options.serial.size(); ++i) {
    auto device = characters_.open(options.serial[i], "serial" + std::to_string(i));
    if (!device.ok()) return named("-serial", device.error());
    serial_.push_back(device.value());
    board.serial[i] = device.value();
  }
  for (size_t i = 0; i < options.virtio_consoles.size(); ++i) {
    auto device = characters_.open(options.virtio_consoles[i], "virtconsole" + std::to_string(i));
    if (!device.ok()) return named("-device virtconsole", device.error());
    virtio_consoles_.push_back(device.value());
    board.virtio_consoles.push_back(device.value());
  }
  for (const Options::DebugConsole& console : options.debug_consoles) {
    auto device = characters_.open(console.target, "debugcon");
    if (!device.ok()) return named("-debugcon", device.error());
    board.debug_consoles.push_back({console.port, device.value(), console.readback});
  }
  for (size_t i = 0; i < options.monitors.size(); ++i) {
    // A shared monitor is on its port's device.
    const CharacterTarget& target = options.monitors[i].target;
    CharacterDevice* shared = nullptr;
    for (size_t k = 0; k < options.serial.size(); ++k) {
      if (target.monitor && options.serial[k] == target) shared = serial_[k];
    }
    if (shared == nullptr) {
      auto device = characters_.open(target, "compat_monitor" + std::to_string(i));
      if (!device.ok())
        return named(options.monitors[i].for_programs ? "-qmp" : "-monitor", device.error());
      shared = device.value();
    }
    monitors_.push_back(shared);
  }
  return {};
}

Result<void, Error> Connections::connect(const Options& options, InputQueue& queue, Hmp& hmp,
                                         Qmp& qmp) {
  using Target = InputQueue::Target;
  for (size_t i = 0; i < serial_.size(); ++i) {
    ports_.push_back(std::make_unique<GuestPort>(queue, i == 0 ? Target::Serial0 : Target::Serial1));
    // Where two ports write to one device, the first one is typed at.
    (void)characters_.connect(*serial_[i], options.serial[i], *ports_.back());
  }
  if (!virtio_consoles_.empty()) {
    ports_.push_back(std::make_unique<GuestPort>(queue, Target::Console));
    (void)characters_.connect(*virtio_consoles_.front(), options.virtio_consoles.front(), *ports_.back());
  }
  for (size_t i = 0; i < monitors_.size(); ++i) {
    const Options::Monitor& wanted = options.monitors[i];
    CharacterUser* user = nullptr;
    if (wanted.for_programs) {
      programs_.push_back(std::make_unique<QmpSession>(qmp, *monitors_[i], wanted.pretty));
      user = programs_.back().get();
    } else {
      prompts_.push_back(std::make_unique<HmpSession>(hmp, *monitors_[i]));
      user = prompts_.back().get();
    }
    if (!characters_.connect(*monitors_[i], wanted.target, *user)) {
      return Error{std::string(wanted.for_programs ? "-qmp" : "-monitor") + ": " +
                   describe(wanted.target) + " is taken already (mux=on shares it)"};
    }
  }
  return {};
}

bool Connections::is_typed_at(const Options& options) {
  for (const auto* targets : {&options.serial, &options.virtio_consoles}) {
    for (const CharacterTarget& target : *targets) {
      if (target.kind == CharacterTarget::Kind::Stdio) return true;
    }
  }
  for (const Options::Monitor& monitor : options.monitors) {
    if (monitor.target.kind == CharacterTarget::Kind::Stdio && !monitor.for_programs) return true;
  }
  return false;
}

std::vector<PageDevice*> Connections::pages() const {
  std::vector<PageDevice*> pages;
  for (const auto* list : {&monitors_, &serial_}) {
    for (CharacterDevice* device : *list) {
      auto* const page = dynamic_cast<PageDevice*>(device);
      if (page != nullptr && std::find(pages.begin(), pages.end(), page) == pages.end())
        pages.push_back(page);
    }
  }
  return pages;
}

void Connections::tell(const RunEvent& event) {
  if (programs_.empty()) return;
  const Json json = Qmp::event(event);
  for (const auto& program : programs_) program->tell(json);
}

}  // namespace doppel::frontend
