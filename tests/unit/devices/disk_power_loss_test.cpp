// What a power failure leaves of a qcow2 image.
//
// Between two syncs the medium may take writes in any order, or some of them, or half of one: only
// units of 512 bytes are whole. So every write, sync and hole is written down, and for moments all
// along the run images are put together: all that was synced before, and of what came after any
// part. Each must be sound, must open, and must hold what had been flushed. The moments lie inside of
// writes and flushes too.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "devices/disk_image_qcow2.h"
#include "tests/support/image_folder.h"
#include "tests/support/qcow2_builder.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kUnit = 512;

/// A piece that is on the medium or is not.
struct Unit {
  u64 offset = 0;
  std::vector<u8> bytes;
};

/// Keeps what is durable, and in pieces what may be.
class Medium final : public ImageFile::Observer {
 public:
  explicit Medium(std::vector<u8> image) : durable_(std::move(image)) {}

  void wrote(u64 offset, std::span<const u8> bytes) override {
    while (!bytes.empty()) {
      const u64 count = std::min<u64>(bytes.size(), kUnit - offset % kUnit);
      pending_.push_back({offset, {bytes.begin(), bytes.begin() + static_cast<long>(count)}});
      offset += count;
      bytes = bytes.subspan(count);
    }
    look();
  }
  void synced() override {
    for (const Unit& unit : pending_) apply(durable_, unit);
    pending_.clear();
    look();
  }
  void punched(u64 offset, u64 length_bytes) override {
    const std::vector<u8> zeros(length_bytes, 0);
    wrote(offset, zeros);
  }

  /// Called after everything.
  std::function<void()> look = [] {};

  size_t pending() const { return pending_.size(); }
  /// The image with those pending units that `takes` chooses by their number.
  template <class Takes>
  std::vector<u8> image(Takes&& takes) const {
    std::vector<u8> bytes = durable_;
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (takes(i)) apply(bytes, pending_[i]);
    }
    return bytes;
  }

 private:
  static void apply(std::vector<u8>& image, const Unit& unit) {
    if (image.size() < unit.offset + unit.bytes.size()) {
      image.resize(unit.offset + unit.bytes.size());
    }
    std::copy(unit.bytes.begin(), unit.bytes.end(),
              image.begin() + static_cast<long>(unit.offset));
  }

  std::vector<u8> durable_;
  std::vector<Unit> pending_;
};

/// A disk, and for each of its sectors the bytes that it may hold after a failure now.
class Disk {
 public:
  Disk(const ImageFolder& folder, const Qcow2Builder& builder, u64 sectors)
      : folder_(folder), medium_(builder.bytes), allowed_(sectors, std::set<u8>{0}) {
    auto file = ImageFile::open(folder.put("image", builder.bytes), ImageAccess::ReadWrite);
    REQUIRE(file.ok());
    (*file)->set_observer(medium_);
    auto header = read_qcow2_header(**file);
    REQUIRE(header.ok());
    auto opened = Qcow2Image::open(file.take(), *header, nullptr, ImageAccess::ReadWrite);
    REQUIRE(opened.ok());
    image_ = opened.take();
    latest_.assign(sectors, 0);
  }

  ~Disk() { medium_.look = [] {}; }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  Medium& medium() { return medium_; }

  void write(u64 sector, unsigned first, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      latest_[sector + i] = static_cast<u8>(first + i);
      allowed_[sector + i].insert(latest_[sector + i]);
    }
    REQUIRE(image_->write(sector, sectors_of(first, count)));
  }
  void discard(u64 sector, u64 count) {
    for (u64 i = 0; i < count; ++i) allowed_[sector + i].insert(0);
    REQUIRE(image_->discard(sector, count));
    for (u64 i = 0; i < count; ++i) latest_[sector + i] = read_sectors(*image_, sector + i, 1)[0];
  }
  void flush() {
    REQUIRE(image_->flush());
    for (size_t i = 0; i < allowed_.size(); ++i) allowed_[i] = {latest_[i]};
  }

  /// The problem of an image that a failure may leave; empty if there is none.
  std::string problem(const std::vector<u8>& image) const {
    if (check_qcow2(image).wrong != 0) return "a reference is not counted";
    const std::string path = folder_.put("copy", image);
    {
      auto opened = open_disk_image({.path = path, .cache = {.no_flush = true}});
      if (!opened.ok()) return opened.error().message;
      const std::vector<u8> present = read_sectors(**opened, 0, allowed_.size());
      for (size_t i = 0; i < allowed_.size(); ++i) {
        const auto sector = std::span(present).subspan(i * kUnit, kUnit);
        const bool is_whole =
            std::all_of(sector.begin(), sector.end(), [&](u8 byte) { return byte == sector[0]; });
        if (!is_whole || !allowed_[i].contains(sector[0])) {
          return "sector " + std::to_string(i) + " is lost or torn";
        }
      }
    }
    const Qcow2Findings findings = check_qcow2(folder_.get("copy"));
    return findings.wrong + findings.leaked == 0 ? "" : "opening did not repair the image";
  }

 private:
  const ImageFolder& folder_;
  Medium medium_;
  std::unique_ptr<Qcow2Image> image_;
  std::vector<u8> latest_;
  std::vector<std::set<u8>> allowed_;
};

/// All subsets are too many: none, all, each beginning, each without one, some of chance.
void fail_here(Disk& disk, std::mt19937& random) {
  const auto check = [&](auto&& takes) { CHECK(disk.problem(disk.medium().image(takes)) == ""); };
  check([](size_t) { return false; });
  check([](size_t) { return true; });
  const size_t pending = disk.medium().pending();
  for (int i = 0; i < 2 && pending != 0; ++i) {
    const size_t chosen = random() % pending;
    check([=](size_t unit) { return unit <= chosen; });
    check([=](size_t unit) { return unit >= chosen; });
    check([=](size_t unit) { return unit == chosen; });
    check([=](size_t unit) { return unit != chosen; });
    check([&](size_t) { return random() % 2 == 0; });
  }
}

struct Shape {
  unsigned cluster_bits;
  unsigned refcount_order;
};

}  // namespace

TEST_CASE("power loss: whatever part of the unsynced writes is there, the image is sound and has what was flushed") {
  const ImageFolder folder;
  // Small clusters fill tables, and with counts of 64 bits the refcount table itself has to grow.
  for (const Shape shape : {Shape{9, 6}, Shape{9, 4}, Shape{12, 4}}) {
    CAPTURE(shape.cluster_bits);
    std::mt19937 random(shape.cluster_bits * 10 + shape.refcount_order);
    constexpr u64 kSectors = 4096;
    Disk disk(folder, Qcow2Builder(3, shape.cluster_bits, kSectors * 512, shape.refcount_order),
              kSectors);
    unsigned failures = 0;
    disk.medium().look = [&] {
      if (random() % 16 != 0) return;
      ++failures;
      fail_here(disk, random);
    };
    for (unsigned round = 0; round < 60; ++round) {
      CAPTURE(round);
      const unsigned count = 1 + random() % 24;
      const u64 sector = random() % (kSectors - 64);
      switch (random() % 8) {
        case 0:
          disk.discard(sector, count * 2);
          break;
        case 1:
        case 2:
          disk.flush();
          break;
        default:
          disk.write(sector, random() % 256, count);
      }
    }
    CHECK(failures > 4);
  }
}
