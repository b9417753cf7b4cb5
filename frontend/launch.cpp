#include "frontend/launch.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "cpu/base/log.h"
#include "devices/display_text.h"
#include "frontend/audio/audio_devices.h"
#include "frontend/autopsy.h"
#include "frontend/background.h"
#include "frontend/connections.h"
#include "frontend/drives.h"
#include "frontend/file.h"
#include "frontend/front.h"
#include "frontend/loaders/linuxboot.h"
#include "frontend/loaders/loader.h"
#include "frontend/lockstep.h"
#include "frontend/message.h"
#include "frontend/monitor/hmp.h"
#include "frontend/network/open_networks.h"
#include "frontend/report.h"
#include "frontend/run_loop.h"
#include "frontend/snapshots.h"
#include "frontend/state_directory.h"
#include "frontend/state_file.h"
#include "frontend/terminal.h"
#include "frontend/trace_log.h"

namespace doppel::frontend {
namespace {

constexpr u64 kPoolSlack = (u64{8} << 20) + mmu::FrameGathering::kGalleryFrames * kPageSize;

// Log lines belong to the process: chips have no machine to name.
TraceLog* active_trace = nullptr;

/// What concerns the person is told; what a guest did to a chip only where -d guest_errors asks.
void take_log_line(log::Level, std::string_view channel, std::string_view line) {
  if (channel == "machine" || channel == "output" || channel == "doppel") {
    say(line);
  } else if (active_trace != nullptr && active_trace->wants_notes()) {
    active_trace->note(channel, line);
  }
}

/// Chips that make sound, plugged into what listens.
void connect_sound(const AudioOptions& options, AudioDevices& audio,
                   devices::BoardConfig& board) {
  board.speaker = audio.plug(options.speaker_audiodev);
  for (const AudioOptions::Card& card : options.cards)
    board.sound_cards.push_back({card.model, audio.plug(card.audiodev)});
}

Result<MachineConfig, Error> machine_config(const Options& options, Connections& connections) {
  DOPPEL_TRY(cpu::CpuModel model, cpu::CpuModel::parse(options.cpu));
  MachineConfig config(std::move(model));
  config.ram_bytes = options.ram_bytes;
  config.icount_shift = options.icount_shift;
  config.seed = options.seed;
  config.engine = options.engine;
  config.jit = options.jit;
  config.paging = options.paging;
  config.lockstep = options.lockstep;
  config.board.rtc_start = options.rtc_start;
  config.board.debug_exit = options.debug_exit;
  config.board.has_pvpanic = options.has_pvpanic;
  config.board.fw_cfg_items = options.fw_cfg_items;
  config.board.virtio_rngs = options.virtio_rngs;
  DOPPEL_TRY(connections.open(options, config.board));
  bool placed = false;
  for (const Options::LoadedFile& file : options.loaded_files)
    placed = placed || file.starts || file.address.has_value();
  if (!options.firmware.empty() || (options.kernel.empty() && !placed)) {
    DOPPEL_TRY(config.firmware, loaders::read_firmware(options));
  }
  if (!options.kernel.empty() && !config.firmware.empty()) {
    DOPPEL_TRY(const loaders::KernelFiles files, loaders::read_kernel_files(options));
    DOPPEL_TRY(loaders::add_linuxboot(
        files, loaders::MemoryMap::of_board(config.ram_bytes), config.board));
  }
  config.board.has_vga = options.vga == Options::Vga::Std;
  if (config.board.has_vga && !config.firmware.empty()) {
    DOPPEL_TRY(config.board.vga_rom, loaders::read_vga_rom(options));
  }
  config.board.firmware_on_serial = options.firmware_on_serial;
  DOPPEL_TRY(config.board.drives, open_drives(options));
  config.board.boot_order = options.boot_order;
  config.board.boot_once = options.boot_once;
  config.board.boot_menu = options.boot_menu;
  return config;
}

Result<void, Error> prepare_boot(const Options& options, Machine& machine) {
  const loaders::BootContext context = machine.boot_context();
  loaders::BootPlan plan;
  plan.kind = "firmware";
  if (!options.kernel.empty() && options.firmware.empty()) {
    DOPPEL_TRY(const loaders::KernelFiles files, loaders::read_kernel_files(options));
    DOPPEL_TRY(plan, loaders::plan_kernel(files, context, options.linux_entry));
  }
  DOPPEL_TRY(loaders::add_loaded_files(options, context, plan));
  machine.set_boot_plan(std::move(plan));
  return {};
}

/// A name that ends in a slash, or is a directory, takes the disks along.
Result<void, Error> save_machine(Machine& machine, const std::string& path) {
  if (!path.ends_with('/') && !is_directory(path)) return save_state(machine, path);
  return save_state_directory(machine, path.substr(0, path.find_last_not_of('/') + 1));
}

Result<void, Error> load_machine(Machine& machine, const Options& options, const Snapshots& snapshots) {
  MachineAfter after = MachineAfter::Unchanged;
  if (!options.load_snapshot.empty()) return snapshots.load(machine, options.load_snapshot, after);
  if (options.state_load_file.empty()) return {};
  if (is_directory(options.state_load_file))
    return load_state_directory(machine, options.state_load_file, after);
  return load_state(machine, options.state_load_file);
}

RunConfig run_config(const Options& options, bool typed_at, Connections& connections,
                     Machine& machine, HostFront* front, const Snapshots& snapshots) {
  const bool person_types =
      typed_at && options.replay_file.empty() && Terminal::input_is_terminal();
  RunConfig config;
  config.no_reboot = options.no_reboot;
  config.no_shutdown = options.no_shutdown;
  config.on_panic = options.on_panic;
  config.start_paused = options.start_paused;
  config.real_time = options.pace == Options::Pace::RealTime ||
                     (options.pace == Options::Pace::Auto && (front != nullptr || person_types));
  config.keep_pace = config.real_time && front != nullptr;
  config.front = front;
  config.timeout_virtual_ns = options.timeout_virtual_ns;
  config.timeout_host_ns = options.timeout_host_ns;
  if (!options.state_save_file.empty()) {
    config.save_at_ns = options.state_save_at_ns;
    config.save = [&machine, path = options.state_save_file] { return save_machine(machine, path); };
  }
  config.load = [&machine, snapshots](const std::string& name, MachineAfter& after) {
    return snapshots.load(machine, name, after);
  };
  config.disk_accesses = [&machine] { return machine.board().disk_sectors_moved(); };
  config.flush_output = [&connections] { connections.characters().flush(); };
  config.observer = [&connections](const RunEvent& event) { connections.tell(event); };
  return config;
}

/// The run between a machine that is ready and its report.
struct Finished {
  RunOutcome outcome;
  u64 resets = 0;
};

/// What acts by itself, and what it sees of the first serial port.
struct Automaton {
  std::unique_ptr<Script> script;
  RecentText serial;
};

std::string screen_text(Machine& machine) {
  const devices::DisplaySource* const display = machine.display();
  const std::optional<devices::TextScreen> screen = display != nullptr ? display->text() : std::nullopt;
  return screen ? devices::to_utf8(*screen) : std::string();
}

/// Somebody types at standard input; Ctrl-A switches between machine and monitor there.
bool terminal_is_shared(const Options& options) {
  for (const auto* targets : {&options.serial, &options.virtio_consoles}) {
    for (const CharacterTarget& target : *targets) {
      if (target.kind == CharacterTarget::Kind::Stdio && target.monitor) return true;
    }
  }
  return false;
}

MonitorFacts monitor_facts(const Options& options, Connections& connections, TraceLog& trace) {
  MonitorFacts facts;
  facts.name = options.name;
  facts.uuid = options.uuid;
  facts.record_file = options.record_file;
  facts.replay_file = options.replay_file;
  facts.characters = &connections.characters();
  facts.trace = &trace;
  return facts;
}

Result<Finished, Error> run_machine(const Options& options, Machine& machine, InputQueue& queue,
                                    Connections& connections, TraceLog& trace,
                                    Automaton& automaton, HostFront* front,
                                    const Snapshots& snapshots, HostNetworks& networks) {
  const bool typed_at = connections.is_typed_at(options);
  RunConfig config = run_config(options, typed_at, connections, machine, front, snapshots);
  config.after_reset = [&] { trace.reset(machine.cpu().state); };
  std::optional<Hmp> monitor;
  config.networks = networks.cables().empty() ? nullptr : &networks;
  config.script = automaton.script.get();
  config.script_world = {[&machine] { return screen_text(machine); }, &automaton.serial,
                         [&monitor](const std::string& line) { return monitor->execute(line); },
                         [](const std::string& answer) { std::fputs(answer.c_str(), stderr); }};
  RunLoop* running = nullptr;
  config.script_world.must_wait = [&running] { return running->load_wanted(); };
  RunLoop loop(machine, queue, connections.characters(), std::move(config));
  running = &loop;
  const MonitorFacts facts = monitor_facts(options, connections, trace);
  monitor.emplace(machine, loop, queue, machine.display(), snapshots);
  monitor->know(facts);
  monitor->set_networks(networks);
  Qmp qmp({machine, loop, queue, *monitor, facts});
  connections.characters().set_quit([&loop] { loop.quit(); });
  DOPPEL_TRY(connections.connect(options, queue, *monitor, qmp));
  std::optional<Terminal> terminal;
  if (typed_at) terminal.emplace(!terminal_is_shared(options));
  Finished finished;
  finished.outcome = loop.run();
  finished.resets = loop.resets();
  connections.characters().finish();
  return finished;
}

int exit_status(const Options& options, const RunOutcome& outcome) {
  if (options.qemu_exit_style && outcome.kind == RunOutcome::Kind::Failed) return 1;
  if (options.qemu_exit_style && outcome.kind == RunOutcome::Kind::Panic) return 1;
  if (options.qemu_exit_style && outcome.kind == RunOutcome::Kind::Signal) return 0;
  return outcome.status & 0xff;
}

Result<RunOutcome, Error> run_options(const Options& options,
                                      const std::vector<std::string>& command,
                                      Background& background) {
  DOPPEL_TRY(const std::unique_ptr<TraceLog> trace,
             TraceLog::create(options.log_items, options.log_file, options.log_filter));
  Connections connections;
  DOPPEL_TRY(MachineConfig config, machine_config(options, connections));
  DOPPEL_TRY(const std::unique_ptr<AudioDevices> audio, AudioDevices::create(options.audio));
  connect_sound(options.audio, *audio, config.board);
  InputQueue queue;
  HostNetworks networks;
  DOPPEL_TRY(open_networks(options, queue, networks, config));
  Automaton automaton;
  if (!options.script_file.empty()) {
    DOPPEL_TRY(automaton.script, Script::load(options.script_file));
    automaton.serial.set_next(config.board.serial[0]);
    config.board.serial[0] = &automaton.serial;
  }
  DOPPEL_TRY(mmu::MachineMemory pool,
             mmu::MachineMemory::create(Machine::frames_needed(config) * kPageSize + kPoolSlack));
  DOPPEL_TRY(const std::unique_ptr<Machine> machine, Machine::create(config, pool));
  DOPPEL_TRY(prepare_boot(options, *machine));
  networks.set_wake([&cpu = machine->cpu()] { cpu.attention = true; });
  if (!options.replay_file.empty()) DOPPEL_TRY(queue.replay_from(options.replay_file));
  if (!options.record_file.empty()) DOPPEL_TRY(queue.record_to(options.record_file));
  machine->reset();
  trace->attach(*machine);
  trace->reset(machine->cpu().state);
  const Snapshots snapshots(options.state_folder.empty() ? Snapshots::default_folder(machine->board().drives())
                                                         : options.state_folder);
  DOPPEL_TRY(load_machine(*machine, options, snapshots));
  DOPPEL_TRY(const std::unique_ptr<HostFront> front,
             open_front(options, *machine, queue, connections.pages()));
  if (front) audio->window_opened();

  std::optional<PidFile> pid_file;
  if (!options.pid_file.empty()) {
    auto created = PidFile::create(options.pid_file);
    if (!created.ok()) return Error{"-pidfile: " + created.error().message};
    pid_file.emplace(created.take());
  }
  background.ready();
  active_trace = trace.get();
  const auto begin = std::chrono::steady_clock::now();
  auto run = run_machine(options, *machine, queue, connections, *trace, automaton, front.get(), snapshots,
                         networks);
  const auto took = std::chrono::steady_clock::now() - begin;
  active_trace = nullptr;
  trace->flush();
  audio->flush();
  DOPPEL_TRY(const Finished finished, std::move(run));

  Report report;
  report.name = options.name;
  report.command = command;
  report.seed = options.seed;
  report.host_ms =
      static_cast<u64>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  report.resets = finished.resets;
  report.status = exit_status(options, finished.outcome);
  if (finished.outcome.is_death()) {
    report.autopsy = examine(*machine, finished.outcome.reason);
    std::fputs(report.autopsy->text().c_str(), stderr);
  }
  report.outcome = finished.outcome;
  if (finished.outcome.kind == RunOutcome::Kind::EnginesDiffer)
    std::fputs(machine->lockstep()->report().c_str(), stderr);
  if (!options.report_file.empty()) {
    report.state_hash = machine->state_hash();
    const std::string json = report_json(report, *machine);
    DOPPEL_TRY(write_file(options.report_file, json.data(), json.size()));
  }
  return finished.outcome;
}

}  // namespace

int launch(const Options& options, const std::vector<std::string>& command) {
  log::set_sink(take_log_line);
  for (const std::string& note : options.notes) log::info("doppel", "%s", note.c_str());
  Background background;
  if (options.daemonize) {
    const auto split = background.split();
    if (!split.ok()) {
      say(split.error().message);
      return options.qemu_exit_style ? 1 : 2;
    }
    if (split.value()) return *split.value();
  }
  watch_signals();
  const Result<RunOutcome, Error> result = run_options(options, command, background);
  if (!result.ok()) {
    say(result.error().message);
    return options.qemu_exit_style ? 1 : 2;
  }
  const RunOutcome& outcome = result.value();
  const int status = exit_status(options, outcome);
  switch (outcome.kind) {
    case RunOutcome::Kind::Signal:
      if (!options.qemu_exit_style) die_of_signal(stop_signal());
      break;
    case RunOutcome::Kind::VirtualTimeout:
    case RunOutcome::Kind::HostTimeout:
    case RunOutcome::Kind::ReplayDiverged:
    case RunOutcome::Kind::NotSeen:
    case RunOutcome::Kind::EnginesDiffer:
    case RunOutcome::Kind::PagingDiffers:
    case RunOutcome::Kind::Failed:
      say(outcome.reason);
      std::fputs(outcome.details.c_str(), stderr);
      break;
    default:
      break;
  }
  return status;
}

}  // namespace doppel::frontend
