#include "tests/guest/program.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

namespace doppel::guest {
namespace {

Result<std::string, Error> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{path + ": cannot be read"};
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

bool parse_count(const std::string& text, u64& value) {
  const bool hexadecimal = text.starts_with("0x");
  const char* const first = text.data() + (hexadecimal ? 2 : 0);
  const auto [end, error] =
      std::from_chars(first, text.data() + text.size(), value, hexadecimal ? 16 : 10);
  return error == std::errc{} && end == text.data() + text.size();
}

/// "; key: value" of the comment block at the top. False: the block has ended.
bool header_line(const std::string& line, std::string& key, std::string& value) {
  key.clear();
  if (line.empty()) return true;
  if (line[0] != ';') return false;
  const size_t begin = line.find_first_not_of(" ;\t");
  const size_t colon = line.find(':');
  if (begin == std::string::npos || colon == std::string::npos) return true;
  key = line.substr(begin, colon - begin);
  const size_t text = line.find_first_not_of(" \t", colon + 1);
  value = text == std::string::npos ? "" : line.substr(text);
  return true;
}

bool apply(Program& program, const std::string& key, const std::string& value) {
  if (key == "expect") {
    for (std::string& word : words(value)) program.expectations.push_back(std::move(word));
  } else if (key == "mode") {
    if (value == "real")
      program.mode = StartMode::Real;
    else if (value == "protected32")
      program.mode = StartMode::Protected32;
    else if (value == "long64")
      program.mode = StartMode::Long64;
    else
      return false;
  } else if (key == "devices") {
    program.has_board = value == "board";
    return program.has_board;
  } else if (key == "cpu") {
    program.model = value;
  } else if (key == "runs") {
    program.runs = words(value);
  } else if (key == "limit") {
    return parse_count(value, program.limit);
  } else if (key == "org") {
    return parse_count(value, program.origin);
  }
  return true;  // Other words with a colon are sentences of the description.
}

/// nasm's map: lines "value name" and "value value name", where the values are hexadecimal.
Symbols parse_map(const std::string& text) {
  Symbols symbols;
  std::istringstream lines(text);
  bool in_symbols = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("-- Symbols")) in_symbols = true;
    const std::vector<std::string> parts = words(line);
    if (!in_symbols || parts.size() < 2 || parts.size() > 3) continue;
    u64 value = 0;
    const std::string& number = parts[parts.size() - 2];
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), value, 16);
    if (error != std::errc{} || end != number.data() + number.size()) continue;
    symbols.emplace(parts.back(), value);
  }
  return symbols;
}

}  // namespace

bool Program::runs_on(std::string_view engine) const {
  return std::find(runs.begin(), runs.end(), engine) != runs.end();
}

Result<Program, Error> load_program(const std::string& source, const std::string& stem) {
  DOPPEL_TRY(const std::string text, read_file(source));
  DOPPEL_TRY(const std::string image, read_file(stem + ".bin"));
  DOPPEL_TRY(const std::string map, read_file(stem + ".map"));
  Program program;
  program.runs = {"interpreter", "translator"};
  program.image.assign(image.begin(), image.end());
  program.symbols = parse_map(map);
  const size_t slash = source.rfind('/', source.rfind('/') - 1);
  program.name =
      source.substr(slash + 1, source.size() - slash - 1 - std::string_view(".asm").size());

  bool has_source = false;
  std::istringstream lines(text);
  std::string key, value;
  for (std::string line; std::getline(lines, line) && header_line(line, key, value);) {
    if (!apply(program, key, value))
      return Error{source + ": '" + key + ": " + value + "' is not understood"};
    has_source = has_source || key == "source";
  }
  if (!has_source) return Error{source + ": the header names no source"};
  if (program.expectations.empty()) return Error{source + ": the header expects nothing"};
  return program;
}

}  // namespace doppel::guest
