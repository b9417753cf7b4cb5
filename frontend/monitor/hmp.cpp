#include "frontend/monitor/hmp.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "frontend/cpu_dump.h"
#include "frontend/guest_view.h"
#include "frontend/listing.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

constexpr const char* kHelp =
    "change [-f] DRIVE FILE [FORMAT [ACCESS]]  another disk in a CD-ROM or floppy drive\n"
    "cont, c             go on\n"
    "delvm NAME          forget a saved machine\n"
    "dump ADDR           guest and host code of the blocks at a linear address\n"
    "eject [-f] DRIVE    takes the disk out; -f: also where the guest has locked the door\n"
    "help                this list\n"
    "info block          the drives and what is in them\n"
    "info jit            what the translator did\n"
    "info mmu            what address translation did\n"
    "info registers [-a] the processor; -a: x87 and vectors too\n"
    "info roms           what was booted\n"
    "info snapshots      the machines that were saved\n"
    "info status         running or paused, and when\n"
    "info version        the version\n"
    "loadvm NAME         go back to a saved machine, its disks too\n"
    "mouse_button N      hold these mouse buttons: 1 left, 2 middle, 4 right, added up\n"
    "mouse_move DX DY [DZ]  move the mouse; DZ turns the wheel, away from the hand if positive\n"
    "quit, q             end doppel\n"
    "savevm NAME         save the machine with its disks\n"
    "screendump FILE     the screen as a picture: .png, or else PPM\n"
    "screentext [FILE]   the characters on a text screen\n"
    "sendkey KEYS [MS]   press keys (ctrl-alt-delete) for this time, 100 ms\n"
    "stop, s             pause the machine\n"
    "system_powerdown    press the power button\n"
    "system_reset        press the reset button\n"
    "type TEXT           type on a US keyboard; \\n return, \\t tab, \\e escape, \\b backspace\n"
    "x/FMT ADDR          memory at a linear address: count, d u o x c i, b h w g\n"
    "xp/FMT ADDR         memory at a physical address\n";

/// What `x/4xw` asks for.
struct Format {
  u64 count = 1;
  char kind = 'x';
  unsigned size = 4;
};

std::optional<Format> parse_format(std::string_view text) {
  Format format;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits > 0) {
    const auto count = parse_number(text.substr(0, digits));
    if (!count || *count == 0 || *count > 4096) return std::nullopt;
    format.count = *count;
  }
  for (const char letter : text.substr(digits)) {
    switch (letter) {
      case 'b':
        format.size = 1;
        break;
      case 'h':
        format.size = 2;
        break;
      case 'w':
        format.size = 4;
        break;
      case 'g':
        format.size = 8;
        break;
      case 'c':
        format.kind = 'c';
        format.size = 1;
        break;
      case 'd':
      case 'u':
      case 'o':
      case 'x':
      case 'i':
        format.kind = letter;
        break;
      default:
        return std::nullopt;
    }
  }
  return format;
}

std::string format_value(const Format& format, u64 value) {
  char text[40];
  const unsigned unused = 64 - format.size * 8;
  switch (format.kind) {
    case 'd':
      std::snprintf(text, sizeof text, "%" PRId64, static_cast<i64>(value << unused) >> unused);
      break;
    case 'u':
      std::snprintf(text, sizeof text, "%" PRIu64, value);
      break;
    case 'o':
      std::snprintf(text, sizeof text, "%" PRIo64, value);
      break;
    case 'c':
      if (value >= 0x20 && value < 0x7f) {
        std::snprintf(text, sizeof text, "'%c'", static_cast<char>(value));
      } else {
        std::snprintf(text, sizeof text, "'\\x%02x'", static_cast<unsigned>(value));
      }
      break;
    default:
      std::snprintf(text, sizeof text, "0x%0*" PRIx64, static_cast<int>(format.size * 2), value);
      break;
  }
  return text;
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
  const std::string argument = arguments.empty() ? "" : arguments[0];
  const std::string more = arguments.size() < 2 ? "" : arguments[1];
  if (command == "help" || command == "?") return kHelp;
  if (command == "quit" || command == "q") {
    loop_.quit();
    return {};
  }
  if (command == "stop" || command == "s") {
    loop_.pause();
    return {};
  }
  if (command == "cont" || command == "c") {
    loop_.resume();
    return {};
  }
  if (command == "dump") return dump_blocks(argument);
  if (command == "info") return info(argument + (more.empty() ? "" : " " + more));
  if (command == "x" || command.starts_with("x/"))
    return examine_memory(command.substr(std::min<size_t>(2, command.size())), argument, false);
  if (command == "xp" || command.starts_with("xp/"))
    return examine_memory(command.substr(std::min<size_t>(3, command.size())), argument, true);
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
  return "info: block, jit, mmu, registers, roms, snapshots, status, version\n";
}

std::optional<u64> Hmp::parse_address(const std::string& text) const {
  const GuestView view(machine_);
  if (text == "$pc" || text == "$rip" || text == "$eip") return view.instruction_pointer().value;
  if (text == "$sp" || text == "$rsp" || text == "$esp") return view.stack_address().value;
  return parse_number(text);
}

std::string Hmp::dump_blocks(const std::string& address_text) {
  if (address_text.empty()) return "dump: which address?\n";
  const std::optional<u64> address = parse_address(address_text);
  if (!address) return "'" + address_text + "' is not an address\n";
  const cpu::Decoder decoder(machine_.cpu().model());
  std::string out;
  visit_translations(machine_.engine(), LinearAddr(*address), [&](const jit::Listing& listing) {
    out += side_by_side(listing, decoder);
  });
  return out.empty() ? "no translated block covers this address\n" : out;
}

std::string Hmp::examine_memory(const std::string& format_text, const std::string& address_text,
                                bool physical) {
  const auto format = parse_format(format_text);
  if (!format) return "'" + format_text + "' is not a format as 4xw or 10i\n";
  const GuestView view(machine_);
  const std::optional<u64> address = parse_address(address_text);
  if (!address) return "'" + address_text + "' is not an address\n";

  std::string out;
  char text[80];
  if (format->kind == 'i') {
    if (physical) return "xp shows no instructions: use x/i\n";
    for (const GuestView::Line& line :
         view.disassemble(LinearAddr(*address), static_cast<unsigned>(format->count))) {
      std::snprintf(text, sizeof text, "0x%016" PRIx64 ":  %-20s ", line.address,
                    line.bytes.c_str());
      out += text + line.text + "\n";
    }
    return out.empty() ? "cannot read there\n" : out;
  }
  const size_t size = format->count * format->size;
  std::vector<u8> bytes;
  if (physical) {
    bytes.resize(size);
    machine_.memory().read_bytes(PhysAddr(*address), bytes);
  } else {
    bytes = view.read(LinearAddr(*address), size);
  }
  const unsigned columns = 16 / format->size;
  for (size_t i = 0; i + format->size <= bytes.size(); i += format->size) {
    if (i / format->size % columns == 0) {
      std::snprintf(text, sizeof text, "%s%016" PRIx64 ":", i == 0 ? "" : "\n", *address + i);
      out += text;
    }
    u64 value = 0;
    std::memcpy(&value, bytes.data() + i, format->size);
    out += " " + format_value(*format, value);
  }
  if (bytes.size() < size)
    out += out.empty() ? "cannot read there" : "\nwhat follows is not mapped";
  return out + "\n";
}

}  // namespace doppel::frontend
