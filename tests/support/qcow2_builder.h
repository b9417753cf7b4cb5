#pragma once

// Small qcow2 images put together by hand, and the question whether one is sound.
//
//     cluster   0        1               2               3          4...
//               header   refcount table  refcount block  L1 table   what a test adds
//
// @source  QEMU, docs/interop/qcow2

#include <map>
#include <string>
#include <vector>

#include "devices/big_endian.h"

namespace doppel::test {

inline constexpr u64 kCopied = u64{1} << 63;
inline constexpr u64 kCompressed = u64{1} << 62;

class Qcow2Builder {
 public:
  explicit Qcow2Builder(unsigned version, unsigned cluster_bits, u64 disk_bytes,
                        unsigned refcount_order = 4)
      : cluster_bits_(cluster_bits), order_(refcount_order) {
    const u64 covered = cluster() / 8 * cluster();
    const u64 l1_entries = (disk_bytes + covered - 1) / covered;
    const u64 clusters = 3 + (l1_entries * 8 + cluster() - 1) / cluster();
    bytes.resize(clusters * cluster());
    put32(0, 0x514649fb);
    put32(4, version);
    put32(20, cluster_bits);
    put64(24, disk_bytes);
    put32(36, static_cast<u32>(l1_entries));
    put64(40, 3 * cluster());
    put64(48, cluster());
    put32(56, 1);
    if (version == 3) {
      put32(96, refcount_order);
      put32(100, 104);
    }
    put64(cluster(), 2 * cluster());
    for (u64 i = 0; i < clusters; ++i) set_count(i, 1);
  }

  u64 cluster() const { return u64{1} << cluster_bits_; }
  void put32(u64 at, u32 value) { devices::store_be32(&bytes[at], value); }
  void put64(u64 at, u64 value) { devices::store_be64(&bytes[at], value); }
  /// Of one of the clusters that the first block counts; widths of a byte and more.
  void set_count(u64 index, u64 count) {
    const u64 width = (u64{1} << order_) / 8;
    for (u64 i = 0; i < width; ++i) {
      bytes[2 * cluster() + index * width + i] = static_cast<u8>(count >> (8 * (width - 1 - i)));
    }
  }
  /// A cluster at the end with `count` references; returns its offset.
  u64 add_cluster(const std::vector<u8>& contents = {}, u64 count = 1) {
    const u64 offset = bytes.size();
    bytes.resize(offset + cluster());
    std::copy(contents.begin(), contents.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    set_count(offset / cluster(), count);
    return offset;
  }
  /// The L2 table of the disk's beginning.
  u64 add_l2(u64 flags = kCopied, u64 count = 1) {
    const u64 offset = add_cluster({}, count);
    put64(3 * cluster(), offset | flags);
    return offset;
  }
  void set_backing(const std::string& name, const std::string& format = {}) {
    u64 at = 104;
    if (!format.empty()) {
      put32(at, 0xe2792aca);
      put32(at + 4, static_cast<u32>(format.size()));
      std::copy(format.begin(), format.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at) + 8);
      at += 8 + (format.size() + 7) / 8 * 8;
    }
    at += 8;  // The end of the extensions.
    std::copy(name.begin(), name.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    put64(8, at);
    put32(16, static_cast<u32>(name.size()));
  }

  std::vector<u8> bytes;

 private:
  unsigned cluster_bits_;
  unsigned order_;
};

/// What a check of an image without internal snapshots finds.
struct Qcow2Findings {
  unsigned wrong = 0;   ///< Counted too low, copied flag wrong, or outside the file.
  unsigned leaked = 0;  ///< Counted and not referred to.
};

/// Follows every reference of an image and compares with its counts.
inline Qcow2Findings check_qcow2(const std::vector<u8>& image) {
  const auto get32 = [&](u64 at) {
    return at + 4 <= image.size() ? devices::load_be32(&image[at]) : 0;
  };
  const auto get64 = [&](u64 at) {
    return at + 8 <= image.size() ? devices::load_be64(&image[at]) : 0;
  };
  const unsigned cluster_bits = get32(20);
  const u64 cluster = u64{1} << cluster_bits;
  const unsigned width = 1u << (get32(4) == 3 ? get32(96) : 4);
  constexpr u64 kOffset = 0x00ff'ffff'ffff'fe00;

  std::map<u64, u64> references;
  Qcow2Findings findings;
  const auto refer = [&](u64 offset, u64 length) {
    if (length == 0) return;
    for (u64 i = offset >> cluster_bits; i <= (offset + length - 1) >> cluster_bits; ++i)
      ++references[i];
  };
  const auto count_of = [&](u64 index) -> u64 {
    const u64 per_block = cluster * 8 / width;
    const u64 block =
        index / per_block < get32(56) * cluster / 8 ? get64(get64(48) + index / per_block * 8) : 0;
    if (block == 0) return 0;
    const u64 bit = index % per_block * width;
    if (width < 8) return image[block + bit / 8] >> (bit % 8) & ((1u << width) - 1);
    u64 count = 0;
    for (u64 i = 0; i < width / 8; ++i) count = count << 8 | image[block + bit / 8 + i];
    return count;
  };

  refer(0, cluster);
  refer(get64(48), get32(56) * cluster);
  refer(get64(40), get32(36) * u64{8});
  for (u64 i = 0; i < get32(56) * cluster / 8; ++i) {
    if (const u64 block = get64(get64(48) + i * 8); block != 0) refer(block, cluster);
  }
  std::vector<std::pair<u64, bool>> copied;  // Cluster, and whether its entry says so.
  for (u64 i = 0; i < get32(36); ++i) {
    const u64 l1_entry = get64(get64(40) + i * 8);
    const u64 l2 = l1_entry & kOffset;
    if (l2 == 0) continue;
    refer(l2, cluster);
    copied.emplace_back(l2 >> cluster_bits, (l1_entry & kCopied) != 0);
    for (u64 k = 0; k < cluster / 8; ++k) {
      const u64 entry = get64(l2 + k * 8);
      if ((entry & kCompressed) != 0) {
        const unsigned shift = 62 - (cluster_bits - 8);
        const u64 offset = entry & ((u64{1} << shift) - 1);
        refer(offset & ~u64{511}, (((entry & ~(kCopied | kCompressed)) >> shift) + 1) * 512);
      } else if ((entry & kOffset) != 0) {
        refer(entry & kOffset, cluster);
        copied.emplace_back((entry & kOffset) >> cluster_bits, (entry & kCopied) != 0);
      }
    }
  }
  for (const auto& [index, count] : references) {
    if (count_of(index) < count || index << cluster_bits >= image.size()) ++findings.wrong;
    if (count_of(index) > count) ++findings.leaked;
  }
  for (const auto& [index, says_so] : copied) {
    if (says_so != (count_of(index) == 1)) ++findings.wrong;
  }
  for (u64 i = 0; i < (image.size() >> cluster_bits); ++i) {
    if (count_of(i) != 0 && !references.contains(i)) ++findings.leaked;
  }
  return findings;
}

}  // namespace doppel::test
