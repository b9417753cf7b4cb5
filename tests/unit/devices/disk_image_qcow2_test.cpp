#include "devices/disk_image_qcow2.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include <zlib.h>

#include "tests/support/image_folder.h"
#include "tests/support/qcow2_builder.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

using Format = DiskImageOptions::Format;

constexpr u64 kMegabyte = u64{1} << 20;
constexpr u64 kZero = 1;

std::vector<u8> deflate_raw(const std::vector<u8>& bytes) {
  std::vector<u8> out(bytes.size() + 64);
  z_stream stream = {};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = const_cast<u8*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

/// No reference is counted too low and, unless `leaks` may be, none too high.
void check_sound(const std::vector<u8>& image, bool may_leak = false) {
  const Qcow2Findings findings = check_qcow2(image);
  CHECK(findings.wrong == 0);
  if (!may_leak) CHECK(findings.leaked == 0);
}

std::vector<u8> zeros(u64 sectors) { return std::vector<u8>(sectors * 512, 0); }

}  // namespace

TEST_CASE("qcow2: a header that contradicts the file is refused in one line") {
  struct Wrong {
    unsigned at;
    unsigned width;
    u64 value;
    const char* reason;
  };
  // clang-format off
  const Wrong wrongs[] = {
      {4,   4, 1,                    "version 1"},
      {4,   4, 4,                    "version 4"},
      {8,   8, 4090,                 "backing file's name"},
      {8,   8, ~u64{0},              "backing file's name"},
      {20,  4, 8,                    "cluster size"},
      {20,  4, 22,                   "cluster size"},
      {20,  4, 0xffffffff,           "cluster size"},
      {24,  8, 0,                    "no size"},
      {24,  8, ~u64{0},              "impossible size"},
      {24,  8, u64{1} << 40,         "L1 table is too small"},
      {32,  4, 1,                    "encrypted (AES)"},
      {32,  4, 2,                    "encrypted (LUKS)"},
      {32,  4, 77,                   "unknown method"},
      {36,  4, 0xffffffff,           "L1 table is too large"},
      {36,  4, 0,                    "L1 table is too small"},
      {36,  4, 100000,               "L1 table lies outside"},
      {40,  8, 0,                    "L1 table lies outside"},
      {40,  8, 4096 + 512,           "L1 table lies outside"},
      {40,  8, u64{1} << 63,         "L1 table lies outside"},
      {48,  8, u64{1} << 40,         "refcount table lies outside"},
      {48,  8, 3,                    "refcount table lies outside"},
      {56,  4, 0,                    "refcount table has a wrong size"},
      {56,  4, 0xffffffff,           "refcount table has a wrong size"},
      {56,  4, 100,                  "refcount table lies outside"},
      {60,  4, 70000,                "too many internal snapshots"},
      {60,  4, 1,                    "internal snapshots lies outside"},
      {72,  8, 2,                    "marked as corrupt"},
      {72,  8, 4,                    "data_file"},
      {72,  8, 8,                    "contradicts itself"},
      {72,  8, 16,                   "extended L2"},
      {72,  8, u64{1} << 37,         "unknown qcow2 feature 37"},
      {96,  4, 7,                    "wrong width"},
      {100, 4, 96,                   "wrong length"},
      {100, 4, 0xfffffff8,           "wrong length"},
  };
  // clang-format on
  const ImageFolder folder;
  for (const Wrong& wrong : wrongs) {
    Qcow2Builder builder(3, 12, kMegabyte);
    builder.put32(16, 10);
    if (wrong.width == 4) builder.put32(wrong.at, static_cast<u32>(wrong.value));
    if (wrong.width == 8) builder.put64(wrong.at, wrong.value);
    const std::string path = folder.put("image", builder.bytes);
    const std::string line = refusal({.path = path});
    CAPTURE(wrong.at);
    CAPTURE(line);
    CHECK(line.starts_with(path + ": "));
    CHECK(line.find(wrong.reason) != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
  }
  Qcow2Builder zstd(3, 12, kMegabyte);
  zstd.put64(72, 8);
  zstd.put32(100, 112);
  zstd.bytes[104] = 1;
  CHECK(refusal({.path = folder.put("image", zstd.bytes)}).find("zstd") != std::string::npos);
  // Every beginning of an image is too short to be one.
  const Qcow2Builder whole(3, 9, kMegabyte);
  for (u64 length = 1; length < 3 * 512; length += 97) {
    std::vector<u8> bytes = whole.bytes;
    bytes.resize(length);
    CHECK_FALSE(refusal({.path = folder.put("image", bytes), .format = Format::Qcow2}).empty());
  }
}

TEST_CASE("qcow2: a dirty or corrupt image can still be read") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  builder.put64(72, 3);
  const auto disk = open_image({.path = folder.put("image", builder.bytes), .snapshot = true});
  CHECK(read_sectors(*disk, 0, 8) == zeros(8));
}

TEST_CASE("qcow2: what a killed writer left counted and unused is free after the next opening") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  const u64 l2 = builder.add_l2();
  builder.put64(l2, builder.add_cluster(sectors_of(1, 8)) | kCopied);
  builder.add_cluster(sectors_of(9, 8));
  builder.add_cluster(sectors_of(9, 8), 3);
  builder.put64(72, 1);
  const std::string path = folder.put("image", builder.bytes);
  CHECK(check_qcow2(folder.get("image")).leaked == 2);
  CHECK(read_sectors(*open_image({.path = path}), 0, 8) == sectors_of(1, 8));
  check_sound(folder.get("image"));
  CHECK(load_be64(&folder.get("image")[72]) == 0);
}

TEST_CASE("qcow2: a writer's mark is in the header from the first new cluster until the end") {
  const ImageFolder folder;
  for (const unsigned version : {2u, 3u}) {
    const std::string path = folder.put("image", Qcow2Builder(version, 12, kMegabyte).bytes);
    const auto mark = [&] { return version == 3 ? load_be64(&folder.get("image")[72]) : 0; };
    {
      const auto disk = open_image({.path = path});
      CHECK(read_sectors(*disk, 0, 1) == zeros(1));
      CHECK(mark() == 0);
      CHECK(disk->write(0, sectors_of(1, 1)));
      CHECK(mark() == (version == 3 ? 1 : 0));
      CHECK(disk->flush());
      CHECK(mark() == (version == 3 ? 1 : 0));
    }
    CHECK(mark() == 0);
    {
      const auto disk = open_image({.path = path});
      CHECK(disk->write(0, sectors_of(2, 1)));  // In place.
      CHECK(mark() == 0);
    }
  }
}

TEST_CASE("qcow2: a dirty image whose counts are too low, or cannot be followed, is refused") {
  const ImageFolder folder;
  const auto dirty = [&](auto&& change) {
    Qcow2Builder builder(3, 12, kMegabyte);
    const u64 l2 = builder.add_l2();
    const u64 cluster = builder.add_cluster(sectors_of(1, 8));
    builder.put64(l2, cluster | kCopied);
    builder.put64(72, 1);
    change(builder, l2, cluster);
    const std::string path = folder.put("image", builder.bytes);
    const std::string line = refusal({.path = path});
    CHECK(line.find("not closed properly") != std::string::npos);
    CHECK(folder.get("image") == builder.bytes);
  };
  dirty([](Qcow2Builder& b, u64, u64 cluster) { b.set_count(cluster / 4096, 0); });
  dirty([](Qcow2Builder& b, u64 l2, u64 cluster) { b.put64(l2 + 8, cluster | kCopied); });
  dirty([](Qcow2Builder& b, u64 l2, u64) { b.put64(l2 + 8, (u64{1} << 40) | kCopied); });
  dirty([](Qcow2Builder& b, u64, u64) { b.put64(4096 + 8, 2 * 4096); });  // The same block twice.
  dirty([](Qcow2Builder& b, u64, u64) { b.put64(4096 + 8, u64{1} << 40); });
  dirty([](Qcow2Builder& b, u64, u64) { b.put32(104, 0x23852875); });     // Bitmaps.
}

TEST_CASE("qcow2: reads clusters of data, of zeros, compressed ones, and nothing") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  const u64 l2 = builder.add_l2();
  builder.put64(l2, builder.add_cluster(sectors_of(1, 8)) | kCopied);
  builder.put64(l2 + 8, builder.add_cluster(sectors_of(9, 8)) | kCopied | kZero);
  // A compressed cluster that begins in the middle of a sector.
  std::vector<u8> packed = deflate_raw(sectors_of(0x20, 8));
  const u64 length = packed.size();
  packed.insert(packed.begin(), 100, 0xcc);
  const u64 more_sectors = (100 + length - 1) / 512;
  builder.put64(l2 + 16, kCompressed | more_sectors << 58 | (builder.add_cluster(packed) + 100));
  const std::string path = folder.put("image", builder.bytes);
  check_sound(builder.bytes);

  const auto disk = open_image({.path = path, .read_only = true});
  CHECK(disk->sectors() == 2048);
  CHECK(read_sectors(*disk, 0, 8) == sectors_of(1, 8));
  CHECK(read_sectors(*disk, 8, 8) == zeros(8));
  CHECK(read_sectors(*disk, 16, 8) == sectors_of(0x20, 8));
  CHECK(read_sectors(*disk, 24, 2024) == zeros(2024));
  // Across the borders of all of them.
  std::vector<u8> across = read_sectors(*disk, 7, 12);
  CHECK(across[0] == 8);
  CHECK(across[512] == 0);
  CHECK(across[10 * 512] == 0x21);
}

TEST_CASE("qcow2: what is written is there again after opening, and the image is sound") {
  const ImageFolder folder;
  for (const unsigned version : {2u, 3u}) {
    CAPTURE(version);
    const std::string path = folder.put("image", Qcow2Builder(version, 12, kMegabyte).bytes);
    {
      const auto disk = open_image({.path = path});
      CHECK(disk->write(3, sectors_of(1, 20)));
      CHECK(disk->write(2047, sectors_of(0x66, 1)));
      CHECK(disk->write(4, sectors_of(0x44, 1)));
      CHECK_FALSE(disk->write(2047, sectors_of(0, 2)));
      CHECK(disk->flush());
    }
    check_sound(folder.get("image"));
    const auto disk = open_image({.path = path, .read_only = true});
    CHECK(read_sectors(*disk, 0, 3) == zeros(3));
    CHECK(read_sectors(*disk, 3, 1) == sectors_of(1, 1));
    CHECK(read_sectors(*disk, 4, 1) == sectors_of(0x44, 1));
    CHECK(read_sectors(*disk, 5, 18) == sectors_of(3, 18));
    CHECK(read_sectors(*disk, 23, 9) == zeros(9));
    CHECK(read_sectors(*disk, 2047, 1) == sectors_of(0x66, 1));
  }
}

TEST_CASE("qcow2: counts of every width grow with the image, and so does their table") {
  const ImageFolder folder;
  for (const unsigned order : {3u, 4u, 5u, 6u}) {
    CAPTURE(order);
    // Clusters of 512 bytes: with counts of 64 bits, the table covers 2 MB, tables included.
    const std::string path = folder.put("image", Qcow2Builder(3, 9, 2 * kMegabyte, order).bytes);
    {
      const auto disk = open_image({.path = path});
      for (unsigned i = 0; i < 64; ++i) CHECK(disk->write(i * 64, sectors_of(i, 64)));
    }
    const std::vector<u8> image = folder.get("image");
    check_sound(image);
    CHECK((load_be32(&image[56]) > 1) == (order == 6));
    const auto disk = open_image({.path = path, .read_only = true});
    for (unsigned i = 0; i < 64; ++i) CHECK(read_sectors(*disk, i * 64, 64) == sectors_of(i, 64));
  }
}

TEST_CASE("qcow2: what a part of a cluster does not cover comes from the backing image") {
  const ImageFolder folder;
  // 20 sectors: the backing image ends in the middle of a cluster.
  folder.put("base", sectors_of(1, 20));
  Qcow2Builder builder(3, 12, kMegabyte);
  builder.set_backing("base", "raw");
  const std::string path = folder.put("image", builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(read_sectors(*disk, 0, 20) == sectors_of(1, 20));
    CHECK(read_sectors(*disk, 20, 8) == zeros(8));
    CHECK(disk->write(2, sectors_of(0x70, 2)));
    CHECK(disk->write(18, sectors_of(0x80, 1)));
  }
  check_sound(folder.get("image"));
  CHECK(folder.get("base") == sectors_of(1, 20));
  const auto disk = open_image({.path = path});
  CHECK(read_sectors(*disk, 0, 2) == sectors_of(1, 2));
  CHECK(read_sectors(*disk, 2, 2) == sectors_of(0x70, 2));
  CHECK(read_sectors(*disk, 4, 14) == sectors_of(5, 14));
  CHECK(read_sectors(*disk, 18, 1) == sectors_of(0x80, 1));
  CHECK(read_sectors(*disk, 19, 1) == sectors_of(20, 1));
  CHECK(read_sectors(*disk, 20, 4) == zeros(4));
}

TEST_CASE("qcow2: a backing file is opened as it says, relative to the image, without loops") {
  const ImageFolder folder;
  const auto with_backing = [&folder](const std::string& file, const std::string& name,
                                      const std::string& format) {
    Qcow2Builder builder(3, 12, kMegabyte);
    builder.set_backing(name, format);
    return folder.put(file, builder.bytes);
  };
  Qcow2Builder bottom(3, 12, kMegabyte);
  bottom.put64(bottom.add_l2(), bottom.add_cluster(sectors_of(0x31, 8)) | kCopied);
  folder.put("bottom", bottom.bytes);
  with_backing("middle", "bottom", "qcow2");
  CHECK(read_sectors(*open_image({.path = with_backing("top", "middle", "")}), 0, 8) ==
        sectors_of(0x31, 8));
  // As raw, the same file begins with its header.
  CHECK(read_sectors(*open_image({.path = with_backing("top", "bottom", "raw")}), 0, 1)[0] == 'Q');

  const std::string top = folder.path("top");
  with_backing("top", "nowhere", "raw");
  CHECK(refusal({.path = top}) ==
        top + ": backing file " + folder.path("nowhere") + ": No such file or directory");
  with_backing("top", "bottom", "vmdk");
  CHECK(refusal({.path = top}).find("format \"vmdk\"") != std::string::npos);
  with_backing("top", "nbd:localhost", "raw");
  CHECK(refusal({.path = top}).find("not a plain file") != std::string::npos);
  with_backing("top", "bot\ntom", "raw");
  CHECK(refusal({.path = top}).find("control characters") != std::string::npos);
  with_backing("top", "top", "qcow2");
  CHECK(refusal({.path = top}).find("stands on itself") != std::string::npos);
  with_backing("top", "middle", "qcow2");
  with_backing("middle", "./top", "qcow2");
  CHECK(refusal({.path = top}).find("stands on itself") != std::string::npos);
  for (unsigned i = 0; i < 20; ++i) {
    with_backing("link" + std::to_string(i), "link" + std::to_string(i + 1), "qcow2");
  }
  CHECK(refusal({.path = folder.path("link0")}).find("too long") != std::string::npos);
}

TEST_CASE("qcow2: a cluster that something else refers to is copied before it is written") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  // As an internal snapshot leaves them: the L2 table and the cluster count two.
  const u64 l2 = builder.add_l2(0, 2);
  const u64 shared = builder.add_cluster(sectors_of(1, 8), 2);
  builder.put64(l2, shared);
  const std::string path = folder.put("image", builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->write(3, sectors_of(0x90, 1)));
    CHECK(read_sectors(*disk, 4, 1) == sectors_of(5, 1));
  }
  const std::vector<u8> image = folder.get("image");
  // Nothing in this image names the snapshot's half, so both count as leaked now, each once.
  const Qcow2Findings findings = check_qcow2(image);
  CHECK(findings.wrong == 0);
  CHECK(findings.leaked == 2);
  const std::vector<u8> before = sectors_of(1, 8);
  CHECK(std::equal(before.begin(), before.end(),
                   image.begin() + static_cast<std::ptrdiff_t>(shared)));
  CHECK(load_be64(&image[l2]) == shared);
  CHECK(load_be16(&image[2 * 4096 + shared / 4096 * 2]) == 1);
  const auto disk = open_image({.path = path});
  CHECK(read_sectors(*disk, 3, 1) == sectors_of(0x90, 1));
  CHECK(read_sectors(*disk, 4, 4) == sectors_of(5, 4));
}

TEST_CASE("qcow2: writing over compressed clusters lets go of what they shared") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  const u64 l2 = builder.add_l2();
  std::vector<u8> packed = deflate_raw(sectors_of(0x20, 8));
  packed.resize(512);
  const std::vector<u8> other = deflate_raw(sectors_of(0x40, 8));
  packed.insert(packed.end(), other.begin(), other.end());
  const u64 place = builder.add_cluster(packed, 2);
  builder.put64(l2, kCompressed | place);
  builder.put64(l2 + 8, kCompressed | (place + 512));
  const std::string path = folder.put("image", builder.bytes);
  check_sound(builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->write(1, sectors_of(0x99, 1)));
    CHECK(disk->flush());
    check_sound(folder.get("image"));
    CHECK(read_sectors(*disk, 8, 8) == sectors_of(0x40, 8));
    CHECK(disk->write(8, sectors_of(0xa0, 8)));
  }
  check_sound(folder.get("image"));
  const auto disk = open_image({.path = path});
  CHECK(read_sectors(*disk, 0, 1) == sectors_of(0x20, 1));
  CHECK(read_sectors(*disk, 1, 1) == sectors_of(0x99, 1));
  CHECK(read_sectors(*disk, 8, 8) == sectors_of(0xa0, 8));
}

TEST_CASE("qcow2: discarded clusters read as zeros and their place is used again") {
  const ImageFolder folder;
  folder.put("base", sectors_of(1, 64));
  Qcow2Builder builder(3, 12, kMegabyte);
  builder.set_backing("base", "raw");
  const std::string path = folder.put("image", builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->write(0, sectors_of(0x50, 40)));
    CHECK(disk->discard(4, 32));
    CHECK(disk->flush());
    CHECK(read_sectors(*disk, 0, 8) == sectors_of(0x50, 8));
    CHECK(read_sectors(*disk, 8, 24) == zeros(24));
    CHECK(read_sectors(*disk, 32, 8) == sectors_of(0x70, 8));
    CHECK(read_sectors(*disk, 40, 24) == sectors_of(41, 24));
  }
  check_sound(folder.get("image"));
  const u64 size_before = folder.get("image").size();
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->write(48, sectors_of(0x10, 16)));
    CHECK(disk->write(9, sectors_of(0x11, 1)));
    CHECK(disk->discard(2047, ~u64{0}));
  }
  check_sound(folder.get("image"));
  CHECK(folder.get("image").size() == size_before);
  const auto disk = open_image({.path = path});
  CHECK(read_sectors(*disk, 8, 1) == zeros(1));
  CHECK(read_sectors(*disk, 9, 1) == sectors_of(0x11, 1));
}

TEST_CASE("qcow2: version 2 has no zeros to hide a backing image with: discarding leaves all") {
  const ImageFolder folder;
  folder.put("base", sectors_of(1, 64));
  Qcow2Builder builder(2, 12, kMegabyte);
  builder.set_backing("base");
  const auto disk = open_image({.path = folder.put("image", builder.bytes)});
  CHECK(disk->write(8, sectors_of(0x50, 8)));
  CHECK(disk->discard(0, 64));
  CHECK(read_sectors(*disk, 8, 8) == sectors_of(0x50, 8));
  CHECK(read_sectors(*disk, 0, 8) == sectors_of(1, 8));
}

TEST_CASE("qcow2: a copy of the file at any moment is sound and has all that was flushed") {
  const ImageFolder folder;
  folder.put("base", sectors_of(1, 256));
  Qcow2Builder builder(3, 9, kMegabyte, 6);
  builder.set_backing("base", "raw");
  const std::string path = folder.put("image", builder.bytes);
  const auto disk = open_image({.path = path});
  std::mt19937 random(7);
  std::vector<u8> flushed = read_sectors(*disk, 0, 2048);
  for (unsigned round = 0; round < 12; ++round) {
    CAPTURE(round);
    // What each sector may hold if the process ends: what was flushed, or anything since.
    std::vector<std::set<u8>> allowed(2048);
    for (u64 k = 0; k < 2048; ++k) allowed[k].insert(flushed[k * 512]);
    for (unsigned i = 0; i < 30; ++i) {
      const u64 sector = random() % 2000;
      const u64 count = 1 + random() % 40;
      const u8 first = static_cast<u8>(random());
      const bool discards = random() % 5 == 0;
      if (discards) {
        REQUIRE(disk->discard(sector, count));
      } else {
        REQUIRE(disk->write(sector, sectors_of(first, static_cast<unsigned>(count))));
      }
      for (u64 k = 0; k < count; ++k) {
        allowed[sector + k].insert(discards ? u8{0} : static_cast<u8>(first + k));
      }
      if (i % 10 != 9) continue;
      // As if the process had ended here.
      folder.put("copy", folder.get("image"));
      check_sound(folder.get("copy"), true);
      const auto copy = open_image({.path = folder.path("copy"), .read_only = true});
      const std::vector<u8> present = read_sectors(*copy, 0, 2048);
      unsigned lost = 0;
      for (u64 k = 0; k < 2048; ++k) {
        if (!allowed[k].contains(present[k * 512])) ++lost;
      }
      CHECK(lost == 0);
    }
    REQUIRE(disk->flush());
    flushed = read_sectors(*disk, 0, 2048);
    check_sound(folder.get("image"));
  }
}

TEST_CASE(
    "qcow2: tables that memory has no room for go to the file in the order that keeps it sound") {
  const ImageFolder folder;
  // A sector in each of 600 tables of 512 bytes, of which 256 are kept.
  const std::string path = folder.put("image", Qcow2Builder(3, 9, 600 * 64 * 512, 3).bytes);
  {
    const auto disk = open_image({.path = path});
    // The second time, the file's L1 table leads to the tables already.
    for (unsigned place : {5, 6}) {
      for (unsigned i = 0; i < 600; ++i) {
        REQUIRE(disk->write(i * 64 + place, sectors_of(i, 1)));
        if (i % 150 == 149) check_sound(folder.get("image"), true);
      }
      CHECK((place == 6 || disk->flush()));
    }
    for (unsigned i = 0; i < 600; ++i)
      CHECK(read_sectors(*disk, i * 64 + 5, 1) == sectors_of(i, 1));
  }
  check_sound(folder.get("image"));
  const auto disk = open_image({.path = path});
  for (unsigned i = 0; i < 600; ++i) CHECK(read_sectors(*disk, i * 64 + 5, 1) == sectors_of(i, 1));
}

TEST_CASE("qcow2: features that clear themselves are cleared by the first write, not by opening") {
  const ImageFolder folder;
  Qcow2Builder builder(3, 12, kMegabyte);
  builder.put64(88, 5);
  const std::string path = folder.put("image", builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(read_sectors(*disk, 0, 1) == zeros(1));
    CHECK(disk->flush());
  }
  CHECK(folder.get("image") == builder.bytes);
  CHECK(open_image({.path = path})->write(0, sectors_of(1, 1)));
  CHECK(load_be64(&folder.get("image")[88]) == 0);
}

TEST_CASE("qcow2: damaged tables fail the access and nothing else") {
  const ImageFolder folder;
  const u64 wrong_l1[] = {
      512, 4096 + 1, u64{1} << 60, u64{1} << 50, kCopied | 4096, kCopied | 3 * 4096, kCopied};
  for (const u64 entry : wrong_l1) {
    CAPTURE(entry);
    Qcow2Builder builder(3, 12, kMegabyte);
    builder.put64(3 * 4096, entry);
    const auto disk = open_image({.path = folder.put("image", builder.bytes)});
    CHECK_FALSE(disk->write(0, sectors_of(1, 1)));
  }
  const u64 wrong_l2[] = {512,
                          u64{1} << 57,
                          4096 | 2,
                          kCopied | 0,
                          kCompressed | u64{1} << 50,
                          kCompressed,
                          ~u64{0},
                          kCopied | 4096,
                          kCopied | 3 * 4096,
                          kCopied | u64{1} << 50,
                          kCompressed | 4096};
  for (const u64 entry : wrong_l2) {
    CAPTURE(entry);
    Qcow2Builder builder(3, 12, kMegabyte);
    builder.put64(builder.add_l2(), entry);
    const auto disk = open_image({.path = folder.put("image", builder.bytes)});
    // A copied flag without an offset means nothing; all others are refused.
    CHECK(disk->write(0, sectors_of(1, 1)) == (entry == kCopied));
    CHECK(disk->write(4000 / 8, sectors_of(2, 8)));
    CHECK(read_sectors(*disk, 4000 / 8, 8) == sectors_of(2, 8));
  }
  // In version 2 the zero flag is a reserved bit.
  Qcow2Builder builder(2, 12, kMegabyte);
  builder.put64(builder.add_l2(), kZero);
  const auto disk = open_image({.path = folder.put("image", builder.bytes)});
  std::vector<u8> bytes(512);
  CHECK_FALSE(disk->read(0, bytes));
}

TEST_CASE("qcow2: an image whose counts are damaged is not written over its own tables") {
  const ImageFolder folder;
  // Everything counts as free, the header too.
  Qcow2Builder builder(3, 12, kMegabyte);
  for (u64 i = 0; i < 4; ++i) builder.set_count(i, 0);
  const std::string path = folder.put("image", builder.bytes);
  {
    const auto disk = open_image({.path = path});
    CHECK(disk->write(0, sectors_of(1, 8)));
  }
  const std::vector<u8> image = folder.get("image");
  CHECK(load_be32(&image[0]) == 0x514649fb);
  CHECK(load_be64(&image[4096]) == 2 * 4096);
  // Everything counts as used, for ever.
  Qcow2Builder full(3, 12, kMegabyte);
  for (u64 i = 0; i < 512; ++i) full.put64(4096 + i * 8, 2 * 4096);
  for (u64 i = 0; i < 2048; ++i) full.set_count(i, 1);
  const auto disk = open_image({.path = folder.put("full", full.bytes)});
  CHECK_FALSE(disk->write(0, sectors_of(1, 8)));
}
