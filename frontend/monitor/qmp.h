#pragma once

// QMP: the monitor for programs. JSON objects, one request and one answer at a time.
//
//     Qmp           what the commands are and do; one for a machine
//     QmpSession    a client's connection: greeting, negotiation, ids, events
//
// The commands are QEMU's, in its words, so that what was written for it works here.
// @source  QEMU, "QEMU Machine Protocol Specification"; "QEMU QMP Reference Manual"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cpu/base/result.h"
#include "frontend/input_queue.h"
#include "frontend/keys.h"
#include "frontend/machine.h"
#include "frontend/monitor/facts.h"
#include "frontend/monitor/hmp.h"
#include "frontend/run_events.h"
#include "frontend/run_loop.h"

namespace doppel::frontend {

using Json = nlohmann::ordered_json;

class Qmp {
 public:
  /// What commands may ask about beside the machine.
  struct World {
    Machine& machine;
    RunLoop& loop;
    InputQueue& queue;
    Hmp& hmp;
    const MonitorFacts& facts;
  };
  /// All that is referred to must outlive the monitor.
  explicit Qmp(const World& world) : world_(world) {}

  struct Failure {
    std::string description;
    bool unknown_command = false;
  };
  using Answer = Result<Json, Failure>;

  /// Runs a command; `arguments` is an object.
  Answer execute(const std::string& command, const Json& arguments);
  /// The name of an event with its data, ready but for the time.
  static Json event(const RunEvent& event);

 private:
  struct Command;
  static std::span<const Command> commands();

  // qmp_query.cpp
  Answer query_version(const Json&);
  Answer query_status(const Json&);
  Answer query_commands(const Json&);
  Answer query_cpus_fast(const Json&);
  Answer query_block(const Json&);
  Answer query_chardev(const Json&);
  Answer query_name(const Json&);
  Answer query_uuid(const Json&);
  Answer query_kvm(const Json&);
  Answer query_target(const Json&);
  Answer query_pci(const Json&);
  Answer query_replay(const Json&);

  // qmp_commands.cpp
  Answer stop(const Json&);
  Answer cont(const Json&);
  Answer quit(const Json&);
  Answer system_reset(const Json&);
  Answer system_powerdown(const Json&);
  Answer inject_nmi(const Json&);
  Answer change_medium(const Json& arguments);
  Answer eject(const Json& arguments);
  Answer human_monitor_command(const Json& arguments);
  Answer screendump(const Json& arguments);
  Answer memsave(const Json& arguments);
  Answer pmemsave(const Json& arguments);
  /// What a command of the other monitor does; its answer, if any, is why it failed.
  Answer through_hmp(const std::string& line);

  // qmp_input.cpp
  Answer send_key(const Json& arguments);
  Answer input_send_event(const Json& arguments);

  World world_;
  KeyEncoder keys_;  // What input-send-event holds down.
};

}  // namespace doppel::frontend
