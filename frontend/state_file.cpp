#include "frontend/state_file.h"

#include <cstring>

#include <xxhash.h>

#include "frontend/file.h"

namespace doppel::frontend {
namespace {

constexpr std::string_view kMagic = "DOPPELS\n";
constexpr u32 kVersion = 1;

void all_parts(Archive& archive, Machine& machine) {
  archive.section("configuration", [&] { match_configuration(archive, machine.config()); });
  if (!archive.failed()) machine.serialize(archive);
}

}  // namespace

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

Result<void, Error> write_sealed(const std::string& path, std::string_view magic,
                                 const std::function<void(Archive&)>& parts) {
  std::vector<u8> bytes(magic.size() + sizeof kVersion);
  std::memcpy(bytes.data(), magic.data(), magic.size());
  std::memcpy(bytes.data() + magic.size(), &kVersion, sizeof kVersion);
  Archive archive = Archive::saver(bytes);
  parts(archive);
  if (archive.failed()) return Error{path + ": " + archive.error()};
  const u64 checksum = XXH3_64bits(bytes.data(), bytes.size());
  bytes.resize(bytes.size() + sizeof checksum);
  std::memcpy(bytes.data() + bytes.size() - sizeof checksum, &checksum, sizeof checksum);
  return write_file(path, bytes.data(), bytes.size());
}

Result<void, Error> read_sealed(const std::string& path, std::string_view magic,
                                const std::function<void(Archive&)>& parts) {
  DOPPEL_TRY(const std::vector<u8> bytes, read_file(path, ~u64{0}));
  const size_t heading_bytes = magic.size() + sizeof kVersion;
  u64 checksum = 0;
  if (bytes.size() < heading_bytes + sizeof checksum ||
      std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) {
    return Error{path + ": is not a saved machine"};
  }
  u32 version = 0;
  std::memcpy(&version, bytes.data() + magic.size(), sizeof version);
  if (version != kVersion)
    return Error{path + ": has version " + std::to_string(version) + ", not 1"};
  const size_t end = bytes.size() - sizeof checksum;
  std::memcpy(&checksum, bytes.data() + end, sizeof checksum);
  if (checksum != XXH3_64bits(bytes.data(), end)) return Error{path + ": is damaged or cut short"};
  Archive archive = Archive::loader(std::span(bytes).subspan(heading_bytes, end - heading_bytes));
  parts(archive);
  if (archive.failed()) return Error{path + ": " + archive.error()};
  return {};
}

Result<void, Error> save_state(Machine& machine, const std::string& path) {
  return write_sealed(path, kMagic, [&](Archive& archive) { all_parts(archive, machine); });
}

Result<void, Error> load_state(Machine& machine, const std::string& path) {
  return read_sealed(path, kMagic, [&](Archive& archive) {
    all_parts(archive, machine);
    if (!archive.failed() && !archive.at_end()) archive.fail("has more in it than this machine");
  });
}

}  // namespace doppel::frontend
