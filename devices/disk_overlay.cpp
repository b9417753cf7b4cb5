#include "devices/disk_overlay.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/base/log.h"
#include "devices/disk_image.h"

namespace doppel::devices {
namespace {

/// A file that nobody else sees and that ends with its descriptor.
int open_nameless_file() {
  const char* chosen = std::getenv("TMPDIR");
  // /var/tmp is on a disk where /tmp may be memory.
  const std::string folders[] = {chosen != nullptr ? chosen : "", "/var/tmp", "/tmp"};
  for (const std::string& folder : folders) {
    if (folder.empty()) continue;
    const int direct = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (direct >= 0) return direct;
    // Not every file system makes files without a name.
    std::string name = folder + "/doppel-XXXXXX";
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named < 0) continue;
    ::unlink(name.c_str());
    return named;
  }
  return ::memfd_create("doppel-overlay", MFD_CLOEXEC);
}

bool read_all(int descriptor, u64 offset, std::span<u8> out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) {
      // The hole behind the last byte written: a discarded slot at the end.
      std::fill(out.begin(), out.end(), u8{0});
      return true;
    }
    offset += static_cast<u64>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return true;
}

bool write_all(int descriptor, u64 offset, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    offset += static_cast<u64>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

DiskOverlay::DiskOverlay(std::shared_ptr<BlockBackend> base, ImageAccess access)
    : base_(std::move(base)), access_(access) {}

DiskOverlay::~DiskOverlay() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool DiskOverlay::open_file() {
  if (descriptor_ < 0) descriptor_ = open_nameless_file();
  return descriptor_ >= 0;
}

bool DiskOverlay::transfer_failed() {
  if (!complained_) log::warn("disk", "temporary file of a snapshot: %s", std::strerror(errno));
  complained_ = true;
  return false;
}

/// Sectors of one slot: runs that lie in the slot alternate with runs that lie below.
bool DiskOverlay::read_piece(u64 sector, std::span<u8> out) {
  const auto found = slots_.find(sector / kSlotSectors);
  if (found == slots_.end()) return base_->read(sector, out);
  const Slot& slot = found->second;
  while (!out.empty()) {
    const u64 first = sector % kSlotSectors;
    const u64 limit = first + out.size() / kSectorBytes;
    u64 end = first + 1;
    while (end < limit && slot.has(end) == slot.has(first)) ++end;
    const auto run = out.first((end - first) * kSectorBytes);
    if (slot.has(first)) {
      if (!read_all(descriptor_, slot.offset + first * kSectorBytes, run)) return transfer_failed();
    } else if (!base_->read(sector, run)) {
      return false;
    }
    sector += end - first;
    out = out.subspan(run.size());
  }
  return true;
}

bool DiskOverlay::write_piece(u64 sector, std::span<const u8> bytes) {
  const auto [place, is_new] = slots_.try_emplace(sector / kSlotSectors);
  Slot& slot = place->second;
  if (is_new) slot.offset = (slots_.size() - 1) * kSlotBytes;
  const u64 first = sector % kSlotSectors;
  if (!write_all(descriptor_, slot.offset + first * kSectorBytes, bytes)) return transfer_failed();
  for (u64 i = 0; i < bytes.size() / kSectorBytes; ++i) slot.add(first + i);
  return true;
}

bool DiskOverlay::read(u64 sector, std::span<u8> out) {
  if (!is_inside(*this, sector, out.size())) return false;
  while (!out.empty()) {
    const u64 room = (kSlotSectors - sector % kSlotSectors) * kSectorBytes;
    const auto piece = out.first(std::min<u64>(out.size(), room));
    if (!read_piece(sector, piece)) return false;
    sector += piece.size() / kSectorBytes;
    out = out.subspan(piece.size());
  }
  return true;
}

bool DiskOverlay::write(u64 sector, std::span<const u8> bytes) {
  if (is_read_only() || !is_inside(*this, sector, bytes.size())) return false;
  if (!open_file()) return transfer_failed();
  while (!bytes.empty()) {
    const u64 room = (kSlotSectors - sector % kSlotSectors) * kSectorBytes;
    const auto piece = bytes.first(std::min<u64>(bytes.size(), room));
    if (!write_piece(sector, piece)) return false;
    sector += piece.size() / kSectorBytes;
    bytes = bytes.subspan(piece.size());
  }
  return true;
}

/// Whole slots that were written become holes; the rest reads as before.
bool DiskOverlay::discard(u64 sector, u64 count) {
  if (is_read_only() || sector >= sectors()) return false;
  const u64 first = (sector + kSlotSectors - 1) / kSlotSectors;
  const u64 end = (sector + std::min(count, sectors() - sector)) / kSlotSectors;
  const auto empty = [this](Slot& slot) {
    if (::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(slot.offset), static_cast<off_t>(kSlotBytes)) == 0) {
      slot.present.fill(~u64{0});
    }
  };
  // A range may be much longer than what was written, or much shorter.
  if (end > first && end - first > slots_.size()) {
    for (auto& [index, slot] : slots_) {
      if (index >= first && index < end) empty(slot);
    }
  } else {
    for (u64 index = first; index < end; ++index) {
      if (const auto found = slots_.find(index); found != slots_.end()) empty(found->second);
    }
  }
  return true;
}

std::unique_ptr<BlockBackend> DiskOverlay::twin() {
  return std::make_unique<DiskOverlay>(base_, access_);
}

}  // namespace doppel::devices
