#include "tests/realmode/captures.h"

#include <zlib.h>

#include <cstdlib>

#include <nlohmann/json.hpp>

namespace doppel::realmode {

namespace {

using nlohmann::json;

Result<std::string, Error> read_compressed(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return Error{path + ": cannot be opened"};
  std::string text;
  char buffer[1 << 16];
  int got = 0;
  while ((got = gzread(file, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(got));
  gzclose(file);
  if (got < 0) return Error{path + ": is damaged"};
  return text;
}

u64 number(const json& value) { return value.is_number_unsigned() ? value.get<u64>() : 0; }

void read_snapshot(const json& from, Snapshot& to) {
  const auto regs = from.find("regs");
  if (regs != from.end()) {
    for (unsigned i = 0; i < kRegisters; ++i) {
      const auto found = regs->find(kRegisterNames[i]);
      if (found != regs->end()) to.regs[i] = static_cast<u16>(number(*found));
    }
  }
  const auto ram = from.find("ram");
  if (ram == from.end()) return;
  for (const json& pair : *ram) {
    if (pair.is_array() && pair.size() == 2) {
      to.ram.emplace_back(static_cast<u32>(number(pair[0])), static_cast<u8>(number(pair[1])));
    }
  }
}

bool read_capture(const json& from, Capture& to) {
  if (!from.is_object() || !from.contains("initial") || !from.contains("final")) return false;
  to.name = from.value("name", "");
  const std::string digits = from.value("bytes", "");
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    to.bytes.push_back(static_cast<u8>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
  }
  read_snapshot(from["initial"], to.initial);
  std::copy(std::begin(to.initial.regs), std::end(to.initial.regs), std::begin(to.final.regs));
  read_snapshot(from["final"], to.final);
  if (from.contains("exception")) {
    const json& exception = from["exception"];
    to.exception = Capture::Exception{static_cast<unsigned>(number(exception.value("number", json(0u))))};
  }
  return true;
}

}  // namespace

Result<std::vector<Capture>, Error> read_captures(const std::string& path) {
  DOPPEL_TRY(const std::string text, read_compressed(path));
  std::vector<Capture> captures;
  size_t line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const json parsed = json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                    text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    at = end + 1;
    Capture capture;
    if (parsed.is_discarded() || !read_capture(parsed, capture)) {
      return Error{path + ": line " + std::to_string(line) + " is damaged"};
    }
    captures.push_back(std::move(capture));
  }
  return captures;
}

}  // namespace doppel::realmode
