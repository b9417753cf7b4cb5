#include "devices/disk_image_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu/base/log.h"

namespace doppel::devices {
namespace {

// QEMU's users hold these bytes while they do something (base 100) or while nobody else may do it
// (base 200); keeping to them makes its programs and doppel respect each other.
// @source  QEMU, block/file-posix.c, "RAW_LOCK_PERM_BASE" and "RAW_LOCK_SHARED_BASE"
constexpr u64 kReads = 100;
constexpr u64 kWrites = 101;
constexpr u64 kResizes = 103;
constexpr u64 kNobodyMayWrite = 201;
constexpr u64 kNobodyMayResize = 203;
constexpr u64 kToTheEnd = 0;

constexpr unsigned kMaxComplaints = 8;
constexpr u64 kMaxOffset = static_cast<u64>(std::numeric_limits<off_t>::max());

bool fits(u64 offset, u64 length_bytes) {
  return offset <= kMaxOffset && length_bytes <= kMaxOffset - offset;
}

}  // namespace

ImageFile::ImageFile(std::string path, ImageAccess access, ImageKeeping keeping, int descriptor)
    : path_(std::move(path)), access_(access), keeping_(keeping), descriptor_(descriptor) {}

ImageFile::~ImageFile() { ::close(descriptor_); }

Result<std::unique_ptr<ImageFile>, Error> ImageFile::open(const std::string& path,
                                                          ImageAccess access,
                                                          ImageKeeping keeping) {
  const auto system_error = [&path] { return Error{path + ": " + std::strerror(errno)}; };
  // Asked before opening: a pipe would wait there for its other end.
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return system_error();
  if (S_ISDIR(status.st_mode)) return Error{path + ": is a directory"};
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Error{path + ": is neither a file nor a block device"};
  }
  const int mode = access == ImageAccess::ReadOnly ? O_RDONLY : O_RDWR;
  const int descriptor = ::open(path.c_str(), mode | O_CLOEXEC);
  if (descriptor < 0) return system_error();
  std::unique_ptr<ImageFile> file(new ImageFile(path, access, keeping, descriptor));
  const off_t end = ::lseek(descriptor, 0, SEEK_END);
  if (end < 0) return system_error();
  file->size_bytes_ = static_cast<u64>(end);
  file->device_ = status.st_dev;
  file->inode_ = status.st_ino;
  DOPPEL_TRY(file->lock());
  file->set_up_direct_transfers();
  return file;
}

void ImageFile::set_up_direct_transfers() {
  if (!keeping_.direct) return;
  direct_ = DirectTransfers::enable(descriptor_);
  if (direct_) return;
  // The person who asked for it should know.
  log::info("doppel", "%s: its file system cannot bypass the page cache, so the cache is used", path_.c_str());
}

bool ImageFile::is_at(const std::string& path) const {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

// --- Locks ---

/// False: somebody else holds it. File systems without locks let everybody pass.
bool ImageFile::lock_range(short type, u64 start, u64 length_bytes) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(start);
  range.l_len = static_cast<off_t>(length_bytes);
  if (::fcntl(descriptor_, F_OFD_SETLK, &range) == 0) return true;
  return errno != EAGAIN && errno != EACCES;
}

bool ImageFile::is_locked_by_others(u64 start) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(start);
  range.l_len = 1;
  return ::fcntl(descriptor_, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

Result<void, Error> ImageFile::lock() {
  if (access_ == ImageAccess::ReadWrite) {
    if (lock_range(F_WRLCK, 0, kToTheEnd)) return {};
    return error("is in use elsewhere, and an image that is written cannot be shared");
  }
  const bool locked = lock_range(F_RDLCK, kReads, 1) && lock_range(F_RDLCK, kNobodyMayWrite, 1) &&
                      lock_range(F_RDLCK, kNobodyMayResize, 1);
  if (locked && !is_locked_by_others(kWrites) && !is_locked_by_others(kResizes)) return {};
  return error("is being written elsewhere");
}

// --- Bytes ---

void ImageFile::complain(const char* reason) {
  if (complaints_ >= kMaxComplaints) return;
  ++complaints_;
  log::warn("disk", "%s: %s%s", path_.c_str(), reason,
            complaints_ == kMaxComplaints ? " (further problems of this image are not shown)" : "");
}

bool ImageFile::read(u64 offset, std::span<u8> out) {
  if (direct_) {
    if (!fits(offset, out.size())) {
      std::fill(out.begin(), out.end(), u8{0});
      return true;
    }
    if (direct_->read(offset, out)) return true;
    complain(std::strerror(errno));
    return false;
  }
  while (!out.empty()) {
    // Past the largest offset there is nothing, as past the end.
    const ssize_t count = fits(offset, out.size()) ? ::pread(descriptor_, out.data(), out.size(),
                                                             static_cast<off_t>(offset))
                                                   : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      complain(std::strerror(errno));
      return false;
    }
    if (count == 0) {
      std::fill(out.begin(), out.end(), u8{0});
      break;
    }
    offset += static_cast<u64>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return true;
}

bool ImageFile::write(u64 offset, std::span<const u8> bytes) {
  if (sync_failed_ || !fits(offset, bytes.size())) return false;
  if (observer_ != nullptr) observer_->wrote(offset, bytes);
  if (direct_) {
    if (!direct_->write(offset, bytes)) {
      complain(std::strerror(errno));
      return false;
    }
    size_bytes_ = std::max(size_bytes_, offset + bytes.size());
    return true;
  }
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      complain(count < 0 ? std::strerror(errno) : "the host takes no more bytes");
      return false;
    }
    offset += static_cast<u64>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
    size_bytes_ = std::max(size_bytes_, offset);
  }
  return true;
}

bool ImageFile::sync() {
  if (sync_failed_) return false;
  if (observer_ != nullptr) observer_->synced();
  if (!keeping_.durable) return true;
  if (::fdatasync(descriptor_) == 0) return true;
  complain(std::strerror(errno));
  sync_failed_ = true;
  return false;
}

void ImageFile::punch(u64 offset, u64 length_bytes) {
  if (length_bytes == 0 || !fits(offset, length_bytes)) return;
  if (observer_ != nullptr) observer_->punched(offset, length_bytes);
  // Optional for the host as for the guest: a refusal changes nothing.
  (void)::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(offset), static_cast<off_t>(length_bytes));
}

}  // namespace doppel::devices
