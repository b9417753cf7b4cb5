#include "devices/disk_image_qcow2_repair.h"

#include <limits>
#include <utility>

#include "devices/big_endian.h"
#include "devices/disk_image_qcow2_entry.h"

namespace doppel::devices {
namespace {

/// Of the file: 4 TB with clusters of 64 KB.
constexpr u64 kMaxClusters = u64{1} << 26;
/// Each leads through all tables once more.
constexpr u64 kMaxSnapshots = 256;
constexpr u64 kMaxL1Bytes = u64{32} << 20;
constexpr u64 kSnapshotBytes = 40;  // Before what has no fixed length.

class Counter {
 public:
  Counter(ImageFile& file, const Qcow2Header& header)
      : file_(file), header_(header), references_(header.clusters_of(file.size_bytes())) {}

  bool run() {
    return refer(0, header_.cluster_bytes()) && follow_refcounts() &&
           follow_l1(header_.l1_offset, header_.l1_entries) && follow_snapshots();
  }
  std::vector<u16> take() { return std::move(references_); }

 private:
  /// False: outside the file, or more references than there can be.
  bool refer(u64 offset, u64 length_bytes) {
    if (length_bytes == 0) return true;
    const u64 first = offset >> header_.cluster_bits;
    const u64 last = (offset + length_bytes - 1) >> header_.cluster_bits;
    if (last >= references_.size() || last < first) return false;
    for (u64 cluster = first; cluster <= last; ++cluster) {
      if (references_[cluster] == std::numeric_limits<u16>::max()) return false;
      ++references_[cluster];
    }
    return true;
  }

  bool read_table(u64 offset, u64 entries, std::vector<u64>& out) {
    bytes_.resize(entries * sizeof(u64));
    if (!file_.read(offset, bytes_)) return false;
    out.resize(entries);
    for (size_t i = 0; i < out.size(); ++i) out[i] = load_be64(&bytes_[i * sizeof(u64)]);
    return true;
  }

  bool is_cluster(u64 offset) const { return offset % header_.cluster_bytes() == 0; }

  bool follow_refcounts() {
    const u64 length_bytes = header_.refcount_table_clusters << header_.cluster_bits;
    std::vector<u64> table;
    if (!refer(header_.refcount_table_offset, length_bytes) ||
        !read_table(header_.refcount_table_offset, length_bytes / sizeof(u64), table)) {
      return false;
    }
    for (const u64 block : table) {
      if (block == 0) continue;
      // A block that is named twice would be looked at twice, or a million times.
      if (!is_cluster(block) || !refer(block, header_.cluster_bytes()) ||
          references_[block >> header_.cluster_bits] != 1) {
        return false;
      }
    }
    return true;
  }

  bool follow_l1(u64 offset, u64 entries) {
    if (entries > kMaxL1Bytes / sizeof(u64)) return false;
    std::vector<u64> table;
    if (!refer(offset, entries * sizeof(u64)) || !read_table(offset, entries, table)) return false;
    // Each L2 table has a cluster of its own.
    u64 room = references_.size();
    for (const u64 entry : table) {
      const u64 l2 = entry & qcow2_entry::kOffset;
      if (l2 == 0) continue;
      if (room-- == 0 || !is_cluster(l2) || !refer(l2, header_.cluster_bytes()) || !follow_l2(l2)) {
        return false;
      }
    }
    return true;
  }

  bool follow_l2(u64 offset) {
    if (!read_table(offset, header_.entries_per_cluster(), l2_)) return false;
    for (const u64 entry : l2_) {
      if (!follow_entry(entry)) return false;
    }
    return true;
  }

  bool follow_entry(u64 entry) {
    if ((entry & qcow2_entry::kCompressed) != 0) {
      const qcow2_entry::CompressedPlace place =
          qcow2_entry::compressed_place(entry, header_.cluster_bits);
      return refer(place.offset, place.length_bytes);
    }
    const u64 offset = entry & qcow2_entry::kOffset;
    return offset == 0 || (is_cluster(offset) && refer(offset, header_.cluster_bytes()));
  }

  bool follow_snapshots() {
    u64 at = header_.snapshots_offset;
    for (u64 i = 0; i < header_.snapshot_count; ++i) {
      bytes_.resize(kSnapshotBytes);
      if (!file_.read(at, bytes_)) return false;
      const u64 l1_offset = load_be64(&bytes_[0]);
      const u64 l1_entries = load_be32(&bytes_[8]);
      at += kSnapshotBytes + load_be16(&bytes_[12]) + load_be16(&bytes_[14]) +
            load_be32(&bytes_[36]);
      at = (at + 7) / 8 * 8;
      if (!is_cluster(l1_offset) || !follow_l1(l1_offset, l1_entries)) return false;
    }
    return refer(header_.snapshots_offset, at - header_.snapshots_offset);
  }

  ImageFile& file_;
  const Qcow2Header& header_;
  std::vector<u16> references_;
  std::vector<u8> bytes_;
  std::vector<u64> l2_;
};

}  // namespace

std::optional<std::vector<u16>> count_qcow2_references(ImageFile& file, const Qcow2Header& header) {
  if (header.clusters_of(file.size_bytes()) > kMaxClusters ||
      header.snapshot_count > kMaxSnapshots) {
    return std::nullopt;
  }
  Counter counter(file, header);
  if (!counter.run()) return std::nullopt;
  return counter.take();
}

}  // namespace doppel::devices
