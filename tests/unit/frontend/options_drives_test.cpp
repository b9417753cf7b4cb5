#include <doctest/doctest.h>

#include "frontend/options.h"

namespace doppel::frontend {
namespace {

using Bus = DriveOptions::Bus;

std::string error_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  return parsed.ok() ? "" : parsed.error().message;
}

Options parsed(std::vector<std::string> arguments) {
  auto result = parse_options(arguments);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  return result.take();
}

const DriveOptions* drive_at(const Options& options, Bus bus, unsigned index) {
  for (const DriveOptions& drive : options.drives) {
    if (drive.bus == bus && drive.index == index) return &drive;
  }
  return nullptr;
}

TEST_CASE("drives: an image without an option is the first hard disk") {
  const Options options = parsed({"disk.img"});
  const DriveOptions* const disk = drive_at(options, Bus::Ide, 0);
  REQUIRE(disk != nullptr);
  CHECK(disk->path == "disk.img");
  CHECK_FALSE(disk->is_cdrom);
  CHECK(options.kernel.empty());
}

TEST_CASE("drives: a PC has an empty CD-ROM drive and an empty floppy drive, unless -nodefaults") {
  const Options options = parsed({});
  REQUIRE(drive_at(options, Bus::Ide, 2) != nullptr);
  CHECK(drive_at(options, Bus::Ide, 2)->is_cdrom);
  CHECK(drive_at(options, Bus::Ide, 2)->path.empty());
  CHECK(drive_at(options, Bus::Floppy, 0) != nullptr);
  CHECK(parsed({"-nodefaults"}).drives.empty());
}

TEST_CASE("drives: each short option has its place") {
  const Options options =
      parsed({"-hda", "a", "-hdb", "b", "-cdrom", "c", "-hdd", "d", "-fda", "e", "-fdb", "f"});
  const char* const ide[] = {"a", "b", "c", "d"};
  for (unsigned i = 0; i < 4; ++i) {
    REQUIRE(drive_at(options, Bus::Ide, i) != nullptr);
    CHECK(drive_at(options, Bus::Ide, i)->path == ide[i]);
  }
  CHECK(drive_at(options, Bus::Ide, 2)->is_cdrom);
  CHECK(drive_at(options, Bus::Ide, 2)->read_only);
  CHECK(drive_at(options, Bus::Floppy, 0)->path == "e");
  CHECK(drive_at(options, Bus::Floppy, 1)->path == "f");
}

TEST_CASE("drives: two in one place are refused, and the one that was there is named") {
  CHECK(error_of({"-hda", "first", "disk.img"}).find("'first'") != std::string::npos);
  CHECK(error_of({"-hdc", "x", "-cdrom", "y"}).find("'x'") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,index=4"}).find("no place") != std::string::npos);
}

TEST_CASE("drives: -drive takes the first free place, after those that chose one") {
  const Options options = parsed({"-drive", "file=x,format=qcow2,serial=S1", "-hda", "first",
                                  "-drive", "file=y,if=floppy,readonly=on"});
  const DriveOptions* const disk = drive_at(options, Bus::Ide, 1);
  REQUIRE(disk != nullptr);
  CHECK(disk->path == "x");
  CHECK(disk->format == devices::DiskImageOptions::Format::Qcow2);
  CHECK(disk->serial == "S1");
  CHECK(drive_at(options, Bus::Floppy, 0)->read_only);
}

TEST_CASE("drives: -snapshot is for all, snapshot=on for one") {
  const Options all = parsed({"-snapshot", "-hda", "a", "-hdb", "b"});
  CHECK(drive_at(all, Bus::Ide, 0)->snapshot);
  CHECK(drive_at(all, Bus::Ide, 1)->snapshot);
  const Options one = parsed({"-hda", "a", "-drive", "file=b,snapshot=on"});
  CHECK_FALSE(drive_at(one, Bus::Ide, 0)->snapshot);
  CHECK(drive_at(one, Bus::Ide, 1)->snapshot);
}

TEST_CASE("drives: -device connects what -drive if=none named") {
  const Options options =
      parsed({"-drive", "file=x,if=none,id=d0", "-device", "ide-cd,drive=d0,bus=ide.1,unit=1"});
  const DriveOptions* const drive = drive_at(options, Bus::Ide, 3);
  REQUIRE(drive != nullptr);
  CHECK(drive->path == "x");
  CHECK(drive->is_cdrom);
  CHECK(error_of({"-device", "ide-hd,drive=nobody"}).find("nobody") != std::string::npos);
  CHECK(error_of({"-device", "ide-hd,drive=d,frob=1"}).find("frob") != std::string::npos);
}

TEST_CASE("drives: cache= names sets of three switches, which can be given one by one") {
  const auto cache_of = [](const std::string& properties) {
    return drive_at(parsed({"-drive", "file=x" + properties}), Bus::Ide, 0)->cache;
  };
  using Cache = devices::DiskCache;
  CHECK(cache_of("") == Cache{});
  CHECK(cache_of(",cache=writeback") == Cache{});
  CHECK(cache_of(",cache=none") == Cache{.direct = true});
  CHECK(cache_of(",cache=writethrough") == Cache{.write_back = false});
  CHECK(cache_of(",cache=directsync") == Cache{.write_back = false, .direct = true});
  CHECK(cache_of(",cache=unsafe") == Cache{.no_flush = true});
  CHECK(cache_of(",cache=none,cache.direct=off,cache.no-flush=on") == Cache{.no_flush = true});
  CHECK(cache_mode_name(Cache{.write_back = false, .direct = true}) == "directsync");
  CHECK(cache_mode_name(Cache{.direct = true, .no_flush = true}).find("ignore flushes") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,cache=fast"}).find("fast") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,cache.direct=perhaps"}).find("perhaps") != std::string::npos);
}

TEST_CASE("drives: discarding is off unless asked for, and errors are never kept from the guest") {
  const auto unmaps = [](const std::string& properties) {
    return drive_at(parsed({"-drive", "file=x" + properties}), Bus::Ide, 0)->unmap;
  };
  CHECK_FALSE(unmaps(""));
  CHECK_FALSE(unmaps(",discard=ignore"));
  CHECK(unmaps(",discard=unmap,aio=native,detect-zeroes=on,werror=enospc,rerror=report"));
  CHECK(error_of({"-drive", "file=x,discard=some"}).find("some") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,werror=ignore"}).find("werror") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,aio=posix"}).find("posix") != std::string::npos);
}

TEST_CASE("drives: malformed properties are refused by name") {
  CHECK(error_of({"-drive", "file=x,if=scsi"}).find("scsi") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,format=vmdk"}).find("vmdk") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,media=tape"}).find("tape") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,index=many"}).find("many") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,snapshot=maybe"}).find("maybe") != std::string::npos);
  CHECK(error_of({"-drive", "file=x,colour=red"}).find("colour") != std::string::npos);
  CHECK(error_of({"-drive", "format=raw"}).find("file") != std::string::npos);
  CHECK(error_of({"-boot", "order=c9"}).find("c9") != std::string::npos);
}

TEST_CASE("drives: -boot takes an order, a menu, and an order for once") {
  CHECK(parsed({"-boot", "d"}).boot_order == "d");
  const Options options = parsed({"-boot", "order=dc,menu=on,once=a"});
  CHECK(options.boot_order == "dc");
  CHECK(options.boot_once == "a");
  CHECK(options.boot_menu);
}

}  // namespace
}  // namespace doppel::frontend
