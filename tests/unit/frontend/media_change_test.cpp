#include "frontend/media_change.h"

#include <cstdio>

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/drives.h"
#include "frontend/file.h"
#include "frontend/monitor/hmp.h"
#include "tests/support/image_folder.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

using test::ImageFolder;
using test::sectors_of;
using Kind = devices::BoardConfig::Drive::Kind;

/// Waits for ever, awake for interrupts.
const std::vector<u8> kSleeper = {0xfb, 0xf4, 0xeb, 0xfd};  // sti; again: hlt; jmp again

void add_drives(MachineConfig& config) {
  config.board.drives.push_back({.kind = Kind::Cdrom, .place = 2, .medium = nullptr, .serial = {}, .name = "ide1-cd0", .file = {}, .cache = {}});
  config.board.drives.push_back({.kind = Kind::Floppy, .place = 0, .medium = nullptr, .serial = {}, .name = "floppy0", .file = {}, .cache = {}});
}

/// A monitor at a sleeping machine with an empty CD-ROM drive and an empty floppy drive.
struct MediaRig {
  SmallMachine machine{kSleeper, nullptr, add_drives};
  InputQueue queue;
  CharacterDevices characters;
  RunLoop loop{*machine, queue, characters, config()};
  Hmp monitor{*machine, loop, queue, nullptr};

  static RunConfig config() {
    RunConfig config;
    config.timeout_virtual_ns = 1'000'000;
    config.flush_output = [] {};
    return config;
  }
  const devices::BoardConfig::Drive& drive(size_t index) { return machine->board().drives()[index]; }
};

TEST_CASE("media_change: its text says all of it, and only such a text is one") {
  for (const char* text : {"eject floppy0", "eject -f ide1-cd0", "change ide1-cd0 detect rw /a disc.iso",
                           "change -f floppy0 raw ro x"}) {
    const auto change = MediaChange::parse(text);
    REQUIRE(change.ok());
    CHECK(change.value().text() == text);
  }
  for (const char* text : {"", "eject", "eject ", "insert a", "eject a b", "change a", "change a raw rw",
                           "change a raw rw ", "change a vmdk rw x", "change a raw yes x", "change -f"}) {
    CAPTURE(text);
    CHECK_FALSE(MediaChange::parse(text).ok());
  }
}

TEST_CASE("media: change and eject enter the machine as input, and info block tells what is there") {
  const ImageFolder folder;
  const std::string disc = folder.put("disc.iso", sectors_of(1, 16));
  const std::string recording = folder.path("recording");
  MediaRig rig;
  REQUIRE(rig.queue.record_to(recording).ok());
  CHECK(rig.monitor.execute("info block").find("ide1-cd0: [not inserted]\n    Removable device: not locked, tray closed") == 0);
  CHECK(rig.monitor.execute("change ide1-cd0 \"" + disc + "\"").empty());
  CHECK(rig.drive(0).medium == nullptr);  // Not before it is delivered.
  rig.loop.run();
  REQUIRE(rig.drive(0).medium != nullptr);
  CHECK(rig.drive(0).medium->is_read_only());
  CHECK(rig.monitor.execute("info block").find("ide1-cd0: " + disc + " (raw, read-only)") == 0);
  CHECK(rig.monitor.execute("eject ide1-cd0").empty());
  CHECK(rig.queue.deliver(*rig.machine) == InputQueue::Delivered::Input);
  CHECK(rig.drive(0).medium == nullptr);
  const std::vector<u8> written = read_file(recording).take();
  const std::string text(written.begin(), written.end());
  CHECK(text.find(" media 6368616e6765206964") != std::string::npos);

  // The same again from the recording, which has the file's name.
  const std::string complete = text + "end\n";
  REQUIRE(write_file(recording, complete.data(), complete.size()).ok());
  SmallMachine machine(kSleeper, nullptr, add_drives);
  InputQueue replay;
  REQUIRE(replay.replay_from(recording).ok());
  CHECK(replay.deliver(*machine) == InputQueue::Delivered::Input);
  CHECK(machine->board().drives()[0].file == disc);
  // And with the file gone the replay is no longer that run.
  std::remove(disc.c_str());
  SmallMachine other(kSleeper, nullptr, add_drives);
  InputQueue failing;
  REQUIRE(failing.replay_from(recording).ok());
  failing.deliver(*other);
  CHECK(failing.diverged());
}

TEST_CASE("media: what cannot be done is said in a line, and nothing changes") {
  const ImageFolder folder;
  const std::string odd = folder.put("odd", sectors_of(1, 7000));
  MediaRig rig;
  for (const std::string& line :
       {std::string("change"), std::string("change ide1-cd0"), "change ide1-cd0 " + folder.path("missing"),
        "change nothing " + odd, "change floppy0 " + odd, "change ide1-cd0 " + odd + " vmdk",
        "change ide1-cd0 " + odd + " raw sometimes", std::string("eject"), std::string("eject nothing")}) {
    CAPTURE(line);
    const std::string answer = rig.monitor.execute(line);
    CHECK(answer.size() > 1);
    CHECK(answer.find('\n') == answer.size() - 1);
  }
  CHECK_FALSE(rig.queue.pending(0));
}

TEST_CASE("media: a floppy disk is another one for the guest, and may be written") {
  const ImageFolder folder;
  const std::string disk = folder.put("disk.img", std::vector<u8>(1440 * 1024));
  MediaRig rig;
  CHECK(rig.monitor.execute("change floppy0 " + disk).empty());
  CHECK(rig.queue.deliver(*rig.machine) == InputQueue::Delivered::Input);
  REQUIRE(rig.drive(1).medium != nullptr);
  CHECK_FALSE(rig.drive(1).medium->is_read_only());
  CHECK(rig.monitor.execute("eject floppy0").empty());
  rig.queue.deliver(*rig.machine);
  CHECK(rig.monitor.execute("change floppy0 " + disk + " raw read-only").empty());
  rig.queue.deliver(*rig.machine);
  CHECK(rig.drive(1).medium->is_read_only());
}

}  // namespace
}  // namespace doppel::frontend
