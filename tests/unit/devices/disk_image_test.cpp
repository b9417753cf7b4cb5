#include "devices/disk_image.h"

#include <doctest/doctest.h>

#include "cpu/base/log.h"
#include "tests/support/image_folder.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

using Format = DiskImageOptions::Format;

unsigned warnings = 0;

/// Counts what is logged while it lives.
struct WarningCounter {
  WarningCounter() {
    warnings = 0;
    log::set_sink([](log::Level, std::string_view, std::string_view) { ++warnings; });
  }
  ~WarningCounter() { log::set_sink(nullptr); }
};

std::vector<u8> with_magic(std::string_view magic, size_t at = 0) {
  std::vector<u8> bytes(4096, 0);
  std::copy(magic.begin(), magic.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return bytes;
}

}  // namespace

TEST_CASE("disk image: a raw file is its sectors, read and written in place") {
  const ImageFolder folder;
  const std::string path = folder.put("disk", sectors_of(1, 8));
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->sectors() == 8);
    CHECK_FALSE(disk->is_read_only());
    CHECK(disk->twin() == nullptr);
    CHECK(read_sectors(*disk, 2, 3) == sectors_of(3, 3));
    CHECK(disk->write(6, sectors_of(0x70, 2)));
    CHECK(disk->flush());
    std::vector<u8> bytes(1024);
    CHECK_FALSE(disk->read(7, bytes));
    CHECK_FALSE(disk->write(7, bytes));
    CHECK_FALSE(disk->read(~u64{0}, bytes));
  }
  std::vector<u8> expected = sectors_of(1, 6);
  const std::vector<u8> tail = sectors_of(0x70, 2);
  expected.insert(expected.end(), tail.begin(), tail.end());
  CHECK(folder.get("disk") == expected);
}

TEST_CASE("disk image: discarded sectors of a raw file read as zeros or as before") {
  const ImageFolder folder;
  const auto disk = open_image({.path = folder.put("disk", sectors_of(1, 64))});
  CHECK(disk->discard(8, 48));
  CHECK(disk->discard(60, ~u64{0}));
  CHECK_FALSE(disk->discard(64, 1));
  CHECK(read_sectors(*disk, 7, 1) == sectors_of(8, 1));
  CHECK(read_sectors(*disk, 56, 4) == sectors_of(57, 4));
  const u8 middle = read_sectors(*disk, 30, 1)[0];
  CHECK((middle == 0 || middle == 31));
  CHECK(disk->sectors() == 64);
}

TEST_CASE("disk image: an odd tail is filled up for reading and refused for writing") {
  const ImageFolder folder;
  std::vector<u8> bytes = sectors_of(5, 2);
  bytes.resize(700);
  const std::string path = folder.put("floppy", bytes);
  CHECK(refusal({.path = path}) ==
        path + ": its size is not a multiple of 512 bytes, so it can only be read");
  const auto disk = open_image({.path = path, .read_only = true});
  CHECK(disk->sectors() == 2);
  bytes.resize(1024);
  CHECK(read_sectors(*disk, 0, 2) == bytes);
}

TEST_CASE("disk image: what cannot be opened is refused in a line with its name") {
  const ImageFolder folder;
  CHECK(refusal({.path = folder.path("missing")}) ==
        folder.path("missing") + ": No such file or directory");
  CHECK(refusal({.path = folder.path("")}) == folder.path("") + ": is a directory");
  CHECK(refusal({.path = "/dev/null"}) == "/dev/null: is neither a file nor a block device");
  const std::string empty = folder.put("empty", {});
  CHECK(refusal({.path = empty}) == empty + ": is empty");
  const std::string raw = folder.put("raw", sectors_of(0, 4));
  CHECK(refusal({.path = raw, .format = Format::Qcow2}) == raw + ": is not a qcow2 image");
}

TEST_CASE("disk image: other formats are refused by name unless raw is asked for") {
  const ImageFolder folder;
  const WarningCounter counter;
  const std::string vmdk = folder.put("vmdk", with_magic("KDMV"));
  CHECK(refusal({.path = vmdk}) ==
        vmdk + ": is a VMDK image, which is not supported (qcow2 and raw are)");
  const std::string vdi = folder.put("vdi", with_magic("\x7f\x10\xda\xbe", 64));
  CHECK(refusal({.path = vdi}).find("VDI") != std::string::npos);
  CHECK(warnings == 0);
  CHECK(open_image({.path = vmdk, .format = Format::Raw})->sectors() == 8);
  CHECK(warnings == 1);
  // As qcow2 this header is nonsense; as raw it is bytes.
  const std::string qcow2 = folder.put("qcow2", with_magic("QFI\xfb"));
  CHECK_FALSE(refusal({.path = qcow2}).empty());
  CHECK(open_image({.path = qcow2, .format = Format::Raw})->sectors() == 8);
  CHECK(warnings == 2);
}

TEST_CASE("disk image: a guest cannot turn a guessed raw image into another format") {
  const ImageFolder folder;
  const WarningCounter counter;
  const std::string path = folder.put("disk", sectors_of(1, 8));
  {
    const auto disk = open_image({.path = path});
    CHECK_FALSE(disk->write(0, with_magic("QFI\xfb")));
    CHECK(warnings == 1);
    CHECK(read_sectors(*disk, 0, 1) == sectors_of(1, 1));
    CHECK(disk->write(1, std::vector<u8>(512, 'Q')));
  }
  const auto disk = open_image({.path = path, .format = Format::Raw});
  CHECK(disk->write(0, with_magic("QFI\xfb")));
}

TEST_CASE("disk image: a writer has the file for itself, readers share it") {
  const ImageFolder folder;
  const std::string path = folder.put("disk", sectors_of(1, 8));
  {
    const auto writer = open_image({.path = path});
    CHECK(refusal({.path = path}) ==
          path + ": is in use elsewhere, and an image that is written cannot be shared");
    CHECK(refusal({.path = path, .read_only = true}) == path + ": is being written elsewhere");
    CHECK_FALSE(refusal({.path = path, .snapshot = true}).empty());
  }
  const auto reader = open_image({.path = path, .read_only = true});
  const auto other = open_image({.path = path, .snapshot = true});
  CHECK_FALSE(refusal({.path = path}).empty());
}

TEST_CASE("disk image: read-only refuses writes and has twins") {
  const ImageFolder folder;
  const auto disk = open_image({.path = folder.put("disk", sectors_of(1, 8)), .read_only = true});
  CHECK(disk->is_read_only());
  CHECK_FALSE(disk->write(0, sectors_of(0x40, 1)));
  CHECK_FALSE(disk->discard(0, 8));
  CHECK(disk->flush());
  const auto twin = disk->twin();
  REQUIRE(twin != nullptr);
  CHECK(twin->is_read_only());
  CHECK(read_sectors(*twin, 0, 8) == sectors_of(1, 8));
}

TEST_CASE("disk overlay: writes are seen above and never below") {
  const ImageFolder folder;
  const std::vector<u8> original = sectors_of(0, 1000);
  const std::string path = folder.put("disk", original);
  {
    const auto disk = open_image({.path = path, .snapshot = true});
    CHECK_FALSE(disk->is_read_only());
    CHECK(disk->sectors() == 1000);
    // Across slots of 128 sectors, and single sectors with gaps.
    CHECK(disk->write(100, sectors_of(7, 200)));
    CHECK(disk->write(900, sectors_of(0x99, 1)));
    CHECK(disk->write(902, sectors_of(0x9b, 1)));
    CHECK(disk->write(902, sectors_of(0x9c, 1)));
    CHECK(disk->flush());
    std::vector<u8> expected = original;
    const auto place = [&expected](unsigned sector, const std::vector<u8>& bytes) {
      std::copy(bytes.begin(), bytes.end(), expected.begin() + sector * 512);
    };
    place(100, sectors_of(7, 200));
    place(900, sectors_of(0x99, 1));
    place(902, sectors_of(0x9c, 1));
    CHECK(read_sectors(*disk, 0, 1000) == expected);
    CHECK_FALSE(disk->write(1000, sectors_of(0, 1)));
  }
  CHECK(folder.get("disk") == original);
}

TEST_CASE("disk overlay: a twin starts with the image's contents and keeps its own writes") {
  const ImageFolder folder;
  auto disk = open_image({.path = folder.put("disk", sectors_of(1, 8)), .snapshot = true});
  CHECK(disk->write(2, sectors_of(0x50, 1)));
  const auto twin = disk->twin();
  REQUIRE(twin != nullptr);
  CHECK(read_sectors(*twin, 0, 8) == sectors_of(1, 8));
  CHECK(twin->write(3, sectors_of(0x60, 1)));
  CHECK(read_sectors(*disk, 2, 2) != read_sectors(*twin, 2, 2));
  CHECK(read_sectors(*disk, 3, 1) == sectors_of(4, 1));
  // The image below belongs to both.
  disk.reset();
  CHECK(read_sectors(*twin, 2, 1) == sectors_of(3, 1));
}

TEST_CASE("disk overlay: discarding forgets what was written and leaves the rest") {
  const ImageFolder folder;
  const auto disk = open_image({.path = folder.put("disk", sectors_of(1, 512)), .snapshot = true});
  CHECK(disk->write(0, sectors_of(0x50, 200)));
  CHECK(disk->discard(64, ~u64{0}));
  CHECK(read_sectors(*disk, 0, 128) == sectors_of(0x50, 128));
  // The second slot was cut short by the end of what was written; it lies within as a whole.
  const u8 discarded = read_sectors(*disk, 130, 1)[0];
  CHECK((discarded == 0 || discarded == static_cast<u8>(0x50 + 130)));
  CHECK(read_sectors(*disk, 300, 1) == sectors_of(301, 1));
  CHECK(disk->write(130, sectors_of(0x77, 1)));
  CHECK(read_sectors(*disk, 130, 1) == sectors_of(0x77, 1));
}
