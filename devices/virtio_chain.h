#pragma once

// One request of a driver: the pieces of memory that a chain of descriptors names, first those the
// device may read, then those it may write.
//
// How a request is cut into pieces means nothing: whoever works with it sees two streams of bytes.
// Copies go to and from memory by the page, never into registers.

#include <algorithm>
#include <span>
#include <vector>

#include "mmu/physical_memory.h"

namespace doppel::devices {

struct VirtioSegment {
  PhysAddr address;
  u32 size_bytes = 0;
};

struct VirtioChain {
  u16 head = 0;  ///< What the driver knows the request by.
  std::vector<VirtioSegment> readable;
  std::vector<VirtioSegment> writable;
  u64 readable_bytes = 0;
  u64 writable_bytes = 0;

  void clear() {
    readable.clear();
    writable.clear();
    readable_bytes = writable_bytes = 0;
  }
};

/// A position in pieces of memory.
class VirtioCursor {
 public:
  /// The pieces must outlive this.
  VirtioCursor(mmu::PhysicalMemory& memory, std::span<const VirtioSegment> segments)
      : memory_(memory), segments_(segments) {}

  /// How many bytes there were; fewer than `out` has at the end of the pieces.
  size_t read(std::span<u8> out) {
    return move(out.size(), [&](PhysAddr at, size_t done, size_t count) {
      memory_.read_bytes(at, out.subspan(done, count));
    });
  }
  size_t write(std::span<const u8> bytes) {
    return move(bytes.size(), [&](PhysAddr at, size_t done, size_t count) {
      memory_.write_bytes(at, bytes.subspan(done, count));
    });
  }
  size_t skip(size_t count) {
    return move(count, [](PhysAddr, size_t, size_t) {});
  }

 private:
  template <class Copy>
  size_t move(size_t wanted, Copy&& copy) {
    size_t done = 0;
    while (done < wanted && !segments_.empty()) {
      const VirtioSegment& segment = segments_.front();
      const size_t count = std::min<size_t>(segment.size_bytes - offset_, wanted - done);
      copy(segment.address + offset_, done, count);
      done += count;
      offset_ += count;
      if (offset_ < segment.size_bytes) continue;
      segments_ = segments_.subspan(1);
      offset_ = 0;
    }
    return done;
  }

  mmu::PhysicalMemory& memory_;
  std::span<const VirtioSegment> segments_;
  size_t offset_ = 0;
};

}  // namespace doppel::devices
