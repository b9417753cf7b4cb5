#include <doctest/doctest.h>

#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// mov al, event; mov dx, 505h; out dx, al; mov al, 10h; mov dl, 1; out dx, al
std::vector<u8> reports(u8 event) {
  return {0xb0, event, 0xba, 0x05, 0x05, 0xee, 0xb0, 0x10, 0xb2, 0x01, 0xee, 0xf4};
}

RunOutcome run(u8 event, PanicAction action, bool has_port = true) {
  SmallMachine machine(reports(event), nullptr,
                       [&](MachineConfig& config) { config.board.has_pvpanic = has_port; });
  RunConfig config;
  config.on_panic = action;
  return machine.run(std::move(config));
}

TEST_CASE("run_loop: a panic that the guest reports ends the run with status 118") {
  const RunOutcome outcome = run(1, PanicAction::ExitFailure);
  CHECK(outcome.kind == RunOutcome::Kind::Panic);
  CHECK(outcome.status == 118);
  CHECK(outcome.is_death());
}

TEST_CASE("run_loop: -action panic= says what a panic is, and a crash kernel goes on") {
  CHECK(run(1, PanicAction::Shutdown).kind == RunOutcome::Kind::Shutdown);
  CHECK(run(1, PanicAction::None).status == 33);
  CHECK(run(2, PanicAction::ExitFailure).status == 33);
  CHECK(run(1, PanicAction::ExitFailure, false).status == 33);  // Nobody is at the port.
}

}  // namespace
}  // namespace doppel::frontend
