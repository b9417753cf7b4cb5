#include "frontend/state_directory.h"

#include <filesystem>

#include <doctest/doctest.h>

#include "frontend/file.h"
#include "frontend/monitor/hmp.h"
#include "frontend/snapshots.h"
#include "tests/support/image_folder.h"
#include "tests/support/qcow2_builder.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

using test::ImageFolder;
using test::read_sectors;
using test::sectors_of;
using Kind = devices::BoardConfig::Drive::Kind;
using Medium = std::shared_ptr<devices::BlockBackend>;

/// Counts in memory, for ever.
const std::vector<u8> kCounter = {0x66, 0xff, 0x06, 0x00, 0x80, 0x83, 0xc1, 0x07, 0xeb, 0xf6};
constexpr u64 kSectors = 2048;

Medium open_disk(const std::string& path, bool snapshot = false) {
  return test::open_image({.path = path, .snapshot = snapshot});
}

SmallMachine::Adjust with_disk(const Medium& disk, const std::string& file) {
  return [=](MachineConfig& config) {
    config.board.drives.push_back({.kind = Kind::HardDisk, .place = 0, .medium = disk, .serial = {}, .name = "ide0-hd0", .file = file, .cache = {}});
  };
}

RunConfig until(u64 time_ns) {
  RunConfig config;
  config.timeout_virtual_ns = time_ns;
  return config;
}

std::string problem(const Result<void, Error>& result) { return result.ok() ? "" : result.error().message; }

TEST_CASE("state_directory: machine and disks come back, whatever the disk is kept in") {
  const ImageFolder folder;
  const std::string state = folder.path("state");
  const std::string raw = folder.put("raw", std::vector<u8>(kSectors * 512));
  const std::string qcow2 = folder.put("qcow2", test::Qcow2Builder(3, 12, kSectors * 512).bytes);
  struct Way {
    std::string path;
    bool snapshot;
  };
  for (const Way& way : {Way{raw, false}, Way{qcow2, false}, Way{raw, true}, Way{qcow2, true}}) {
    CAPTURE(way.path);
    CAPTURE(way.snapshot);
    const Medium disk = open_disk(way.path, way.snapshot);
    REQUIRE(disk->write(10, sectors_of(1, 20)));
    SmallMachine machine(kCounter, nullptr, with_disk(disk, way.path));
    machine.run(until(3'000'000));
    const std::string before = machine->state_hash();
    const std::vector<u8> contents = read_sectors(*disk, 0, kSectors);
    CHECK(problem(save_state_directory(*machine, state)) == "");
    CHECK(machine->state_hash() == before);
    // Saved over itself, it is replaced as a whole.
    CHECK(problem(save_state_directory(*machine, state)) == "");
    CHECK_FALSE(std::filesystem::exists(state + ".part"));
    CHECK_FALSE(std::filesystem::exists(state + ".old"));
    CHECK(std::filesystem::file_size(state + "/disks/ide0-hd0") == kSectors * 512);

    machine.run(until(9'000'000));
    const std::string later = machine->state_hash();
    REQUIRE(disk->write(0, sectors_of(0x70, 15)));
    REQUIRE(disk->write(2000, sectors_of(0x70, 40)));
    MachineAfter after = MachineAfter::Broken;
    CHECK(problem(load_state_directory(*machine, state, after)) == "");
    CHECK(after == MachineAfter::Unchanged);
    CHECK(machine->now_ns() == 3'000'000);
    CHECK(machine->state_hash() == before);
    CHECK(read_sectors(*disk, 0, kSectors) == contents);
    machine.run(until(9'000'000));
    CHECK(machine->state_hash() == later);
    REQUIRE(disk->write(10, std::vector<u8>(20 * 512)));
  }
}

TEST_CASE("state_directory: a machine made anew with the same options goes on from there") {
  const ImageFolder folder;
  const std::string state = folder.path("state");
  const std::string raw = folder.put("raw", std::vector<u8>(kSectors * 512));
  std::string saved;
  {
    const Medium disk = open_disk(raw);
    SmallMachine machine(kCounter, nullptr, with_disk(disk, raw));
    REQUIRE(disk->write(5, sectors_of(9, 3)));
    machine.run(until(2'000'000));
    REQUIRE(save_state_directory(*machine, state).ok());
    saved = machine->state_hash();
    REQUIRE(disk->write(5, sectors_of(1, 3)));
  }
  const Medium disk = open_disk(raw);
  SmallMachine machine(kCounter, nullptr, with_disk(disk, raw));
  MachineAfter after = MachineAfter::Broken;
  CHECK(problem(load_state_directory(*machine, state, after)) == "");
  CHECK(machine->state_hash() == saved);
  CHECK(read_sectors(*disk, 5, 3) == sectors_of(9, 3));
}

TEST_CASE("state_directory: a disk that does not fit, or a damaged state, changes nothing") {
  const ImageFolder folder;
  const std::string state = folder.path("state");
  const std::string raw = folder.put("raw", sectors_of(3, 64));
  const std::string same_size = folder.put("other", sectors_of(7, 64));
  const std::string larger = folder.put("larger", sectors_of(7, 65));
  {
    SmallMachine machine(kCounter, nullptr, with_disk(open_disk(raw), raw));
    machine.run(until(2'000'000));
    REQUIRE(save_state_directory(*machine, state).ok());
  }
  const auto refusal = [&](const Medium& disk, const std::string& file) {
    SmallMachine machine(kCounter, nullptr, disk ? with_disk(disk, file) : SmallMachine::Adjust());
    const std::string before = machine->state_hash();
    const std::vector<u8> contents = disk ? read_sectors(*disk, 0, 64) : std::vector<u8>();
    MachineAfter after = MachineAfter::Broken;
    const std::string line = problem(load_state_directory(*machine, state, after));
    CHECK(after == MachineAfter::Unchanged);
    CHECK(machine->state_hash() == before);
    if (disk) CHECK(read_sectors(*disk, 0, 64) == contents);
    CHECK(line.starts_with(state));
    CHECK(line.find('\n') == std::string::npos);
    return line;
  };
  CHECK(refusal(open_disk(larger), larger).find("64 sectors") != std::string::npos);
  CHECK(refusal(open_disk(same_size), same_size).find("was kept in") != std::string::npos);
  CHECK(refusal(test::open_image({.path = raw, .read_only = true}), raw).find("could be written") != std::string::npos);
  CHECK(refusal(nullptr, "").find("drives") != std::string::npos);
  // Over a throw-away overlay, another image of this size is as good.
  {
    const Medium disk = open_disk(same_size, true);
    SmallMachine machine(kCounter, nullptr, with_disk(disk, same_size));
    MachineAfter after = MachineAfter::Broken;
    CHECK(problem(load_state_directory(*machine, state, after)) == "");
    CHECK(read_sectors(*disk, 0, 64) == sectors_of(3, 64));
  }
  CHECK(folder.get("other") == sectors_of(7, 64));
  for (const char* part : {"/state", "/memory", "/disks/ide0-hd0"}) {
    CAPTURE(part);
    const std::vector<u8> good = read_file(state + part).take();
    std::vector<u8> bad = good;
    bad[part == std::string("/memory") ? 0x7c00 : bad.size() / 2] ^= 1;
    REQUIRE(write_file(state + part, bad.data(), bad.size()).ok());
    CHECK(refusal(open_disk(raw), raw).find("damaged") != std::string::npos);
    bad.resize(bad.size() - 1);
    REQUIRE(write_file(state + part, bad.data(), bad.size()).ok());
    refusal(open_disk(raw), raw);
    std::filesystem::remove(state + part);
    refusal(open_disk(raw), raw);
    REQUIRE(write_file(state + part, good.data(), good.size()).ok());
  }
}

TEST_CASE("state_directory: what is there and is no saved machine stays") {
  const ImageFolder folder;
  SmallMachine machine(kCounter);
  CHECK(problem(save_state_directory(*machine, folder.put("file", {1, 2, 3}))).find("is not a saved machine") !=
        std::string::npos);
  std::filesystem::create_directory(folder.path("letters"));
  folder.put("letters/dear", {1});
  CHECK_FALSE(save_state_directory(*machine, folder.path("letters")).ok());
  CHECK(std::filesystem::exists(folder.path("letters/dear")));
  CHECK(folder.get("file").size() == 3);
}

TEST_CASE("snapshots: names are directories in one folder, listed and removed") {
  const ImageFolder folder;
  const Snapshots snapshots(folder.path("states"));
  SmallMachine machine(kCounter);
  machine.run(until(2'000'000));
  CHECK(snapshots.list().empty());
  CHECK(problem(snapshots.save(*machine, "one")) == "");
  machine.run(until(4'000'000));
  CHECK(problem(snapshots.save(*machine, "another")) == "");
  const auto list = snapshots.list();
  REQUIRE(list.size() == 2);
  CHECK(list[0].name == "another");
  CHECK(list[0].summary.virtual_ns == 4'000'000);
  CHECK(list[1].summary.instructions > 0);
  CHECK(list[1].summary.size_bytes > 0);
  for (const char* name : {"", "..", "a/b", ".hidden", "x.part"}) {
    CHECK_FALSE(snapshots.save(*machine, name).ok());
    CHECK_FALSE(snapshots.remove(name).ok());
  }
  CHECK(snapshots.remove("nothing").error().message.find("no saved machine") != std::string::npos);
  CHECK(problem(snapshots.remove("one")) == "");
  CHECK(snapshots.list().size() == 1);
  CHECK(problem(snapshots.remove("another")) == "");
  CHECK_FALSE(std::filesystem::exists(folder.path("states")));
}

TEST_CASE("snapshots: by default they lie beside the first disk that is written in place") {
  const ImageFolder folder;
  const std::string raw = folder.put("raw", sectors_of(1, 8));
  std::vector<devices::BoardConfig::Drive> drives;
  CHECK(Snapshots::default_folder(drives) == "doppel.states");
  drives.push_back({.kind = Kind::HardDisk, .place = 0, .medium = open_disk(raw, true), .serial = {}, .name = "a", .file = raw, .cache = {}});
  CHECK(Snapshots::default_folder(drives) == "doppel.states");
  drives[0].medium = nullptr;
  drives[0].medium = open_disk(raw);
  CHECK(Snapshots::default_folder(drives) == raw + ".states");
}

TEST_CASE("snapshots: loadvm brings time back, and a script goes on from there") {
  const ImageFolder folder;
  SmallMachine machine(kCounter);
  InputQueue queue;
  CharacterDevices characters;
  const Snapshots snapshots(folder.path("states"));
  auto script = Script::parse("script", "wait 1ms\nsavevm a\nwait 9ms\nloadvm a\nwait 1ms\nquit\n");
  REQUIRE(script.ok());
  std::optional<Hmp> monitor;
  RunLoop* running = nullptr;
  std::string answers;
  RunConfig config = until(50'000'000);
  config.flush_output = [] {};
  config.load = [&](const std::string& name, MachineAfter& after) { return snapshots.load(*machine, name, after); };
  config.script = script.value().get();
  config.script_world = {[] { return std::string(); }, nullptr,
                         [&](const std::string& line) { return monitor->execute(line); },
                         [&](const std::string& answer) { answers += answer; },
                         [&] { return running->load_wanted(); }};
  RunLoop loop(*machine, queue, characters, config);
  running = &loop;
  monitor.emplace(*machine, loop, queue, nullptr, snapshots);
  CHECK(loop.run().kind == RunOutcome::Kind::Quit);
  CHECK(answers.empty());
  CHECK(machine->now_ns() >= 2'000'000);
  CHECK(machine->now_ns() < 9'000'000);
  CHECK(monitor->execute("info snapshots").find("\na ") != std::string::npos);
  CHECK(monitor->execute("loadvm b").find("no saved machine") != std::string::npos);
  CHECK(monitor->execute("savevm").find("which name") != std::string::npos);
  CHECK(monitor->execute("delvm a").empty());
  REQUIRE(queue.record_to(folder.path("recording")).ok());
  CHECK(monitor->execute("loadvm a").find("recorded") != std::string::npos);
}

}  // namespace
}  // namespace doppel::frontend
