// QMP's questions: query-*.

#include <unistd.h>

#include "devices/board_view.h"
#include "devices/pci.h"
#include "frontend/character/devices.h"
#include "frontend/monitor/qmp.h"
#include "frontend/monitor/qmp_arguments.h"

namespace doppel::frontend {
namespace {

const char* state_name(RunLoop::State state) {
  switch (state) {
    case RunLoop::State::Running:
      return "running";
    case RunLoop::State::Prelaunch:
      return "prelaunch";
    case RunLoop::State::Shutdown:
      return "shutdown";
    case RunLoop::State::Paused:
      break;
  }
  return "paused";
}

}  // namespace

Qmp::Answer Qmp::query_version(const Json&) {
  return Json{{"qemu", {{"micro", 0}, {"minor", 2}, {"major", 9}}}, {"package", "doppel 0.1"}};
}

Qmp::Answer Qmp::query_status(const Json&) {
  const RunLoop::State state = world_.loop.state();
  return Json{{"status", state_name(state)},
              {"singlestep", false},
              {"running", state == RunLoop::State::Running}};
}

Qmp::Answer Qmp::query_cpus_fast(const Json&) {
  return Json::array({Json{{"cpu-index", 0},
                           {"qom-path", "/machine/unattached/device[0]"},
                           {"thread-id", ::getpid()},
                           {"props", {{"socket-id", 0}, {"core-id", 0}, {"thread-id", 0}}},
                           {"target", "x86_64"}}});
}

Qmp::Answer Qmp::query_block(const Json&) {
  Json list = Json::array();
  const devices::PcBoard& board = world_.machine.board();
  for (size_t i = 0; i < board.drives().size(); ++i) {
    const devices::BoardConfig::Drive& drive = board.drives()[i];
    const devices::PcBoard::Door door = board.door(i);
    Json entry{{"device", drive.name},
               {"type", "unknown"},
               {"removable", door.is_removable},
               {"locked", door.is_locked}};
    if (door.is_removable) entry["tray_open"] = door.is_open;
    if (drive.medium != nullptr) {
      entry["inserted"] = {{"file", drive.file},
                           {"ro", drive.medium->is_read_only()},
                           {"encrypted", false}};
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Qmp::Answer Qmp::query_chardev(const Json&) {
  Json list = Json::array();
  if (world_.facts.characters == nullptr) return list;
  for (const auto& device : world_.facts.characters->all()) {
    list.push_back({{"label", device->label()},
                    {"filename", device->description()},
                    {"frontend-open", device->has_user()}});
  }
  return list;
}

Qmp::Answer Qmp::query_name(const Json&) {
  if (world_.facts.name.empty()) return Json::object();
  return Json{{"name", world_.facts.name}};
}

Qmp::Answer Qmp::query_uuid(const Json&) {
  return Json{{"UUID", world_.facts.uuid.empty() ? kNoUuid : world_.facts.uuid}};
}

Qmp::Answer Qmp::query_kvm(const Json&) { return Json{{"enabled", false}, {"present", false}}; }

Qmp::Answer Qmp::query_target(const Json&) { return Json{{"arch", "x86_64"}}; }

Qmp::Answer Qmp::query_pci(const Json&) {
  Json list = Json::array();
  for (const devices::BoardView::PciPlace& place : world_.machine.board().view().pci) {
    const auto word = [&place](unsigned at) { return place.config[at] | place.config[at + 1] << 8; };
    Json device{{"bus", 0},
                {"slot", place.slot},
                {"function", place.function},
                {"class_info", {{"class", word(devices::pci_config::kClass + 1)}}},
                {"id",
                 {{"device", word(devices::pci_config::kDevice)},
                  {"vendor", word(devices::pci_config::kVendor)}}},
                {"qdev_id", place.name},
                {"regions", Json::array()}};
    if (place.config[devices::pci_config::kInterruptPin] != 0)
      device["irq"] = place.config[devices::pci_config::kInterruptLine];
    for (unsigned i = 0; i < 6; ++i) {
      if (place.bar_sizes[i] == 0) continue;
      const unsigned at = devices::pci_config::kBar0 + 4 * i;
      const bool is_port = (place.config[at] & 1) != 0;
      const auto base = static_cast<u32>(word(at)) | static_cast<u32>(word(at + 2)) << 16;
      device["regions"].push_back({{"bar", i},
                                   {"type", is_port ? "io" : "memory"},
                                   {"address", base & (is_port ? ~u32{3} : ~u32{15})},
                                   {"size", place.bar_sizes[i]}});
    }
    list.push_back(std::move(device));
  }
  return Json::array({Json{{"bus", 0}, {"devices", std::move(list)}}});
}

Qmp::Answer Qmp::query_replay(const Json&) {
  const bool records = world_.queue.recording();
  const bool replays = world_.queue.replaying();
  Json json{{"mode", replays ? "play" : records ? "record" : "none"},
            {"icount", world_.machine.cpu().state.retired}};
  if (records) json["filename"] = world_.facts.record_file;
  if (replays) json["filename"] = world_.facts.replay_file;
  return json;
}

}  // namespace doppel::frontend
