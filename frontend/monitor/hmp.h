#pragma once

// The monitor's prompt: QEMU's words for looking at a machine and steering it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/machine.h"
#include "frontend/monitor/facts.h"
#include "frontend/monitor/value_format.h"
#include "frontend/network/host_networks.h"
#include "frontend/run_loop.h"
#include "frontend/snapshots.h"

namespace doppel::frontend {

class Hmp {
 public:
  /// References and the display, which may be null, must outlive the monitor.
  Hmp(Machine& machine, RunLoop& loop, InputQueue& queue, devices::DisplaySource* display,
      Snapshots snapshots = {})
      : machine_(machine), loop_(loop), queue_(queue), display_(display), snapshots_(std::move(snapshots)) {}

  /// What it may tell beside what the machine shows; must outlive the monitor.
  void know(const MonitorFacts& facts) { facts_ = &facts; }

  /// What cards hang on; it must outlive the monitor.
  void set_networks(HostNetworks& networks) { networks_ = &networks; }

  /// Runs a command; the answer ends in a new line, or is empty.
  std::string execute(const std::string& line);

  /// Longer answers are cut.
  static constexpr size_t kLongestAnswer = size_t{256} << 10;

 private:
  std::string run(const std::string& line);
  std::string info(const std::string& topic);
  std::string dump_blocks(const std::string& address);

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

  // hmp_memory.cpp: memory and numbers.
  std::optional<std::string> execute_memory(const std::string& command, const Arguments& arguments);
  std::string examine_memory(const ValueFormat& format, u64 address, bool physical);
  std::string examine_texts(u64 address, u64 count, bool physical);
  std::vector<u8> read_memory(u64 address, size_t size, bool physical) const;
  std::string save_memory(const std::string& command, const Arguments& arguments);
  std::string checksum(const Arguments& arguments);
  std::optional<std::string> info_memory(const std::string& topic);

  // hmp_direct.cpp: what reaches past the machine's own ways: ports, NMI, the log.
  std::optional<std::string> execute_direct(const std::string& command, const Arguments& arguments);
  std::string access_port(bool write, const ValueFormat& format, const Arguments& arguments);
  std::string set_log(const std::string& command, const Arguments& arguments);

  // hmp_chips.cpp
  std::optional<std::string> info_chips(const std::string& topic);
  // hmp_facts.cpp: how the machine was asked for.
  std::optional<std::string> info_facts(const std::string& topic);

  // hmp_network.cpp
  std::optional<std::string> execute_network(const std::string& command,
                                             const Arguments& arguments);
  std::string info_network() const;
  std::string change_forward(const std::string& command, const Arguments& arguments);

  Machine& machine_;
  RunLoop& loop_;
  InputQueue& queue_;
  devices::DisplaySource* display_;
  Snapshots snapshots_;
  const MonitorFacts* facts_ = nullptr;
  HostNetworks* networks_ = nullptr;
};

}  // namespace doppel::frontend
