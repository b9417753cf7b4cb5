#include "frontend/state_directory.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include <sys/stat.h>

#include "devices/pc_layout.h"
#include "frontend/disk_copy.h"
#include "frontend/sparse_file.h"
#include "frontend/state_file.h"

namespace doppel::frontend {
namespace {

namespace fs = std::filesystem;
using Drive = devices::BoardConfig::Drive;

constexpr std::string_view kMagic = "DOPPELD\n";

/// A drive as the state remembers it.
struct SavedDrive {
  std::string name;
  std::string file;  ///< With the whole path; empty: nothing was in it.
  u64 sectors = 0;
  u64 fingerprint = 0;   ///< Of a disk that cannot be written.
  bool is_kept = false;  ///< Its contents are in the state,
  u64 hash = 0;          ///< with this hash.

  void serialize(Archive& archive) { archive(name, file, sectors, fingerprint, is_kept, hash); }
};

struct Contents {
  u64 virtual_ns = 0;
  u64 instructions = 0;
  u64 memory_bytes = 0;
  u64 memory_hash = 0;
  std::vector<SavedDrive> drives;

  void serialize(Archive& archive) {
    archive(virtual_ns, instructions, memory_bytes, memory_hash, drives);
  }
};

/// Behind the highest page of RAM.
u64 memory_end(const MachineConfig& config) {
  namespace layout = devices::layout;
  if (config.ram_bytes > layout::kPciHole) return layout::kFourGib + config.ram_bytes - layout::kPciHole;
  return std::max(config.ram_bytes, layout::kHighRam);
}

std::string whole_path(const std::string& file) {
  if (file.empty()) return {};
  std::error_code error;
  const fs::path path = fs::weakly_canonical(file, error);
  return error ? file : path.string();
}

std::string disk_file(const std::string& path, const std::string& drive) {
  return path + "/disks/" + drive;
}

/// Names of drives are chosen by a person, and become names of files.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name != "." && name != "..";
}

// ---- saving ---------------------------------------------------------------------------------------

Result<u64, Error> save_memory(Machine& machine, const std::string& path, u64 size_bytes) {
  DOPPEL_TRY(const std::unique_ptr<SparseWriter> writer, SparseWriter::create(path, size_bytes));
  Result<void, Error> written;
  machine.pmap().for_each_present([&](PhysAddr page, const u8* bytes) {
    if (written.ok()) written = writer->put(page.value, std::span(bytes, kPageSize));
  });
  DOPPEL_TRY(std::move(written));
  return writer->finish();
}

Result<SavedDrive, Error> save_drive(const Drive& drive, const std::string& path) {
  SavedDrive saved{.name = drive.name, .file = whole_path(drive.file)};
  if (drive.medium == nullptr) return saved;
  if (!is_plain_name(drive.name)) return Error{path + ": drive '" + drive.name + "' cannot be the name of a file"};
  saved.sectors = drive.medium->sectors();
  saved.is_kept = !drive.medium->is_read_only();
  if (saved.is_kept) {
    DOPPEL_TRY(saved.hash, copy_disk(*drive.medium, disk_file(path, drive.name)));
  } else {
    saved.fingerprint = disk_fingerprint(*drive.medium);
  }
  return saved;
}

Result<void, Error> save_into(Machine& machine, const std::string& path) {
  Contents contents;
  contents.virtual_ns = machine.now_ns();
  contents.instructions = machine.cpu().state.retired;
  contents.memory_bytes = memory_end(machine.config());
  DOPPEL_TRY(contents.memory_hash, save_memory(machine, path + "/memory", contents.memory_bytes));
  for (const Drive& drive : machine.board().drives()) {
    DOPPEL_TRY(SavedDrive saved, save_drive(drive, path));
    contents.drives.push_back(std::move(saved));
  }
  return write_sealed(path + "/state", kMagic, [&](Archive& archive) {
    archive.section("contents", [&] { archive(contents); });
    archive.section("configuration", [&] { match_configuration(archive, machine.config()); });
    machine.serialize_chips(archive);
  });
}

/// Puts the finished directory in its place.
Result<void, Error> put_in_place(const std::string& finished, const std::string& path) {
  const std::string old = path + ".old";
  std::error_code error;
  fs::remove_all(old, error);
  if (fs::exists(path, error)) fs::rename(path, old, error);
  if (!error) fs::rename(finished, path, error);
  if (error) return Error{path + ": " + error.message()};
  fs::remove_all(old, error);
  return {};
}

// ---- loading --------------------------------------------------------------------------------------

/// The contents of a kept disk are as they were saved.
Result<void, Error> check_file(const std::string& file, u64 size_bytes, u64 hash) {
  DOPPEL_TRY(const u64 found, visit_blocks(file, size_bytes, [](u64, std::span<const u8>) { return true; }));
  if (found != hash) return Error{file + ": is damaged"};
  return {};
}

/// A drive of the machine that the saved one's disk can go into.
Result<void, Error> check_drive(Machine& machine, const std::string& path, const SavedDrive& saved,
                                std::vector<MediaChange>& changes) {
  const auto refuse = [&](const std::string& why) { return Error{path + ": drive " + saved.name + " " + why}; };
  const auto index = machine.find_drive(saved.name);
  if (!index || !is_plain_name(saved.name)) return refuse("is not in this machine");
  const Drive& drive = machine.board().drives()[*index];
  std::shared_ptr<devices::BlockBackend> medium = drive.medium;
  if (whole_path(drive.file) != saved.file && machine.board().door(*index).is_removable) {
    MediaChange change;
    change.drive = saved.name;
    change.force = true;
    change.file = saved.file;
    DOPPEL_TRY(machine.open_medium(change));
    medium = change.medium;
    changes.push_back(std::move(change));
  }
  if ((medium == nullptr) != saved.file.empty()) return refuse("is empty here, or was then");
  if (medium == nullptr) return {};
  if (medium->sectors() != saved.sectors)
    return refuse("had " + std::to_string(saved.sectors) + " sectors, and has " + std::to_string(medium->sectors()));
  if (medium->is_read_only() == saved.is_kept)
    return refuse(saved.is_kept ? "could be written, and cannot be here" : "could not be written, and can be here");
  if (!saved.is_kept) {
    return disk_fingerprint(*medium) == saved.fingerprint ? Result<void, Error>() : refuse("has another disk in it");
  }
  // What has twins forgets its writes in the end: another image may be under it.
  const bool is_in_place = medium->twin() == nullptr;
  if (is_in_place && whole_path(drive.file) != saved.file)
    return refuse("was kept in " + saved.file + ", and " + drive.file + " would be overwritten (-snapshot leaves it alone)");
  if (machine.lockstep() != nullptr) return refuse("can be written, which --engine lockstep cannot bring back");
  return check_file(disk_file(path, saved.name), saved.sectors * devices::BlockBackend::kSectorBytes, saved.hash);
}

Result<std::vector<MediaChange>, Error> check_contents(Machine& machine, const std::string& path, const Contents& contents) {
  if (contents.drives.size() != machine.board().drives().size())
    return Error{path + ": has " + std::to_string(contents.drives.size()) + " drives, this machine " +
                 std::to_string(machine.board().drives().size())};
  if (contents.memory_bytes != memory_end(machine.config())) return Error{path + ": has memory of another size"};
  DOPPEL_TRY(check_file(path + "/memory", contents.memory_bytes, contents.memory_hash));
  std::vector<MediaChange> changes;
  for (const SavedDrive& saved : contents.drives) DOPPEL_TRY(check_drive(machine, path, saved, changes));
  return changes;
}

Result<void, Error> load_memory(Machine& machine, const std::string& file, u64 size_bytes) {
  mmu::PhysicalMemory& memory = machine.memory();
  // Stores go past A20 here, and tell whoever tracks a page.
  memory.set_a20(true);
  static constexpr u8 kZeros[kPageSize] = {};
  std::vector<PhysAddr> present;
  machine.pmap().for_each_present([&](PhysAddr page, const u8*) { present.push_back(page); });
  for (const PhysAddr page : present) memory.write_bytes(page, kZeros);
  const auto read = visit_blocks(file, size_bytes, [&](u64 offset, std::span<const u8> block) {
    memory.write_bytes(PhysAddr(offset), block);
    return true;
  });
  if (!read.ok()) return read.error();
  return {};
}

}  // namespace

Result<void, Error> save_state_directory(Machine& machine, const std::string& path) {
  std::error_code error;
  const bool may_go = fs::is_directory(path, error) && (is_state_directory(path) || fs::is_empty(path, error));
  if (fs::exists(path, error) && !may_go)
    return Error{path + ": exists, and is not a saved machine"};
  const std::string part = path + ".part";
  fs::remove_all(part, error);
  fs::create_directories(part + "/disks", error);
  if (error) return Error{part + ": " + error.message()};
  auto saved = save_into(machine, part);
  if (saved.ok()) saved = put_in_place(part, path);
  if (!saved.ok()) fs::remove_all(part, error);
  return saved;
}

Result<void, Error> load_state_directory(Machine& machine, const std::string& path, MachineAfter& after) {
  after = MachineAfter::Unchanged;
  Contents contents;
  std::optional<Error> problem;  // That names its own file.
  auto loaded = read_sealed(path + "/state", kMagic, [&](Archive& archive) {
    archive.section("contents", [&] { archive(contents); });
    archive.section("configuration", [&] { match_configuration(archive, machine.config()); });
    if (archive.failed()) return;
    auto changes = check_contents(machine, path, contents);
    if (!changes.ok()) {
      problem = changes.error();
      return;
    }
    after = MachineAfter::Broken;
    for (const MediaChange& change : *changes) machine.change_medium(change);
    const auto memory = load_memory(machine, path + "/memory", contents.memory_bytes);
    if (!memory.ok()) {
      problem = memory.error();
      return;
    }
    machine.serialize_chips(archive);
    if (!archive.at_end()) archive.fail("has more in it than this machine");
  });
  if (problem) return *problem;
  if (!loaded.ok()) return loaded;
  for (const SavedDrive& saved : contents.drives) {
    if (!saved.is_kept) continue;
    const Drive& drive = machine.board().drives()[*machine.find_drive(saved.name)];
    DOPPEL_TRY(bring_disk_back(*drive.medium, disk_file(path, saved.name)));
  }
  after = MachineAfter::Unchanged;
  return {};
}

bool is_state_directory(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path + "/state", error);
}

Result<StateSummary, Error> summarize_state(const std::string& path) {
  StateSummary summary;
  DOPPEL_TRY(read_sealed(path + "/state", kMagic, [&](Archive& archive) {
    Contents contents;
    archive.section("contents", [&] { archive(contents); });
    summary.virtual_ns = contents.virtual_ns;
    summary.instructions = contents.instructions;
  }));
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    struct stat status = {};
    if (::lstat(entry->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    summary.size_bytes += static_cast<u64>(status.st_blocks) * 512;
    summary.saved_at = std::max<i64>(summary.saved_at, status.st_mtime);
  }
  return summary;
}

}  // namespace doppel::frontend
