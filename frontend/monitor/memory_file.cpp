#include "frontend/monitor/memory_file.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "frontend/guest_view.h"

namespace doppel::frontend {
namespace {

constexpr u64 kPiece = 64 << 10;
constexpr u64 k4GiB = u64{1} << 32;

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Fills a vector with up to so many bytes; fewer: there are no more.
using Source = std::function<void(u64 offset, size_t count, std::vector<u8>& out)>;

Result<void, Error> save(const Source& source, u64 address, u64 size, const std::string& path) {
  const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "we"));
  if (file == nullptr) return Error{path + ": " + std::strerror(errno)};
  std::vector<u8> bytes;
  for (u64 done = 0; done < size; done += bytes.size()) {
    const size_t count = std::min(kPiece, size - done);
    source(done, count, bytes);
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
      return Error{path + ": " + std::strerror(errno)};
    if (bytes.size() == count) continue;
    char text[80];
    std::snprintf(text, sizeof text, "nothing is mapped at 0x%" PRIx64, address + done + bytes.size());
    return Error{text};
  }
  if (std::fflush(file.get()) != 0) return Error{path + ": " + std::strerror(errno)};
  return {};
}

}  // namespace

Result<void, Error> save_linear_memory(Machine& machine, LinearAddr address, u64 size,
                                       const std::string& path) {
  const GuestView view(machine);
  return save([&](u64 offset, size_t count,
                  std::vector<u8>& out) { out = view.read(address + offset, count); },
              address.value, size, path);
}

Result<void, Error> save_physical_memory(Machine& machine, PhysAddr address, u64 size,
                                         const std::string& path) {
  // RAM ends below 4 GiB, or leaves a hole there and goes on above.
  const u64 end = k4GiB + machine.config().ram_bytes;
  if (address.value > end || size > end - address.value)
    return Error{"the machine has no memory so far up"};
  return save(
      [&](u64 offset, size_t count, std::vector<u8>& out) {
        out.resize(count);
        machine.memory().read_bytes(address + offset, out);
      },
      address.value, size, path);
}

}  // namespace doppel::frontend
