// The monitor's view of memory: x, xp, print, sum, memsave, gva2gpa, info mem and tlb.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "cpu/arch/paging.h"
#include "frontend/guest_view.h"
#include "frontend/monitor/expression.h"
#include "frontend/monitor/hmp.h"
#include "frontend/monitor/memory_file.h"
#include "frontend/monitor/page_list.h"

namespace doppel::frontend {
namespace {

constexpr size_t kLongestText = 4096;
constexpr u64 kMostSummed = u64{1} << 30;

/// Words behind the first `skip`, as one expression.
std::string joined(const std::vector<std::string>& words, size_t skip) {
  std::string text;
  for (size_t i = skip; i < words.size(); ++i) text += (i == skip ? "" : " ") + words[i];
  return text;
}

/// A command and the format that may hang on it: "x/4xw" or "x /4xw".
struct Formatted {
  std::string name;
  std::string format;
  std::vector<std::string> arguments;
};
Formatted take_format(const std::string& command, std::vector<std::string> arguments) {
  const size_t bar = command.find('/');
  Formatted out{command.substr(0, bar), bar == std::string::npos ? "" : command.substr(bar), {}};
  if (out.format.empty() && !arguments.empty() && arguments[0].starts_with('/')) {
    out.format = arguments[0];
    arguments.erase(arguments.begin());
  }
  out.arguments = std::move(arguments);
  return out;
}

}  // namespace

std::optional<std::string> Hmp::execute_memory(const std::string& command,
                                               const Arguments& arguments) {
  if (command == "memsave" || command == "pmemsave") return save_memory(command, arguments);
  if (command == "sum") return checksum(arguments);
  const Formatted wanted = take_format(command, arguments);
  const std::string& name = wanted.name;
  const bool prints = name == "print" || name == "p";
  if (name != "x" && name != "xp" && name != "gva2gpa" && !prints) return std::nullopt;
  const auto format = parse_value_format(wanted.format);
  if (!format) return "'" + wanted.format.substr(1) + "' is not a format as 4xw or 10i\n";
  const auto value = evaluate(machine_, joined(wanted.arguments, 0));
  if (!value.ok()) return name + ": " + value.error().message + "\n";
  if (prints) {
    ValueFormat whole = *format;
    if (format->kind == 'i' || format->kind == 's') return name + ": shows numbers only\n";
    whole.size = format->kind == 'c' ? 1 : 8;
    if (whole.kind != 'x') return format_value(whole, value.value()) + "\n";
    char text[24];
    std::snprintf(text, sizeof text, "0x%" PRIx64 "\n", value.value());
    return std::string(text);
  }
  if (name == "gva2gpa") {
    const GuestView::Walk walk = GuestView(machine_).locate(LinearAddr(value.value()));
    if (!walk.ok) return std::string("Unmapped\n");
    char text[40];
    std::snprintf(text, sizeof text, "gpa: 0x%" PRIx64 "\n", walk.physical.value);
    return std::string(text);
  }
  return examine_memory(*format, value.value(), name == "xp");
}

std::vector<u8> Hmp::read_memory(u64 address, size_t size, bool physical) const {
  if (!physical) return GuestView(machine_).read(LinearAddr(address), size);
  std::vector<u8> bytes(size);
  machine_.memory().read_bytes(PhysAddr(address), bytes);
  return bytes;
}

std::string Hmp::examine_memory(const ValueFormat& format, u64 address, bool physical) {
  if (format.kind == 's') return examine_texts(address, format.count, physical);
  std::string out;
  char text[80];
  if (format.kind == 'i') {
    if (physical) return "xp shows no instructions: use x/i\n";
    const GuestView view(machine_);
    for (const GuestView::Line& line :
         view.disassemble(LinearAddr(address), static_cast<unsigned>(format.count))) {
      std::snprintf(text, sizeof text, "0x%016" PRIx64 ":  %-20s ", line.address,
                    line.bytes.c_str());
      out += text + line.text + "\n";
    }
    return out.empty() ? "cannot read there\n" : out;
  }
  const size_t size = format.count * format.size;
  const std::vector<u8> bytes = read_memory(address, size, physical);
  const unsigned columns = 16 / format.size;
  for (size_t i = 0; i + format.size <= bytes.size(); i += format.size) {
    if (i / format.size % columns == 0) {
      std::snprintf(text, sizeof text, "%s%016" PRIx64 ":", i == 0 ? "" : "\n", address + i);
      out += text;
    }
    u64 value = 0;
    std::memcpy(&value, bytes.data() + i, format.size);
    out += " " + format_value(format, value);
  }
  if (bytes.size() < size)
    out += out.empty() ? "cannot read there" : "\nwhat follows is not mapped";
  return out + "\n";
}

std::string Hmp::examine_texts(u64 address, u64 count, bool physical) {
  std::string out;
  for (u64 i = 0; i < count && out.size() <= kLongestAnswer; ++i) {
    std::vector<u8> bytes = read_memory(address, kLongestText, physical);
    const auto end = std::find(bytes.begin(), bytes.end(), u8{0});
    if (end == bytes.end() && bytes.empty()) return out + "cannot read there\n";
    char text[24];
    std::snprintf(text, sizeof text, "%016" PRIx64 ": \"", address);
    out += text;
    const ValueFormat character{.count = 1, .kind = 'c', .size = 1};
    for (auto at = bytes.begin(); at != end; ++at) {
      const std::string quoted = format_value(character, *at);
      out += quoted.substr(1, quoted.size() - 2);
    }
    out += end == bytes.end() ? "\"...\n" : "\"\n";
    address += static_cast<u64>(end - bytes.begin()) + 1;
  }
  return out;
}

std::string Hmp::save_memory(const std::string& command, const Arguments& arguments) {
  if (arguments.size() != 3) return command + ": from which address, how much, to which file?\n";
  const auto address = evaluate(machine_, arguments[0]);
  const auto size = evaluate(machine_, arguments[1]);
  for (const auto* value : {&address, &size}) {
    if (!value->ok()) return command + ": " + value->error().message + "\n";
  }
  const auto saved =
      command == "memsave"
          ? save_linear_memory(machine_, LinearAddr(address.value()), size.value(), arguments[2])
          : save_physical_memory(machine_, PhysAddr(address.value()), size.value(), arguments[2]);
  return saved.ok() ? "" : command + ": " + saved.error().message + "\n";
}

/// The BSD checksum: 16 bits that turn to the right before each byte is added.
std::string Hmp::checksum(const Arguments& arguments) {
  if (arguments.size() != 2) return "sum: from which address, how much?\n";
  const auto address = evaluate(machine_, arguments[0]);
  const auto size = evaluate(machine_, arguments[1]);
  for (const auto* value : {&address, &size}) {
    if (!value->ok()) return "sum: " + value->error().message + "\n";
  }
  if (size.value() > kMostSummed) return "sum: at most 1 GiB at once\n";
  u16 sum = 0;
  for (u64 done = 0; done < size.value(); done += kPageSize) {
    const size_t count = std::min<u64>(kPageSize, size.value() - done);
    for (const u8 byte : read_memory(address.value() + done, count, true))
      sum = static_cast<u16>((sum >> 1 | sum << 15) + byte);
  }
  char text[8];
  std::snprintf(text, sizeof text, "%05u\n", sum);
  return text;
}

std::optional<std::string> Hmp::info_memory(const std::string& topic) {
  if (topic != "mem" && topic != "tlb") return std::nullopt;
  if (paging_mode(machine_.cpu().mmu.context()) == PagingMode::None)
    return std::string("PG disabled\n");
  return topic == "mem" ? mapped_ranges(machine_) : mapped_pages(machine_);
}

}  // namespace doppel::frontend
