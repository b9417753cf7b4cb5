#pragma once

// What the options connect: ports of the machine and monitors with character devices.
//
//     options -> devices are opened -> the machine is built on them -> users are connected, and run

#include <memory>
#include <vector>

#include "devices/pc_board.h"
#include "frontend/character/devices.h"
#include "frontend/character/guest_port.h"
#include "frontend/character/page.h"
#include "frontend/monitor/hmp_session.h"
#include "frontend/monitor/qmp_session.h"
#include "frontend/options.h"

namespace doppel::frontend {

class Connections {
 public:
  /// Opens what ports and monitors name, and gives the board its sinks. @errors "-serial: reason"
  Result<void, Error> open(const Options& options, devices::BoardConfig& board);
  /// From now on input is taken. All references must outlive the run. @errors as above
  Result<void, Error> connect(const Options& options, InputQueue& queue, Hmp& hmp, Qmp& qmp);
  /// Tells programs at monitors what happened.
  void tell(const RunEvent& event);

  /// Devices that are pages of the display, monitors first.
  std::vector<PageDevice*> pages() const;
  CharacterDevices& characters() { return characters_; }
  /// Somebody types at the process's standard input, rather than a program.
  static bool is_typed_at(const Options& options);

 private:
  CharacterDevices characters_;
  std::vector<CharacterDevice*> serial_;
  std::vector<CharacterDevice*> virtio_consoles_;
  std::vector<CharacterDevice*> monitors_;
  std::vector<std::unique_ptr<GuestPort>> ports_;
  std::vector<std::unique_ptr<HmpSession>> prompts_;
  std::vector<std::unique_ptr<QmpSession>> programs_;
};

}  // namespace doppel::frontend
