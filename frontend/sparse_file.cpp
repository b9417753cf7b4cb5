#include "frontend/sparse_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

namespace doppel::frontend {
namespace {

bool is_all_zeros(std::span<const u8> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](u8 byte) { return byte == 0; });
}

u64 add_to_hash(u64 hash, u64 offset, std::span<const u8> block) {
  return XXH3_64bits_withSeed(block.data(), block.size(), hash ^ offset);
}

/// Calls `visit` with each block of `bytes`, until it returns false.
template <class Visit>
bool each_block(u64 offset, std::span<const u8> bytes, Visit&& visit) {
  while (!bytes.empty()) {
    const auto block = bytes.first(std::min<u64>(bytes.size(), SparseWriter::kBlockBytes));
    if (!is_all_zeros(block) && !visit(offset, block)) return false;
    offset += block.size();
    bytes = bytes.subspan(block.size());
  }
  return true;
}

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

SparseWriter::~SparseWriter() { ::close(descriptor_); }

Error SparseWriter::system_error() const { return Error{path_ + ": " + std::strerror(errno)}; }

Result<std::unique_ptr<SparseWriter>, Error> SparseWriter::create(const std::string& path,
                                                                  u64 size_bytes) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return Error{path + ": " + std::strerror(errno)};
  std::unique_ptr<SparseWriter> writer(new SparseWriter(path, descriptor));
  if (::ftruncate(descriptor, static_cast<off_t>(size_bytes)) != 0) return writer->system_error();
  return writer;
}

Result<void, Error> SparseWriter::put(u64 offset, std::span<const u8> bytes) {
  const bool written = each_block(offset, bytes, [this](u64 at, std::span<const u8> block) {
    hash_ = add_to_hash(hash_, at, block);
    while (!block.empty()) {
      const ssize_t count =
          ::pwrite(descriptor_, block.data(), block.size(), static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      at += static_cast<u64>(count);
      block = block.subspan(static_cast<size_t>(count));
    }
    return true;
  });
  if (!written) return system_error();
  return {};
}

Result<u64, Error> SparseWriter::finish() {
  if (::fsync(descriptor_) != 0) return system_error();
  return hash_;
}

Result<u64, Error> visit_blocks(const std::string& path, u64 size_bytes,
                                const std::function<bool(u64 offset, std::span<const u8>)>& visit) {
  const auto system_error = [&path] { return Error{path + ": " + std::strerror(errno)}; };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status = {};
  if (file.number < 0 || ::fstat(file.number, &status) != 0) return system_error();
  if (!S_ISREG(status.st_mode)) return Error{path + ": is not a file"};
  if (static_cast<u64>(status.st_size) != size_bytes) return Error{path + ": has another size"};
  u64 hash = 0;
  std::vector<u8> buffer(256 * SparseWriter::kBlockBytes);
  for (u64 offset = 0; offset < size_bytes;) {
    const off_t data = ::lseek(file.number, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // Only a hole is left.
    if (data > 0) offset = std::max(offset, static_cast<u64>(data) / SparseWriter::kBlockBytes * SparseWriter::kBlockBytes);
    const u64 wanted = std::min<u64>(buffer.size(), size_bytes - offset);
    u64 done = 0;
    while (done < wanted) {
      const ssize_t count =
          ::pread(file.number, &buffer[done], wanted - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error();
      if (count == 0) return Error{path + ": is cut short"};
      done += static_cast<u64>(count);
    }
    const bool goes_on = each_block(offset, std::span(buffer).first(wanted),
                                    [&](u64 at, std::span<const u8> block) {
                                      hash = add_to_hash(hash, at, block);
                                      return visit(at, block);
                                    });
    if (!goes_on) return u64{0};
    offset += wanted;
  }
  return hash;
}

}  // namespace doppel::frontend
