#include "frontend/disk_copy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <xxhash.h>

#include "frontend/sparse_file.h"

namespace doppel::frontend {
namespace {

constexpr u64 kSectorBytes = devices::BlockBackend::kSectorBytes;
constexpr u64 kPieceBytes = u64{256} << 10;
constexpr u64 kFingerprintBytes = u64{1} << 20;

Error unreadable(const std::string& path) { return Error{path + ": the disk cannot be read"}; }
Error unwritable(const std::string& path) { return Error{path + ": the disk cannot be written"}; }

/// Makes [offset, end) of the disk zeros, where it is not.
bool clear(devices::BlockBackend& disk, u64 offset, u64 end, std::vector<u8>& buffer) {
  while (offset < end) {
    buffer.resize(std::min(kPieceBytes, end - offset));
    if (!disk.read(offset / kSectorBytes, buffer)) return false;
    const u64 count = buffer.size();
    if (std::any_of(buffer.begin(), buffer.end(), [](u8 byte) { return byte != 0; })) {
      // Whether discarded sectors read as zeros is the disk's choice.
      std::fill(buffer.begin(), buffer.end(), u8{0});
      if (!disk.write(offset / kSectorBytes, buffer)) return false;
    }
    offset += count;
  }
  return true;
}

}  // namespace

Result<u64, Error> copy_disk(devices::BlockBackend& disk, const std::string& path) {
  const u64 size_bytes = disk.sectors() * kSectorBytes;
  DOPPEL_TRY(const std::unique_ptr<SparseWriter> writer, SparseWriter::create(path, size_bytes));
  std::vector<u8> piece;
  for (u64 offset = 0; offset < size_bytes; offset += piece.size()) {
    piece.resize(std::min(kPieceBytes, size_bytes - offset));
    if (!disk.read(offset / kSectorBytes, piece)) return unreadable(path);
    DOPPEL_TRY(writer->put(offset, piece));
  }
  return writer->finish();
}

Result<void, Error> bring_disk_back(devices::BlockBackend& disk, const std::string& path) {
  const u64 size_bytes = disk.sectors() * kSectorBytes;
  u64 done = 0;  // Up to here the disk is as it was.
  bool worked = true;
  std::vector<u8> buffer;
  const auto read = visit_blocks(path, size_bytes, [&](u64 offset, std::span<const u8> block) {
    worked = clear(disk, done, offset, buffer);
    buffer.resize(block.size());
    worked = worked && disk.read(offset / kSectorBytes, buffer);
    if (worked && std::memcmp(buffer.data(), block.data(), block.size()) != 0)
      worked = disk.write(offset / kSectorBytes, block);
    done = offset + block.size();
    return worked;
  });
  if (!read.ok()) return read.error();
  if (!worked || !clear(disk, done, size_bytes, buffer) || !disk.flush()) return unwritable(path);
  return {};
}

u64 disk_fingerprint(devices::BlockBackend& disk) {
  const u64 size_bytes = disk.sectors() * kSectorBytes;
  std::vector<u8> beginning(std::min(size_bytes, kFingerprintBytes));
  if (!disk.read(0, beginning)) return 0;
  return XXH3_64bits_withSeed(beginning.data(), beginning.size(), size_bytes);
}

}  // namespace doppel::frontend
