#pragma once

// The host's file (or block device) that an image is kept in: bytes at an offset, and a lock.
//
// Two machines that write one image destroy it, so a writer locks the file for itself and readers
// share it. Locks belong to the open file, not to the process: a second drive on the same image in
// the same process is refused too.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <sys/types.h>

#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "devices/direct_transfers.h"

namespace doppel::devices {

/// What is going to happen to an image.
enum class ImageAccess { ReadOnly, ReadWrite };

/// How the host keeps what is written.
struct ImageKeeping {
  bool direct = false;   ///< Past its page cache, if it can.
  bool durable = true;   ///< False: sync() asks for nothing.
};

class ImageFile {
 public:
  /// @errors "PATH: reason": missing, a directory, locked by somebody else.
  static Result<std::unique_ptr<ImageFile>, Error> open(const std::string& path,
                                                        ImageAccess access,
                                                        ImageKeeping keeping = {});
  ~ImageFile();
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  const std::string& path() const { return path_; }
  u64 size_bytes() const { return size_bytes_; }
  ImageAccess access() const { return access_; }
  /// True if `path` leads to this very file, by whatever name.
  bool is_at(const std::string& path) const;

  /// What lies past the end reads as zeros. False: the host could not; logged the first time.
  bool read(u64 offset, std::span<u8> out);
  bool write(u64 offset, std::span<const u8> bytes);
  /// What was written before is on the medium. Once this failed, nobody knows what is: every later
  /// write and sync fails too.
  bool sync();
  /// Gives the space back where the host can; the range then reads as zeros, or as before.
  void punch(u64 offset, u64 length_bytes);

  Error error(const std::string& reason) const { return Error{path_ + ": " + reason}; }
  /// Hears of everything that changes the file, in order.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void wrote(u64 offset, std::span<const u8> bytes) = 0;
    virtual void synced() = 0;
    virtual void punched(u64 offset, u64 length_bytes) = 0;
  };
  /// `observer` must outlive the file.
  void set_observer(Observer& observer) { observer_ = &observer; }

  /// Logs `reason` with the file's name, for the first few reasons: a guest could repeat it
  /// forever.
  void complain(const char* reason);

 private:
  ImageFile(std::string path, ImageAccess access, ImageKeeping keeping, int descriptor);
  void set_up_direct_transfers();
  Result<void, Error> lock();
  bool lock_range(short type, u64 start, u64 length_bytes);
  bool is_locked_by_others(u64 start);

  std::string path_;
  ImageAccess access_;
  ImageKeeping keeping_;
  int descriptor_;
  std::optional<DirectTransfers> direct_;
  Observer* observer_ = nullptr;
  u64 size_bytes_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool sync_failed_ = false;
  unsigned complaints_ = 0;
};

}  // namespace doppel::devices
