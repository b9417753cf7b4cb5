#include "frontend/listing.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "cpu/instruction_table.h"
#include "frontend/engine_choice.h"

namespace doppel::frontend {
namespace {

constexpr size_t kCalloutsShown = 12;
constexpr size_t kGuestColumn = 60;
constexpr size_t kGuestBytes = 8;  // Shown of an instruction before its text.

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[200];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string hex(const u8* bytes, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += formatted("%02x ", bytes[i]);
  return out;
}

/// The guest instructions of a block with the ranges of host code that belong to them.
struct Row {
  u64 address = 0;
  std::string bytes;
  std::string text;
  size_t host_begin = 0;
  size_t host_end = 0;
};

std::vector<Row> rows_of(const jit::Listing& listing, const cpu::Decoder& decoder) {
  std::vector<Row> rows;
  u64 address = listing.guest_rip;
  const size_t count = listing.guest.size();
  for (size_t i = 0; i < std::max(count, count == 0 ? 0 : listing.host_offsets.size() / count * count); ++i) {
    const cpu::Instruction& insn = listing.guest[i % count];
    if (listing.guest_rips.size() == count) address = listing.guest_rips[i % count];
    Row row;
    row.address = address;
    row.bytes = hex(insn.bytes, std::min<size_t>(insn.length, kGuestBytes));
    if (insn.length > kGuestBytes) row.bytes.back() = '+';
    row.text = decoder.disassemble(listing.code_size, insn.bytes, insn.length, address);
    const auto offset = [&](size_t index) {
      const size_t at = index < listing.host_offsets.size() ? listing.host_offsets[index]
                                                            : listing.host.size();
      return std::min(at, listing.host.size());
    };
    row.host_begin = offset(i);
    row.host_end = std::max(row.host_begin, offset(i + 1));
    rows.push_back(std::move(row));
    address += insn.length;
  }
  return rows;
}

struct HostLine {
  u64 address = 0;
  std::string bytes;
  std::string text;
};

std::vector<HostLine> host_lines(const jit::Listing& listing, size_t begin, size_t end,
                                 const cpu::Decoder& decoder) {
  std::vector<HostLine> lines;
  while (begin < end) {
    const u64 address = listing.host_address + begin;
    unsigned length = 0;
    const std::string text = decoder.disassemble(cpu::CodeSize::Bits64, &listing.host[begin],
                                                 end - begin, address, &length);
    length = std::clamp<unsigned>(length, 1, static_cast<unsigned>(end - begin));
    lines.push_back({address, hex(&listing.host[begin], length), text});
    begin += length;
  }
  return lines;
}

const char* size_name(cpu::CodeSize size) {
  switch (size) {
    case cpu::CodeSize::Bits16:
      return "16-bit";
    case cpu::CodeSize::Bits32:
      return "32-bit";
    case cpu::CodeSize::Bits64:
      break;
  }
  return "64-bit";
}

}  // namespace

std::string side_by_side(const jit::Listing& listing, const cpu::Decoder& decoder) {
  const std::vector<Row> rows = rows_of(listing, decoder);
  std::string out = formatted("block 0x%016" PRIx64 ", physical 0x%" PRIx64
                              ", %s, %zu instructions: host code at 0x%" PRIx64 ", %zu bytes\n",
                              listing.guest_rip, listing.physical, size_name(listing.code_size),
                              listing.guest.size(), listing.host_address, listing.host.size());
  const auto pair = [&](std::string left, const std::string& right) {
    if (!right.empty() && left.size() < kGuestColumn) left.resize(kGuestColumn, ' ');
    out += left + (right.empty() ? "" : "| " + right) + "\n";
  };
  const auto column = [&](const std::string& guest, size_t begin, size_t end) {
    std::string left = guest;
    for (const HostLine& line : host_lines(listing, begin, end, decoder)) {
      pair(std::exchange(left, {}), line.text);
    }
    if (!left.empty()) pair(left, "");
  };
  if (!rows.empty()) column({}, 0, rows.front().host_begin);
  for (const Row& row : rows) {
    column(formatted("0x%08" PRIx64 ":  %-24s ", row.address, row.bytes.c_str()) + row.text,
           row.host_begin, row.host_end);
  }
  return out;
}

std::string out_asm(const jit::Listing& listing, const cpu::Decoder& decoder) {
  std::string out = formatted("OUT: [size=%zu]\n", listing.host.size());
  const auto append = [&](size_t begin, size_t end) {
    for (const HostLine& line : host_lines(listing, begin, end, decoder)) {
      out += formatted("0x%08" PRIx64 ":  %-32s ", line.address, line.bytes.c_str()) + line.text +
             "\n";
    }
  };
  const std::vector<Row> rows = rows_of(listing, decoder);
  if (!rows.empty() && rows.front().host_begin > 0) {
    out += formatted("  -- guest addr 0x%016" PRIx64 " + tb prologue\n", listing.guest_rip);
    append(0, rows.front().host_begin);
  }
  for (const Row& row : rows) {
    out += formatted("  -- guest addr 0x%016" PRIx64 "  ", row.address) + row.text + "\n";
    append(row.host_begin, row.host_end);
  }
  return out + "\n";
}

std::vector<std::pair<std::string, u64>> callouts_by_name(const jit::TranslatorStatistics& statistics) {
  std::vector<std::pair<std::string, u64>> found;
  for (size_t mnemonic = 0; mnemonic < statistics.callouts_by_mnemonic.size(); ++mnemonic) {
    const u64 count = statistics.callouts_by_mnemonic[mnemonic];
    const std::string name = cpu::instruction_row(static_cast<u16>(mnemonic)).name;
    if (count != 0) found.emplace_back(name.empty() ? "(no instruction)" : name, count);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return found;
}

std::string jit_text(const cpu::Engine& engine, const jit::TranslatorOptions& options) {
  const jit::TranslatorStatistics* const found = translator_statistics(engine);
  if (found == nullptr) return "the interpreter runs this machine: nothing is translated\n";
  const jit::TranslatorStatistics& s = *found;
  const auto ratio = [](u64 part, u64 whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  std::string out = "Translation buffer state:\n";
  const auto line = [&](const std::string& name, const std::string& value) {
    out += formatted("%-22s", name.c_str()) + value + "\n";
  };
  const auto count = [&](const std::string& name, u64 value) { line(name, std::to_string(value)); };
  line("gen code size", std::to_string(s.host_bytes) + " emitted, room for " +
                            std::to_string(options.cache_bytes));
  line("TB count", std::to_string(s.live_blocks) + " live, " + std::to_string(s.blocks) +
                       " translated");
  count("trace count", s.traces);
  line("TB avg target size", formatted("%.1f bytes, %.1f instructions",
                                       ratio(s.guest_bytes, s.blocks),
                                       ratio(s.guest_instructions, s.blocks)));
  line("TB avg host size", formatted("%.1f bytes (expansion ratio: %.1f)",
                                     ratio(s.host_bytes, s.blocks),
                                     ratio(s.host_bytes, s.guest_bytes)));
  line("translation time", formatted("%.1f ms, %.0f ns per guest instruction",
                                     static_cast<double>(s.translate_ns) / 1e6,
                                     ratio(s.translate_ns, s.guest_instructions)));
  count("direct jump count", s.links);
  out += "\nStatistics:\n";
  count("entries", s.entries);
  count("interpreted blocks", s.interpreted_blocks);
  count("TB lookups", s.lookups);
  count("address misses", s.misses);
  count("slow accesses", s.slow_accesses);
  count("callouts", s.callouts);
  const auto by_name = callouts_by_name(s);
  for (size_t i = 0; i < std::min(by_name.size(), kCalloutsShown); ++i) count("  " + by_name[i].first, by_name[i].second);
  count("TB invalidate count", s.invalidated);
  count("TB evict count", s.evicted);
  count("TB flush count", s.flushes);
  return out;
}

}  // namespace doppel::frontend
