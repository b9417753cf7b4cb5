#pragma once

// The monitor's prompt: QEMU's words for looking at a machine and steering it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/machine.h"
#include "frontend/run_loop.h"
#include "frontend/snapshots.h"

namespace doppel::frontend {

class Hmp {
 public:
  /// References and the display, which may be null, must outlive the monitor.
  Hmp(Machine& machine, RunLoop& loop, InputQueue& queue, devices::DisplaySource* display,
      Snapshots snapshots = {})
      : machine_(machine), loop_(loop), queue_(queue), display_(display), snapshots_(std::move(snapshots)) {}

  /// Runs a command; the answer ends in a new line, or is empty.
  std::string execute(const std::string& line);

 private:
  std::string info(const std::string& topic);
  std::optional<u64> parse_address(const std::string& text) const;
  std::string dump_blocks(const std::string& address);
  std::string examine_memory(const std::string& format, const std::string& address, bool physical);

  // hmp_input.cpp: what a person at the machine would do.
  using Arguments = std::vector<std::string>;
  std::optional<std::string> execute_input(const std::string& command, const Arguments& arguments,
                                           std::string_view rest);
  std::string send_key(const Arguments& arguments);
  std::string type_text(std::string_view text);
  std::string move_mouse(const Arguments& arguments);
  std::string press_mouse_buttons(const Arguments& arguments);

  // hmp_media.cpp: what lies in the drives.
  std::optional<std::string> execute_media(const std::string& command, std::string_view rest);
  std::string change_medium(const Arguments& arguments, bool force);
  std::string eject_medium(const Arguments& arguments, bool force);
  std::string enter(MediaChange change);
  std::string info_block() const;

  // hmp_snapshots.cpp: saved machines.
  std::optional<std::string> execute_snapshots(const std::string& command,
                                               const Arguments& arguments);
  std::string info_snapshots() const;

  // hmp_display.cpp: what such a person would see.
  std::optional<std::string> execute_display(const std::string& command,
                                             const Arguments& arguments);
  std::string dump_screen(const Arguments& arguments);
  std::string dump_screen_text(const Arguments& arguments);

  Machine& machine_;
  RunLoop& loop_;
  InputQueue& queue_;
  devices::DisplaySource* display_;
  Snapshots snapshots_;
};

}  // namespace doppel::frontend
