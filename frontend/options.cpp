#include "frontend/options.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include "frontend/loaders/loader.h"
#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

Error bad(std::string message) { return Error{std::move(message)}; }
std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

constexpr u64 kMebibyte = u64{1} << 20;
// Blocks jump to each other with 32-bit distances.
constexpr u64 kLargestCache = u64{1} << 30;
// A guest may have what 40 physical address bits reach, and some room for the hole below 4 GiB.
constexpr u64 kMostRam = u64{512} << 30;

OptionResult apply_memory(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "size");
  const std::string text = list.take("size").value_or("");
  if (const auto key = list.leftover()) return bad("has no property " + quoted(*key));
  const auto size = parse_size(text, kMebibyte);
  if (!size) return bad(quoted(text) + " is not a size");
  if (*size < kMebibyte || *size > kMostRam) return bad(quoted(text) + ": from 1M to 512G");
  builder.options.ram_bytes = *size / 4096 * 4096;
  return {};
}

OptionResult apply_cpu(OptionBuilder& builder, std::string_view value) {
  if (value == "help" || value == "?") builder.options.action = Options::Action::CpuHelp;
  builder.options.cpu = value;
  return {};
}

OptionResult apply_processors(OptionBuilder& builder, std::string_view value) {
  (void)builder;
  PropertyList list(value, "cpus");
  for (const std::string_view key : {"cpus", "sockets", "cores", "threads", "dies", "maxcpus"}) {
    const auto text = list.take(key);
    if (text && parse_number(*text) != 1) return bad(quoted(value) + ": doppel has one processor");
  }
  if (const auto key = list.leftover()) return bad("has no property " + quoted(*key));
  return {};
}

void note_once(OptionBuilder& builder, std::string text) {
  for (const std::string& note : builder.options.notes) {
    if (note == text) return;
  }
  builder.options.notes.push_back(std::move(text));
}

OptionResult apply_accelerator(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "accel");
  const std::string name = list.take("accel").value_or("");
  if (name != "tcg") return bad(quoted(name) + ": doppel always emulates (tcg is accepted)");
  (void)list.take("thread");
  (void)list.take("tb-size");
  if (const auto key = list.leftover()) return bad("tcg has no property " + quoted(*key));
  note_once(builder, "-accel tcg: doppel's own engine runs the machine");
  return {};
}

OptionResult apply_machine(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "type");
  const std::string type = list.take("type").value_or("pc");
  if (type == "help" || type == "?") {
    builder.options.action = Options::Action::MachineHelp;
    return {};
  }
  if (type != "pc" && type != "q35" && !type.starts_with("pc-i440fx") && type != "isapc") {
    return bad("there is no machine " + quoted(type) + " (pc)");
  }
  if (type != "pc") note_once(builder, "-machine " + type + ": doppel has one board, the pc");
  if (const auto accel = list.take("accel")) {
    auto done = apply_accelerator(builder, *accel);
    if (!done.ok()) return done;
  }
  for (const std::string_view key :
       {"usb", "vmport", "graphics", "hpet", "acpi", "kernel_irqchip", "smm"}) {
    if (const auto text = list.take(key);
        text && *text == "on" && key != "hpet" && key != "acpi" && key != "graphics") {
      note_once(builder, "-machine " + std::string(key) + "=on: has no effect");
    }
  }
  if (const auto speaker = list.take("pcspk-audiodev")) {
    builder.options.audio.speaker_audiodev = *speaker;
  }
  if (const auto key = list.leftover()) return bad("has no property " + quoted(*key));
  return {};
}

OptionResult apply_initrd(OptionBuilder& builder, std::string_view value) {
  builder.options.initrd = split_commas(value);
  for (const std::string& file : builder.options.initrd) {
    if (file.empty()) return bad("has an empty file name");
  }
  return {};
}

OptionResult apply_linux_entry(OptionBuilder& builder, std::string_view value) {
  using Entry = Options::LinuxEntry;
  if (value == "auto")
    builder.options.linux_entry = Entry::Auto;
  else if (value == "16")
    builder.options.linux_entry = Entry::Bits16;
  else if (value == "32")
    builder.options.linux_entry = Entry::Bits32;
  else if (value == "64")
    builder.options.linux_entry = Entry::Bits64;
  else
    return bad(quoted(value) + " is not auto, 16, 32 or 64");
  return {};
}

OptionResult apply_icount(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "shift");
  if (const auto shift = list.take("shift"); shift && *shift != "auto") {
    const auto number = parse_number(*shift);
    if (!number || *number > 10) return bad("shift=" + *shift + " is not 0 to 10, or auto");
    builder.options.icount_shift = static_cast<unsigned>(*number);
  }
  if (const auto align = list.take("align"); align && parse_switch(*align) != false) {
    return bad("align=" + *align + ": virtual time never follows the host's (align=off)");
  }
  if (const auto sleep = list.take("sleep")) {
    const auto on = parse_switch(*sleep);
    if (!on) return bad("sleep=" + *sleep + " is not on or off");
    builder.options.pace = *on ? Options::Pace::RealTime : Options::Pace::Jump;
  }
  if (list.take("rr") || list.take("rrfile") || list.take("rrsnapshot")) {
    return bad("rr: use --record FILE and --replay FILE");
  }
  if (const auto key = list.leftover()) return bad("has no property " + quoted(*key));
  return {};
}

OptionResult apply_rtc(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "base");
  if (const auto base = list.take("base")) {
    if (*base == "utc") {
      builder.options.rtc_start = static_cast<i64>(std::time(nullptr));
    } else if (*base == "localtime") {
      const std::time_t now = std::time(nullptr);
      std::tm local = {};
      ::localtime_r(&now, &local);
      builder.options.rtc_start = static_cast<i64>(now) + local.tm_gmtoff;
    } else if (const auto date = parse_date(*base)) {
      builder.options.rtc_start = *date;
    } else {
      return bad("base=" + *base + " is not utc, localtime or a date as 2024-01-01T00:00:00");
    }
  }
  if (const auto clock = list.take("clock"); clock && *clock != "vm") {
    if (*clock != "host" && *clock != "rt")
      return bad("clock=" + *clock + " is not vm, host or rt");
    note_once(builder, "-rtc clock=" + *clock + ": the clock runs in virtual time (vm)");
  }
  if (const auto drift = list.take("driftfix"); drift && *drift != "none" && *drift != "slew") {
    return bad("driftfix=" + *drift + " is not none or slew");
  }
  if (const auto key = list.leftover()) return bad("has no property " + quoted(*key));
  return {};
}

OptionResult apply_log_items(OptionBuilder& builder, std::string_view value) {
  static constexpr std::string_view kItems[] = {
      "in_asm", "out_asm", "exec", "int", "cpu", "mmu", "cpu_reset", "guest_errors", "unimp", "nochain"};
  for (const std::string& item : split_commas(value)) {
    if (item == "help" || item == "?") {
      builder.options.action = Options::Action::LogHelp;
      continue;
    }
    bool found = false;
    for (const std::string_view known : kItems) found = found || known == item;
    if (!found) return bad("there is no log item " + quoted(item) + " (-d help lists them)");
    builder.options.log_items.push_back(item);
  }
  return {};
}

OptionResult apply_engine(OptionBuilder& builder, std::string_view value) {
  for (const EngineKind kind :
       {EngineKind::Interpreter, EngineKind::Translator, EngineKind::Lockstep}) {
    if (value != engine_name(kind)) continue;
    builder.options.engine = kind;
    return {};
  }
  return bad(quoted(value) + ": there are jit, interp and lockstep");
}

OptionResult apply_paging(OptionBuilder& builder, std::string_view value) {
  if (value == "nested")
    builder.options.paging = mmu::PagingScheme::Nested;
  else if (value == "shadow")
    builder.options.paging = mmu::PagingScheme::Shadow;
  else if (value == "check")
    builder.options.paging = mmu::PagingScheme::Check;
  else
    return bad(quoted(value) + " is not shadow, nested or check");
  return {};
}

OptionResult apply_cache_size(OptionBuilder& builder, std::string_view value) {
  const auto size = parse_size(value, kMebibyte);
  if (!size || *size < kMebibyte || *size > kLargestCache)
    return bad(quoted(value) + " is not a size from 1M to 1G");
  builder.options.jit.cache_bytes = *size;
  return {};
}

OptionResult apply_threshold(OptionBuilder& builder, std::string_view value) {
  const auto number = parse_number(value);
  if (!number || *number > 1'000'000) return bad(quoted(value) + " is not 0 to 1000000");
  builder.options.jit.threshold = static_cast<unsigned>(*number);
  return {};
}

OptionResult apply_interval(u64& out, std::string_view value) {
  const auto number = parse_number(value);
  if (!number || *number == 0) return bad(quoted(value) + " is not a number of instructions");
  out = *number;
  return {};
}

OptionResult apply_exit_style(OptionBuilder& builder, std::string_view value) {
  if (value != "qemu" && value != "doppel") return bad(quoted(value) + " is not doppel or qemu");
  builder.options.qemu_exit_style = value == "qemu";
  return {};
}

OptionResult apply_duration(std::optional<u64>& out, std::string_view value) {
  out = parse_duration_ns(value);
  if (!out || *out == 0) return bad(quoted(value) + " is not a duration (30s, 500ms, 10us)");
  return {};
}

OptionResult apply_seed(OptionBuilder& builder, std::string_view value) {
  const auto number = parse_number(value);
  if (!number) return bad(quoted(value) + " is not a number");
  builder.options.seed = *number;
  return {};
}

OptionResult apply_state_save(OptionBuilder& builder, std::string_view value) {
  const size_t at = value.rfind('@');
  const auto time =
      at == std::string_view::npos ? std::nullopt : parse_duration_ns(value.substr(at + 1));
  if (!time || at == 0) return bad(quoted(value) + " is not FILE@TIME (state.bin@2.5s)");
  builder.options.state_save_file = value.substr(0, at);
  builder.options.state_save_at_ns = *time;
  return {};
}

// clang-format off
#define TEXT(member) [](OptionBuilder& b, std::string_view v) -> OptionResult { b.options.member = v; return {}; }
#define FLAG(member) [](OptionBuilder& b, std::string_view) -> OptionResult { b.member = true; return {}; }
#define IGNORED      [](OptionBuilder&, std::string_view) -> OptionResult { return {}; }
constexpr OptionRow kRows[] = {
  {"help",       "",             "This list", [](OptionBuilder& b, std::string_view) -> OptionResult { b.options.action = Options::Action::Help; return {}; }},
  {"h",          "",             "This list", [](OptionBuilder& b, std::string_view) -> OptionResult { b.options.action = Options::Action::Help; return {}; }},
  {"version",    "",             "The version", [](OptionBuilder& b, std::string_view) -> OptionResult { b.options.action = Options::Action::Version; return {}; }},
  {"name",       "NAME",         "What the report and the monitors call this machine", apply_name},
  {"uuid",       "UUID",         "What the monitors tell of it", apply_uuid},

  {"m",          "SIZE",         "RAM: 512 (MiB), 2G, size=2G; 128 MiB by default", apply_memory},
  {"cpu",        "MODEL[,+F,-F]", "Processor model and features; help lists them; max by default", apply_cpu},
  {"smp",        "1",            "Processors: one", apply_processors},
  {"machine",    "pc[,accel=tcg][,pcspk-audiodev=ID]", "The board: pc, and who hears its loudspeaker", apply_machine},
  {"M",          "pc",           "Same as -machine", apply_machine},
  {"accel",      "tcg",          "Accepted, so that scripts run", apply_accelerator},

  {"kernel",     "FILE",         "Boots a Linux kernel, multiboot, PVH or ELF image, or a boot sector", TEXT(kernel)},
  {"initrd",     "F[,F...]",     "Initial RAM disks, one after the other; for multiboot the modules (\"file arguments\")", apply_initrd},
  {"append",     "TEXT",         "Kernel command line", TEXT(append)},
  {"linux-entry","auto|16|32|64", "Which entry of a Linux kernel is used; auto: the widest the processor has", apply_linux_entry},
  {"bios",       "FILE",         "Firmware, 64 KiB to 16 MiB; with -kernel, firmware starts the kernel", TEXT(firmware)},
  {"L",          "DIR",          "Where firmware is looked for", [](OptionBuilder& b, std::string_view v) -> OptionResult { b.options.firmware_directories.emplace_back(v); return {}; }},
  {"hda",        "FILE",         "First hard disk; also an argument without an option", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Ide, 0, false, v); }},
  {"hdb",        "FILE",         "Second hard disk", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Ide, 1, false, v); }},
  {"hdc",        "FILE",         "Third hard disk, where the CD-ROM drive would be", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Ide, 2, false, v); }},
  {"hdd",        "FILE",         "Fourth hard disk", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Ide, 3, false, v); }},
  {"cdrom",      "FILE",         "What is in the CD-ROM drive", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Ide, 2, true, v); }},
  {"fda",        "FILE",         "What is in floppy drive A", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Floppy, 0, false, v); }},
  {"fdb",        "FILE",         "What is in floppy drive B", [](OptionBuilder& b, std::string_view v) { return apply_image(b, DriveOptions::Bus::Floppy, 1, false, v); }},
  {"drive",      "file=F[,if=ide|floppy|virtio|none][,format=raw|qcow2][,media=disk|cdrom][,index=N][,snapshot=on][,readonly=on][,cache=MODE][,discard=unmap][,serial=S][,id=ID]", "A drive with everything that can be said of it", apply_drive},
  {"snapshot",   "",             "What guests write to disks is forgotten at the end", FLAG(snapshot)},
  {"boot",       "[order=]cad[,once=d][,menu=on]", "Where firmware looks for a system: a floppy, c hard disk, d CD-ROM", apply_boot},
  {"fw_cfg",     "[name=]N,file=F|string=S", "An item for the guest to read through fw_cfg", apply_fw_cfg},

  {"serial",     "DEV",          "COM1, then COM2: stdio, mon:stdio, null, none, vc, file:NAME, pty, tcp:HOST:PORT[,server][,nowait], telnet:HOST:PORT..., unix:PATH..., chardev:ID", apply_serial},
  {"chardev",    "stdio|file|null|pty|vc|socket,id=ID[,path=F][,host=H,port=N][,server=on][,wait=off][,telnet=on][,mux=on]", "Names something that bytes go to and come from", apply_chardev},
  {"debugcon",   "DEV",          "Debug console on port 0xe9", apply_debugcon},
  {"device",     "NAME[,prop=value...]", "e1000 or virtio-net-pci[,netdev=ID][,mac=M]; virtio-blk-pci,drive=ID[,bootindex=N][,serial=S]; virtio-serial-pci; virtconsole,chardev=ID; virtio-rng-pci; AC97 or sb16[,audiodev=ID]; pvpanic; isa-debug-exit[,iobase=,iosize=]; isa-debugcon,iobase=,chardev= or file=; loader,file=,addr=[,cpu-num=0]", apply_device},
  {"global",     "isa-debugcon.iobase=PORT", "Default port of debug consoles", apply_global},
  {"audiodev",   "sdl|wav|none,id=ID[,path=F][,out.frequency=HZ]", "Names something that hears sound: the host's loudspeaker, a WAV file, nobody", apply_audiodev},
  {"audio",      "sdl|wav|none[,model=AC97|sb16][,path=F]", "The same with a sound card on it", apply_audio},
  {"nographic",  "",             "COM1 and the monitor share the terminal (Ctrl-A h for help)", FLAG(nographic)},
  {"display",    "sdl[,grab-mod=KEYS]|curses|none", "A window (by default, where there is a screen), the terminal, or none; grab-mod: lctrl-lalt, lshift-lctrl-lalt or rctrl", apply_display},
  {"curses",     "",             "Same as -display curses", [](OptionBuilder& b, std::string_view) { return apply_display(b, "curses"); }},
  {"full-screen", "",            "The window begins as the whole screen", FLAG(options.full_screen)},
  {"vga",        "std|none",     "The graphics card", apply_vga},
  {"netdev",     "user,id=ID[,net=ADDR/BITS][,dhcpstart=A][,restrict=on][,hostname=N][,tftp=DIR][,bootfile=F][,hostfwd=tcp|udp:[A]:PORT-[A]:PORT]", "A network behind this host's sockets, for a -device", apply_netdev},
  {"nic",        "user[,model=e1000][,mac=M][,...]|none", "A card with its network; what -netdev knows goes here too", apply_nic},
  {"net",        "nic[,model=M]|user[,...]|none", "The same in QEMU's oldest words", apply_net},
  {"parallel",   "none",         "No parallel port", apply_parallel},
  {"monitor",    "DEV",          "The monitor's prompt is there, and not on the terminal; none: nowhere", apply_monitor},
  {"qmp",        "DEV",          "The monitor for programs (QMP) is there", apply_qmp},
  {"qmp-pretty", "DEV",          "The same with line breaks", apply_pretty_qmp},
  {"mon",        "[chardev=]ID[,mode=readline|control][,pretty=on]", "A monitor on a -chardev; control: QMP", apply_mon},
  {"nodefaults", "",             "Nothing that was not asked for", FLAG(no_defaults)},
  {"no-user-config", "",         "Accepted: there is none", IGNORED},

  {"no-reboot",  "",             "A reset ends the run; a triple fault is status 120", FLAG(options.no_reboot)},
  {"no-shutdown", "",            "Stop, but stay, when the guest shuts down", FLAG(options.no_shutdown)},
  {"action",     "panic=none|pause|shutdown|exit-failure[,reboot=reset|shutdown][,shutdown=poweroff|pause]", "What follows when the guest panics (exit-failure: status 118), resets, switches off", apply_action},
  {"pidfile",    "FILE",         "Holds the number of the process while it runs", TEXT(pid_file)},
  {"daemonize",  "",             "Goes to the background once the machine is built", FLAG(options.daemonize)},
  {"S",          "",             "Start stopped; the monitor's cont goes on", FLAG(options.start_paused)},
  {"icount",     "shift=N[,sleep=on|off]", "An instruction takes 2^N ns (0 by default); sleep: whether an idle machine waits in real time", apply_icount},
  {"rtc",        "base=utc|localtime|DATE", "Start of the calendar clock; 2024-01-01 by default", apply_rtc},
  {"d",          "ITEM[,ITEM]",  "What is logged; help lists the items", apply_log_items},
  {"D",          "FILE",         "Where -d goes instead of stderr", TEXT(log_file)},
  {"dfilter",    "RANGE[,RANGE]", "Addresses that -d in_asm, out_asm, exec and cpu keep: A+LEN, A-LEN, A..B", TEXT(log_filter)},

  {"engine",     "jit|interp|lockstep", "What executes instructions: the translator, the interpreter, or both, compared", apply_engine},
  {"jit-cache",  "SIZE",         "Room for translated code; 32M by default", apply_cache_size},
  {"jit-threshold", "N",         "How often a block runs before it is translated", apply_threshold},
  {"jit-verify", "",             "Checks every translated block before it runs", FLAG(options.jit.verify)},
  {"lockstep-interval", "N",     "Instructions between comparisons of the processors; 10000 by default", [](OptionBuilder& b, std::string_view v) { return apply_interval(b.options.lockstep.interval, v); }},
  {"lockstep-whole-interval", "N", "Instructions between comparisons of chips and memory; 20000000 by default", [](OptionBuilder& b, std::string_view v) { return apply_interval(b.options.lockstep.whole_interval, v); }},
  {"mmu",        "shadow|nested|check", "How a linear address is looked up: shadow page tables, the guest's tables, or both, compared", apply_paging},
  {"seed",       "N",            "Start of the guest's random numbers", apply_seed},
  {"timeout-virtual", "TIME",    "Ends the run after this much virtual time, status 122", [](OptionBuilder& b, std::string_view v) { return apply_duration(b.options.timeout_virtual_ns, v); }},
  {"timeout-host", "TIME",       "Ends the run after this much time here, status 124", [](OptionBuilder& b, std::string_view v) { return apply_duration(b.options.timeout_host_ns, v); }},
  {"exit-style", "doppel|qemu",  "qemu: usage errors are status 1, a signal is status 0", apply_exit_style},
  {"report",     "FILE",         "Writes what happened as JSON", TEXT(report_file)},
  {"script",     "FILE",         "Waits for texts and acts like a person at the machine; status 110 if one does not come", TEXT(script_file)},
  {"record",     "FILE",         "Writes all input with the moment it arrived", TEXT(record_file)},
  {"replay",     "FILE",         "Takes input from a recording, and none from the host", TEXT(replay_file)},
  {"state-save", "FILE@TIME",    "Saves the machine at this virtual time, and goes on; DIR/@TIME: with its disks", apply_state_save},
  {"state-load", "FILE|DIR",     "Starts from a saved machine; the other options must be the same", TEXT(state_load_file)},
  {"state-dir",  "DIR",          "Where savevm keeps machines; beside the first disk by default", TEXT(state_folder)},
  {"loadvm",     "NAME",         "Starts from a machine that savevm saved", TEXT(load_snapshot)},
};
#undef TEXT
#undef FLAG
#undef IGNORED
// clang-format on

const OptionRow* find_row(std::string_view name) {
  for (const OptionRow& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

OptionResult check_together(const Options& options) {
  if (options.kernel.empty() && !options.initrd.empty()) return bad("-initrd: needs -kernel");
  if (options.kernel.empty() && !options.append.empty()) return bad("-append: needs -kernel");
  const bool shown =
      options.display == Options::Display::Sdl || options.display == Options::Display::Curses;
  if (shown && options.vga == Options::Vga::None)
    return bad("-display: what shows a screen needs a graphics card (-vga std)");
  if (options.daemonize && options.display == Options::Display::Curses)
    return bad("-daemonize: -display curses: the terminal stays behind");
  if (!options.load_snapshot.empty() && !options.state_load_file.empty())
    return bad("-loadvm: not together with --state-load");
  if (!options.record_file.empty() && !options.replay_file.empty())
    return bad("--record: not together with --replay");
  return {};
}

}  // namespace

std::span<const OptionRow> option_rows() { return kRows; }

Result<Options, Error> parse_options(const std::vector<std::string>& arguments) {
  OptionBuilder builder;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.size() < 2 || word.front() != '-') {
      if (word.empty()) return bad("an empty argument");
      if (loaders::is_kernel_file(word)) {
        if (!builder.options.kernel.empty())
          return bad(word + ": one image is started, and -kernel names another");
        builder.options.kernel = word;
        continue;
      }
      DOPPEL_TRY(apply_image(builder, DriveOptions::Bus::Ide, 0, false, word));
      continue;
    }
    std::string_view name = std::string_view(word).substr(word.starts_with("--") ? 2 : 1);
    std::optional<std::string_view> joined;
    if (const size_t equals = name.find('='); equals != std::string_view::npos) {
      joined = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const OptionRow* row = find_row(name);
    if (row == nullptr) return bad(word + ": unknown option (-help lists them)");
    std::string_view value;
    if (row->argument.empty()) {
      if (joined) return bad("-" + std::string(name) + ": takes no value");
    } else if (joined) {
      value = *joined;
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return bad("-" + std::string(name) + ": needs " + std::string(row->argument));
    }
    auto done = row->apply(builder, value);
    if (!done.ok()) return bad("-" + std::string(name) + ": " + done.error().message);
  }
  if (builder.options.action == Options::Action::Run) {
    DOPPEL_TRY(finish_devices(builder));
    DOPPEL_TRY(finish_drives(builder));
    DOPPEL_TRY(finish_audio(builder));
    DOPPEL_TRY(finish_network(builder));
    DOPPEL_TRY(finish_virtio(builder));
    DOPPEL_TRY(check_together(builder.options));
  }
  return std::move(builder.options);
}

std::string help_text() {
  std::string text =
      "usage: doppel [options] [image]\n\n"
      "A disk image is booted as -hda would be, a kernel is started as -kernel would. Options take one\n"
      "dash or two.\n\n";
  for (const OptionRow& row : kRows) {
    std::string left = "  -" + std::string(row.name);
    if (!row.argument.empty()) left += " " + std::string(row.argument);
    if (left.size() < 28) {
      left.resize(28, ' ');
    } else {
      left += "\n" + std::string(28, ' ');
    }
    text += left + std::string(row.help) + "\n";
  }
  text +=
      "\nExit status: 0 shutdown, odd: the guest's isa-debug-exit, 2 command line, 4 internal "
      "error,\n"
      "110 a script's text did not come, 112 replay diverged, 116 deadlock, 118 guest panic, 120 triple fault, 122 virtual time limit, 124 host time "
      "limit.\n";
  return text;
}

}  // namespace doppel::frontend
