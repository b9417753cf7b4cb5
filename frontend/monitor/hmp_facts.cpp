// How the machine was asked for, and what is connected to it: info chardev, name, ...

#include <cinttypes>
#include <cstdio>

#include <unistd.h>

#include "frontend/character/devices.h"
#include "frontend/monitor/hmp.h"

namespace doppel::frontend {
namespace {

std::string characters_text(const CharacterDevices& characters) {
  std::string out;
  for (const auto& device : characters.all()) {
    out += device->label() + ": filename=" + device->description();
    if (device->dropped() > 0) out += ", " + std::to_string(device->dropped()) + " bytes lost";
    out += "\n";
  }
  return out;
}

}  // namespace

std::optional<std::string> Hmp::info_facts(const std::string& topic) {
  if (topic == "cpus") return "* CPU #0: thread_id=" + std::to_string(::getpid()) + "\n";
  if (topic == "replay") {
    const char* const mode = queue_.replaying() ? "Replaying" : queue_.recording() ? "Recording" : "No record/replay";
    return std::string(mode) + ", instruction count = " + std::to_string(machine_.cpu().state.retired) + "\n";
  }
  if (facts_ == nullptr) return std::nullopt;
  if (topic == "name") return facts_->name + "\n";
  if (topic == "uuid") return (facts_->uuid.empty() ? kNoUuid : facts_->uuid) + "\n";
  if (topic == "chardev" && facts_->characters != nullptr) return characters_text(*facts_->characters);
  return std::nullopt;
}

}  // namespace doppel::frontend
