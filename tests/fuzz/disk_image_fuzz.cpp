// Any bytes as a disk image: opening, reading, writing and flushing must end, and end well.
//
// The entry point that libFuzzer calls. The bytes become a file in memory, once read-only and once
// to be written, so that both the reading and the allocating half meet damaged tables.

#include <algorithm>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "devices/disk_image.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/support/qcow2_builder.h"

namespace doppel::fuzz {

std::vector<std::vector<u8>> seeds() {
  std::vector<std::vector<u8>> all;
  for (const unsigned version : {2u, 3u}) {
    test::Qcow2Builder image(version, 9, 1 << 20);
    const u64 l2 = image.add_l2();
    const u64 data = image.add_cluster(std::vector<u8>(512, 0x42));
    image.put64(l2, data | test::kCopied);
    image.put64(l2 + 8, 1);
    all.push_back(image.bytes);
  }
  return all;
}

}  // namespace doppel::fuzz

namespace {

using namespace doppel;
using namespace doppel::devices;

constexpr u64 kSectors = 40;

void read_and_write(BlockBackend& disk) {
  std::vector<u8> bytes(kSectors * BlockBackend::kSectorBytes);
  const u64 last = disk.sectors() > kSectors ? disk.sectors() - kSectors : 0;
  const u64 places[] = {0, 1, last / 3, last / 2, last};
  for (const u64 place : places) {
    const u64 count = std::min(kSectors, disk.sectors() - place);
    const std::span<u8> piece(bytes.data(), count * BlockBackend::kSectorBytes);
    (void)disk.read(place, piece);
    if (disk.is_read_only()) continue;
    // Not a magic: a raw image stays one.
    std::fill(piece.begin(), piece.end(), u8{0x5a});
    (void)disk.write(place, piece);
    (void)disk.discard(place + count / 2, count);
    (void)disk.read(place, piece);
  }
  (void)disk.flush();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  const int file = ::memfd_create("image", MFD_CLOEXEC);
  if (file < 0) return 0;
  if (::write(file, data, size) == static_cast<ssize_t>(size)) {
    for (const bool read_only : {true, false}) {
      DiskImageOptions options;
      options.path = "/proc/self/fd/" + std::to_string(file);
      options.read_only = read_only;
      auto opened = open_disk_image(options);
      if (opened.ok()) read_and_write(**opened);
    }
  }
  ::close(file);
  return 0;
}
