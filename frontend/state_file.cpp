#include "frontend/state_file.h"

#include <cstring>

#include <xxhash.h>

#include "frontend/file.h"

namespace doppel::frontend {
namespace {

constexpr char kMagic[8] = {'D', 'O', 'P', 'P', 'E', 'L', 'S', '\n'};
constexpr u32 kVersion = 1;
constexpr size_t kHeadingBytes = sizeof kMagic + sizeof kVersion;

/// What must be the same on both sides; a difference is named.
void match_configuration(Archive& archive, const MachineConfig& config) {
  u64 ram_bytes = config.ram_bytes;
  std::string model = config.model.name();
  u32 shift = config.icount_shift;
  u64 firmware = XXH3_64bits(config.firmware.data(), config.firmware.size());
  archive(ram_bytes, model, shift, firmware);
  if (!archive.is_loading() || archive.failed()) return;
  if (ram_bytes != config.ram_bytes)
    archive.fail("was saved with -m " + std::to_string(ram_bytes >> 20));
  if (model != config.model.name()) archive.fail("was saved with -cpu " + model);
  if (shift != config.icount_shift)
    archive.fail("was saved with -icount shift=" + std::to_string(shift));
  if (firmware != XXH3_64bits(config.firmware.data(), config.firmware.size())) {
    archive.fail("was saved with other firmware");
  }
}

void all_parts(Archive& archive, Machine& machine) {
  archive.section("configuration", [&] { match_configuration(archive, machine.config()); });
  if (!archive.failed()) machine.serialize(archive);
}

}  // namespace

Result<void, Error> save_state(Machine& machine, const std::string& path) {
  std::vector<u8> bytes(kHeadingBytes);
  std::memcpy(bytes.data(), kMagic, sizeof kMagic);
  std::memcpy(bytes.data() + sizeof kMagic, &kVersion, sizeof kVersion);
  Archive archive = Archive::saver(bytes);
  all_parts(archive, machine);
  if (archive.failed()) return Error{path + ": " + archive.error()};
  const u64 checksum = XXH3_64bits(bytes.data(), bytes.size());
  bytes.resize(bytes.size() + sizeof checksum);
  std::memcpy(bytes.data() + bytes.size() - sizeof checksum, &checksum, sizeof checksum);
  return write_file(path, bytes.data(), bytes.size());
}

Result<void, Error> load_state(Machine& machine, const std::string& path) {
  DOPPEL_TRY(const std::vector<u8> bytes, read_file(path, ~u64{0}));
  if (bytes.size() < kHeadingBytes + 8 || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return Error{path + ": is not a saved machine"};
  }
  u32 version = 0;
  std::memcpy(&version, bytes.data() + sizeof kMagic, sizeof version);
  if (version != kVersion)
    return Error{path + ": has version " + std::to_string(version) + ", not 1"};
  const size_t end = bytes.size() - 8;
  u64 checksum = 0;
  std::memcpy(&checksum, bytes.data() + end, sizeof checksum);
  if (checksum != XXH3_64bits(bytes.data(), end)) return Error{path + ": is damaged or cut short"};
  Archive archive = Archive::loader(std::span(bytes).subspan(kHeadingBytes, end - kHeadingBytes));
  all_parts(archive, machine);
  if (!archive.failed() && !archive.at_end()) archive.fail("has more in it than this machine");
  if (archive.failed()) return Error{path + ": " + archive.error()};
  return {};
}

}  // namespace doppel::frontend
