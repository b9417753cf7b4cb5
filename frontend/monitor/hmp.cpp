#include "frontend/monitor/hmp.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <sstream>

#include "frontend/cpu_dump.h"
#include "frontend/listing.h"
#include "frontend/monitor/expression.h"

namespace doppel::frontend {
namespace {

constexpr std::string_view kHelp =
    "change [-f] DRIVE FILE [FORMAT [ACCESS]]  another disk in a CD-ROM or floppy drive\n"
    "cont, c             go on\n"
    "cpu N               the processor that registers are shown of: 0\n"
    "delvm NAME          forget a saved machine\n"
    "dump ADDR           guest and host code of the blocks at a linear address\n"
    "eject [-f] DRIVE    takes the disk out; -f: also where the guest has locked the door\n"
    "gva2gpa ADDR        where a linear address leads\n"
    "help, ? [COMMAND]   this list, or what it says of one command\n"
    "hostfwd_add [ID] tcp|udp:[A]:PORT-[A]:PORT  lead a port of this host to the guest\n"
    "hostfwd_remove [ID] tcp|udp:[A]:PORT        and no longer\n"
    "i/FMT PORT          reads a port: b h w\n"
    "info block          the drives and what is in them\n"
    "info chardev        character devices, and where they lead\n"
    "info cpus           the processors\n"
    "info irq            interrupt lines and what becomes of them\n"
    "info jit            what the translator did\n"
    "info lapic          the local APIC\n"
    "info mem            mapped ranges of linear addresses, with their rights\n"
    "info mmu            what address translation did\n"
    "info mtree          ranges of memory and ports\n"
    "info name           the name of the machine\n"
    "info network        cards, and what they are connected with\n"
    "info pci            functions on the PCI bus\n"
    "info pic            interrupt controllers\n"
    "info qtree          the chips\n"
    "info registers [-a] the processor; -a: x87 and vectors too\n"
    "info replay         recording or replaying, and which moment it is\n"
    "info roms           what was booted\n"
    "info snapshots      the machines that were saved\n"
    "info status         running or paused, and when\n"
    "info tlb            mapped pages, one by one\n"
    "info uuid           the UUID of the machine\n"
    "info version        the version\n"
    "loadvm NAME         go back to a saved machine, its disks too\n"
    "log ITEM[,ITEM]|none  what -d would log, from now on\n"
    "logfile FILE        where the log goes from now on\n"
    "memsave ADDR SIZE FILE   memory at a linear address to a file\n"
    "mouse_button N      hold these mouse buttons: 1 left, 2 middle, 4 right, added up\n"
    "mouse_move DX DY [DZ]  move the mouse; DZ turns the wheel, away from the hand if positive\n"
    "nmi                 a non-maskable interrupt\n"
    "o/FMT PORT VALUE    writes a port: b h w\n"
    "pmemsave ADDR SIZE FILE  memory at a physical address to a file\n"
    "print/FMT, p/FMT EXPR  a number: + - * / % & | ^ ~ ( ) $register\n"
    "quit, q             end doppel\n"
    "savevm NAME         save the machine with its disks\n"
    "screendump FILE     the screen as a picture: .png, or else PPM\n"
    "screentext [FILE]   the characters on a text screen\n"
    "sendkey KEYS [MS]   press keys (ctrl-alt-delete) for this time, 100 ms\n"
    "stop, s             pause the machine\n"
    "sum ADDR SIZE       checksum of physical memory, as sum(1) has it\n"
    "system_powerdown    press the power button\n"
    "system_reset        press the reset button\n"
    "type TEXT           type on a US keyboard; \\n return, \\t tab, \\e escape, \\b backspace\n"
    "x/FMT ADDR          memory at a linear address: count, d u o x c i s, b h w g\n"
    "xp/FMT ADDR         memory at a physical address\n";

/// The lines about one command; all of them for an empty name.
std::string help(const std::string& name) {
  if (name.empty()) return std::string(kHelp);
  std::string out;
  for (size_t at = 0; at < kHelp.size();) {
    const size_t end = kHelp.find('\n', at) + 1;
    const std::string_view line = kHelp.substr(at, end - at);
    const size_t length = line.find_first_of(" ,/");
    const bool second_name = line.substr(length).starts_with(", " + name + " ") ||
                             line.substr(length).starts_with(", " + name + "/") ||
                             line.find("/FMT, " + name + "/") != std::string_view::npos;
    if (line.substr(0, length) == name || second_name) out += line;
    at = end;
  }
  return out.empty() ? "there is no command '" + name + "'\n" : out;
}

std::string mmu_text(const mmu::MmuCounters& counters, const cpu::EngineCounters& engine) {
  char text[800];
  std::snprintf(text, sizeof text,
                "misses          %" PRIu64 "\nwalks           %" PRIu64 "\nhidden faults   %" PRIu64
                "\ntrue faults     %" PRIu64 "\nrefills         %" PRIu64
                "\nflushes         %" PRIu64 "\npage flushes    %" PRIu64
                "\ndevice accesses %" PRIu64 "\ntracked stores  %" PRIu64
                "\nblocks decoded  %" PRIu64 "\nblocks dropped  %" PRIu64 "\n",
                counters.misses, counters.walks, counters.hidden_faults, counters.true_faults,
                counters.refills, counters.flushes, counters.page_flushes, counters.mmio,
                counters.tracked_stores, engine.blocks_decoded, engine.blocks_invalidated);
  return text;
}

}  // namespace

std::string Hmp::execute(const std::string& line) {
  std::string answer = run(line);
  if (answer.size() <= kLongestAnswer) return answer;
  // Character devices hold only so much; half a line would be misread.
  answer.resize(answer.rfind('\n', kLongestAnswer) + 1);
  return answer + "and more\n";
}

std::string Hmp::run(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command.empty()) return {};
  // `type` wants all that stands behind the blank after it, blanks included.
  const size_t begin = line.find(command) + command.size() + 1;
  const std::string_view rest = std::string_view(line).substr(std::min(begin, line.size()));
  Arguments arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  if (auto answer = execute_input(command, arguments, rest)) return *answer;
  if (auto answer = execute_display(command, arguments)) return *answer;
  if (auto answer = execute_media(command, rest)) return *answer;
  if (auto answer = execute_snapshots(command, arguments)) return *answer;
  if (auto answer = execute_memory(command, arguments)) return *answer;
  if (auto answer = execute_direct(command, arguments)) return *answer;
  if (auto answer = execute_network(command, arguments)) return *answer;
  const std::string argument = arguments.empty() ? "" : arguments[0];
  const std::string more = arguments.size() < 2 ? "" : arguments[1];
  if (command == "help" || command == "?") return help(argument);
  if (command == "quit" || command == "q") {
    loop_.quit();
    return {};
  }
  if (command == "stop" || command == "s") {
    loop_.pause();
    return {};
  }
  if (command == "cont" || command == "c") {
    return loop_.resume() ? "" : "the machine is off: system_reset brings it back\n";
  }
  if (command == "dump") return dump_blocks(argument);
  if (command == "info") return info(argument + (more.empty() ? "" : " " + more));
  return "unknown command: '" + command + "'\n";
}

std::string Hmp::info(const std::string& topic) {
  if (topic == "registers" || topic == "registers -a") {
    const cpu::CpuState& state = machine_.cpu().state;
    return dump_registers(state, machine_.memory().a20()) +
           (topic == "registers -a" ? dump_float_registers(state) : std::string());
  }
  if (topic == "mmu") return mmu_text(machine_.cpu().mmu.counters(), machine_.engine().counters());
  if (topic == "version") return "doppel 0.1\n";
  if (topic == "roms") return machine_.boot_plan().kind + "\n";
  if (topic == "status") {
    char text[200];
    std::snprintf(text, sizeof text,
                  "VM status: %s\n%" PRIu64 " instructions, %.6f s of virtual time, mode %s\n",
                  loop_.paused() ? "paused" : "running", machine_.cpu().state.retired,
                  static_cast<double>(machine_.now_ns()) / 1e9, mode_name(machine_.cpu().state));
    return text;
  }
  if (topic == "jit") return jit_text(machine_.engine(), machine_.config().jit);
  if (topic == "network") return info_network();
  if (auto answer = info_chips(topic)) return *answer;
  if (auto answer = info_memory(topic)) return *answer;
  if (auto answer = info_facts(topic)) return *answer;
  return (topic.empty() ? "" : "there is no 'info " + topic + "'\n") + help("info");
}

std::string Hmp::dump_blocks(const std::string& address_text) {
  if (address_text.empty()) return "dump: which address?\n";
  const Result<u64, Error> address = evaluate(machine_, address_text);
  if (!address.ok()) return "dump: " + address.error().message + "\n";
  const cpu::Decoder decoder(machine_.cpu().model());
  std::string out;
  visit_translations(machine_.engine(), LinearAddr(address.value()), [&](const jit::Listing& listing) {
    out += side_by_side(listing, decoder);
  });
  return out.empty() ? "no translated block covers this address\n" : out;
}

}  // namespace doppel::frontend
