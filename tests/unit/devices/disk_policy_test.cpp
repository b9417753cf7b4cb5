#include "devices/disk_policy.h"

#include <doctest/doctest.h>

#include <algorithm>

#include <fcntl.h>

#include "devices/disk_image_file.h"
#include "tests/support/ide_rig.h"
#include "tests/support/image_folder.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

/// Counts what reaches the disk below.
struct CountingDisk final : BlockBackend {
  explicit CountingDisk(unsigned& writes, unsigned& flushes, unsigned& discards)
      : writes_(writes), flushes_(flushes), discards_(discards) {}
  u64 sectors() const override { return 100; }
  bool is_read_only() const override { return false; }
  bool read(u64, std::span<u8>) override { return true; }
  bool write(u64, std::span<const u8>) override { return ++writes_ != 0; }
  bool flush() override { return ++flushes_ != 0; }
  bool discard(u64, u64) override { return ++discards_ != 0; }
  unsigned& writes_;
  unsigned& flushes_;
  unsigned& discards_;
};

}  // namespace

TEST_CASE("disk policy: a write-through disk flushes each write and says that it has no cache") {
  unsigned writes = 0, flushes = 0, discards = 0;
  DiskPolicy disk(std::make_unique<CountingDisk>(writes, flushes, discards),
                  {.write_through = true});
  CHECK_FALSE(disk.has_write_cache());
  CHECK(disk.write(0, sectors_of(1, 1)));
  CHECK(writes == 1);
  CHECK(flushes == 1);
  CHECK(disk.discard(0, 4));
  CHECK(discards == 1);
  CHECK(flushes == 2);
}

TEST_CASE("disk policy: discarding can be switched off, and succeeds all the same") {
  unsigned writes = 0, flushes = 0, discards = 0;
  DiskPolicy disk(std::make_unique<CountingDisk>(writes, flushes, discards),
                  {.keeps_discarded = true});
  CHECK(disk.has_write_cache());
  CHECK(disk.discard(0, 4));
  CHECK(discards == 0);
  CHECK(disk.write(0, sectors_of(1, 1)));
  CHECK(flushes == 0);
}

TEST_CASE("ide disk: without a write cache IDENTIFY shows none, and it cannot be switched on") {
  IdeRig rig;
  unsigned writes = 0, flushes = 0, discards = 0;
  DiskPolicy medium(std::make_unique<CountingDisk>(writes, flushes, discards),
                    {.write_through = true});
  rig.ide.attach(0, 1, std::make_unique<AtaDisk>("hd1", medium, "S"));
  rig.ide.reset();
  rig.ide.enable_ports();
  rig.set(6, 0xb0);
  rig.set(7, 0xec);
  REQUIRE((rig.wait() & 0x89) == 0x08);
  const std::vector<u8> page = rig.take(512);
  CHECK((page[82 * 2] & 0x20) == 0);
  CHECK((page[85 * 2] & 0x20) == 0);
  rig.set(1, 0x02);
  rig.set(7, 0xef);
  CHECK((rig.wait() & 1) == 1);
  rig.set(1, 0x82);
  rig.set(7, 0xef);
  CHECK((rig.wait() & 1) == 0);
}

TEST_CASE("ide disk: with its write cache switched off, a write flushes before it is over") {
  IdeRig rig;
  rig.issue(0x30, 5, 2);
  CHECK((rig.wait() & 0x08) != 0);
  rig.give(512, 0x1111);
  CHECK((rig.wait() & 0x08) != 0);
  rig.give(512, 0x2222);
  CHECK((rig.wait() & 0x89) == 0);
  CHECK(rig.medium.flushes == 0);
  rig.set(1, 0x82);
  rig.set(7, 0xef);
  CHECK((rig.wait() & 1) == 0);
  CHECK(rig.medium.flushes == 1);  // Of what was in the cache.
  rig.issue(0x30, 5, 2);
  CHECK((rig.wait() & 0x08) != 0);
  rig.give(512, 0x1111);
  CHECK((rig.wait() & 0x08) != 0);
  CHECK(rig.medium.flushes == 1);
  rig.give(512, 0x2222);
  CHECK((rig.wait() & 0x89) == 0);
  CHECK(rig.medium.flushes == 2);
}

TEST_CASE("direct transfers: any offset and length works, and the file keeps its size") {
  // A real file system: one in memory has no page cache to bypass.
  std::string folder = (std::filesystem::temp_directory_path() / "doppel-direct-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/image";
  std::vector<u8> expected = sectors_of(1, 21);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(expected.data()),
             static_cast<std::streamsize>(expected.size()));
  {
    auto file = ImageFile::open(path, ImageAccess::ReadWrite, {.direct = true});
    REQUIRE(file.ok());
    const auto put = [&](u64 offset, u64 size, u8 value) {
      const std::vector<u8> bytes(size, value);
      REQUIRE((*file)->write(offset, bytes));
      std::fill_n(expected.begin() + static_cast<long>(offset), size, value);
    };
    put(0, 4096, 0xa1);
    put(4099, 5, 0xa2);
    put(20 * 512, 512, 0xa3);  // The last block is not whole.
    put(512, 2 * 4096, 0xa4);
    std::vector<u8> present(expected.size() + 1000, 0xee);
    REQUIRE((*file)->read(0, present));
    CHECK(std::equal(expected.begin(), expected.end(), present.begin()));
    CHECK(std::all_of(present.begin() + static_cast<long>(expected.size()), present.end(),
                      [](u8 byte) { return byte == 0; }));
    std::vector<u8> part(700);
    REQUIRE((*file)->read(4000, part));
    CHECK(std::equal(part.begin(), part.end(), expected.begin() + 4000));
    CHECK((*file)->sync());
  }
  CHECK(std::filesystem::file_size(path) == 21 * 512);
  std::filesystem::remove_all(folder);
}
