#pragma once

// What both monitors know of a machine beside the machine itself: how it was asked for.

#include <string>

namespace doppel::frontend {

class CharacterDevices;
class TraceLog;

struct MonitorFacts {
  std::string name;  ///< -name
  std::string uuid;  ///< -uuid
  std::string record_file;
  std::string replay_file;
  /// Null: there are none.
  CharacterDevices* characters = nullptr;
  TraceLog* trace = nullptr;
};

constexpr const char* kNoUuid = "00000000-0000-0000-0000-000000000000";

}  // namespace doppel::frontend
