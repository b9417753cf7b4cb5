#include "devices/direct_transfers.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "cpu/base/bits.h"

namespace doppel::devices {

void DirectTransfers::Free::operator()(u8* memory) const { std::free(memory); }

DirectTransfers::DirectTransfers(int descriptor)
    : descriptor_(descriptor),
      buffer_(static_cast<u8*>(std::aligned_alloc(kBlockBytes, kBufferBytes))) {}

std::optional<DirectTransfers> DirectTransfers::enable(int descriptor) {
  DirectTransfers transfers(descriptor);
  if (transfers.buffer_ == nullptr || !transfers.set_direct(true)) return std::nullopt;
  // Some file systems take the flag and then refuse every transfer.
  if (transfers.read_blocks(0, kBlockBytes)) return transfers;
  (void)transfers.set_direct(false);
  return std::nullopt;
}

bool DirectTransfers::set_direct(bool on) {
  const int flags = ::fcntl(descriptor_, F_GETFL);
  if (flags < 0) return false;
  return ::fcntl(descriptor_, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/// Whole blocks into the buffer.
bool DirectTransfers::read_blocks(u64 offset, u64 length_bytes) {
  u64 done = 0;
  while (done < length_bytes) {
    const ssize_t count = ::pread(descriptor_, &buffer_[done], length_bytes - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += static_cast<u64>(count);
    // A part of a block is the file's last.
    if (count == 0 || done % kBlockBytes != 0) break;
  }
  std::fill_n(&buffer_[done], length_bytes - done, u8{0});
  return true;
}

/// Whole blocks from the buffer.
bool DirectTransfers::write_blocks(u64 offset, u64 length_bytes) {
  u64 done = 0;
  while (done < length_bytes) {
    const ssize_t count = ::pwrite(descriptor_, &buffer_[done], length_bytes - done,
                                   static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<u64>(count);
  }
  return true;
}

bool DirectTransfers::write_through_cache(u64 offset, std::span<const u8> bytes) {
  if (!set_direct(false)) return false;
  bool written = true;
  while (written && !bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    written = count > 0;
    if (!written) break;
    offset += static_cast<u64>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  const int error = errno;
  const bool restored = set_direct(true);
  if (!written) errno = error;
  return written && restored;
}

bool DirectTransfers::read(u64 offset, std::span<u8> out) {
  while (!out.empty()) {
    const u64 first = align_down(offset, kBlockBytes);
    const u64 end = std::min(align_up(offset + out.size(), kBlockBytes), first + kBufferBytes);
    if (!read_blocks(first, end - first)) return false;
    const u64 count = std::min<u64>(out.size(), end - offset);
    std::memcpy(out.data(), &buffer_[offset - first], count);
    offset += count;
    out = out.subspan(count);
  }
  return true;
}

bool DirectTransfers::write(u64 offset, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    const u64 first = align_down(offset, kBlockBytes);
    const u64 end = std::min(align_up(offset + bytes.size(), kBlockBytes), first + kBufferBytes);
    const u64 count = std::min<u64>(bytes.size(), end - offset);
    const auto piece = bytes.first(count);
    const off_t size = ::lseek(descriptor_, 0, SEEK_END);
    if (size < 0) return false;
    if (offset + count != end && static_cast<u64>(size) < end) {
      if (!write_through_cache(offset, piece)) return false;
    } else {
      const bool is_whole = first == offset && end == offset + count;
      if (!is_whole && !read_blocks(first, end - first)) return false;
      std::memcpy(&buffer_[offset - first], piece.data(), count);
      if (!write_blocks(first, end - first)) return false;
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
  return true;
}

}  // namespace doppel::devices
