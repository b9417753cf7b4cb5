#pragma once

// Which clusters of a qcow2 image are in use, and by how many.
//
// Every cluster has a count, kept in refcount blocks that the refcount table points to. The rule
// that survives a crash at any moment: in the file, a count is never lower than the number of
// references. So counts rise before a reference is written, and fall (release_later) only when the
// reference is known to be gone. What a crash leaves is at worst a cluster that counts as used and
// is not; a mark in the header, there from the first change of a count until the image is closed,
// tells the next writer to look for such clusters (repair).
//
// @source  QEMU, docs/interop/qcow2, "Host cluster management"

#include <array>
#include <optional>
#include <set>
#include <vector>

#include "cpu/base/types.h"
#include "devices/disk_image_file.h"
#include "devices/disk_image_qcow2_header.h"
#include "devices/disk_image_qcow2_tables.h"

namespace doppel::devices {

class Qcow2Refcounts {
 public:
  /// Of an image that is written. Both live longer than this.
  Qcow2Refcounts(ImageFile& file, const Qcow2Header& header);
  /// Reads the table; false: the host could not.
  bool load();

  /// Takes back what counts as used and is not, as a killed process leaves it. False: the image is
  /// damaged in another way, and nothing was changed, or the host could not.
  bool repair();
  /// After everything is in the file: the image is as it should be. False: the host could not.
  bool mark_closed();

  /// The offset of a cluster that was free and now counts one; none: the host or the image has no
  /// more.
  std::optional<u64> allocate();
  /// The opposite, for a cluster that nothing refers to yet.
  void give_back(u64 offset);
  /// One reference less to the clusters of a range, once apply_releases() is called.
  void release_later(u64 offset, u64 length_bytes);

  /// Puts counts into the file (and what leads to them): afterwards, and after a sync, references
  /// to what was allocated may be written.
  bool write_back();
  bool has_changes() const { return blocks_.has_changes() || !changed_entries_.empty(); }
  /// To be called when no reference to what was released is in the file any more.
  bool apply_releases();
  bool has_releases() const { return !releases_.empty(); }
  bool wants_releases_applied() const { return releases_.size() >= kMaxReleases; }

  /// True if guest data at `offset` would be where the image keeps its own, or nowhere.
  bool is_off_limits(u64 offset) const;

 private:
  static constexpr size_t kMaxReleases = 4096;
  using Block = Qcow2TableCache::Table;

  u64 counts_per_block() const;
  u64 count(const Block& block, u64 index) const;
  void set_count(Block& block, u64 index, u64 value);
  bool is_fixed(u64 cluster) const;
  Block* block_at(u64 table_index);
  bool add_block(u64 cluster);
  std::optional<u64> search_block(Block& block, u64 table_index);
  bool grow();
  void lower(u64 cluster);
  bool mark_open();
  bool write_features(u64 incompatible);
  bool visit_counts(const std::vector<u16>& references, bool lowers);

  ImageFile& file_;
  const Qcow2Header& header_;
  u64 table_offset_;
  u64 table_clusters_;
  std::vector<u64> table_;
  std::set<u64> changed_entries_;  // Of the table: few at a time, written in order.
  Qcow2TableCache blocks_;
  u64 next_cluster_ = 0;  // No free cluster lies before.
  std::vector<u64> releases_;
  bool is_marked_ = false;  // In the header: somebody writes the image.
};

}  // namespace doppel::devices
