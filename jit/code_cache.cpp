#include "jit/code_cache.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "cpu/base/address.h"

namespace doppel::jit {

CodeCache::~CodeCache() {
  if (writable_ != nullptr) munmap(writable_, size_);
  if (executable_ != nullptr) munmap(executable_, size_);
}

Result<void, Error> CodeCache::map(size_t bytes) {
  constexpr size_t kLeastRegion = 128 * 1024;
  region_bytes_ = std::max(bytes / kRegions / kPageSize * kPageSize, kLeastRegion);
  size_ = kStubBytes + kRegions * region_bytes_;
  const int file = memfd_create("doppel-code", MFD_CLOEXEC);
  const bool sized = file >= 0 && ftruncate(file, static_cast<off_t>(size_)) == 0;
  void* const write = sized ? mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  void* const run = sized ? mmap(nullptr, size_, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0) : MAP_FAILED;
  const int problem = errno;
  if (file >= 0) close(file);
  if (write != MAP_FAILED) writable_ = static_cast<u8*>(write);
  if (run != MAP_FAILED) executable_ = static_cast<u8*>(run);
  if (writable_ == nullptr || executable_ == nullptr) {
    return Error{std::string("code cache: no executable memory: ") + std::strerror(problem)};
  }
  return {};
}

unsigned CodeCache::next_region() {
  // What is finished stays in the file and mapped to run. Its other view would count the same memory a second
  // time. Pages of older regions come back when links in them are patched: they go once more.
  madvise(writable_, size_, MADV_DONTNEED);
  region_ = (region_ + 1) % kRegions;
  used_ = region_begin(region_);
  return region_;
}

void CodeCache::reset() {
  region_ = 0;
  used_ = kStubBytes;
}

}  // namespace doppel::jit
