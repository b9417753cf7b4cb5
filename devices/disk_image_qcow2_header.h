#pragma once

// The first cluster of a qcow2 image: what kind of image it is and where its tables are.
//
// Nothing in it is believed before it was compared with the file: whoever has a Qcow2Header may
// index and allocate with its fields.
//
// @source  QEMU, docs/interop/qcow2 ("Qcow2 Image File Format"), "Header" and "Header extensions"

#include <string>

#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "devices/disk_image_file.h"

namespace doppel::devices {

/// Offsets in the header of the fields that change.
namespace qcow2_field {
inline constexpr u64 kL1Offset = 40;
inline constexpr u64 kRefcountTable = 48;  // Offset, then the number of clusters.
inline constexpr u64 kIncompatible = 72;
inline constexpr u64 kAutoclear = 88;
}  // namespace qcow2_field

/// Bits of incompatible_features.
namespace qcow2_feature {
/// Counts may be wrong: somebody writes the image, or was stopped while doing so.
inline constexpr u64 kDirty = 1 << 0;
inline constexpr u64 kCorrupt = 1 << 1;
inline constexpr u64 kExternalData = 1 << 2;
inline constexpr u64 kCompressionType = 1 << 3;
inline constexpr u64 kExtendedL2 = 1 << 4;
}  // namespace qcow2_feature

struct Qcow2Header {
  unsigned version = 0;
  unsigned cluster_bits = 0;
  u64 size_bytes = 0;  ///< Of the disk.
  u64 l1_entries = 0;
  u64 l1_offset = 0;
  u64 refcount_table_offset = 0;
  u64 refcount_table_clusters = 0;
  u64 snapshot_count = 0;
  u64 snapshots_offset = 0;
  bool is_dirty = false;
  bool is_corrupt = false;
  u64 incompatible_features = 0;
  /// Bitmaps refer to clusters too, in a way that is not followed here.
  bool has_bitmaps = false;
  u64 autoclear_features = 0;
  unsigned refcount_order = 4;
  std::string backing_file;    ///< Empty: none.
  std::string backing_format;  ///< Empty: not said.

  u64 cluster_bytes() const { return u64{1} << cluster_bits; }
  /// The header can say that somebody writes the image.
  bool can_be_marked() const { return version >= 3 && !has_bitmaps; }
  /// Entries of a table that fills a cluster.
  u64 entries_per_cluster() const { return cluster_bytes() / sizeof(u64); }
  u64 clusters_of(u64 length_bytes) const {
    return (length_bytes >> cluster_bits) + ((length_bytes & (cluster_bytes() - 1)) != 0 ? 1 : 0);
  }
  /// Entries of the L1 table that the disk needs; there may be more, for saved machines.
  u64 l1_entries_needed() const {
    const u64 clusters = clusters_of(size_bytes);
    return clusters / entries_per_cluster() + (clusters % entries_per_cluster() != 0 ? 1 : 0);
  }
};

/// @errors "PATH: reason"
Result<Qcow2Header, Error> read_qcow2_header(ImageFile& file);

}  // namespace doppel::devices
