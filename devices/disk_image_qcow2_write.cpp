// The half of Qcow2Image that changes the file.
//
// A reference (an entry of an L2 table) is only ever made to a cluster whose contents were handed
// to the host before, and only ever written after that cluster's count. An old reference is
// replaced first and counted down afterwards. See the order in disk_image_qcow2.h.

#include <algorithm>
#include <array>
#include <cstring>

#include "devices/big_endian.h"
#include "devices/disk_image.h"
#include "devices/disk_image_qcow2.h"
#include "devices/disk_image_qcow2_entry.h"

namespace doppel::devices {
namespace {

/// One call looks at no more clusters than this; the rest keeps its contents, as it may.
constexpr u64 kMaxDiscarded = u64{1} << 20;

}  // namespace

Qcow2Image::~Qcow2Image() {
  // Whoever wanted to know whether it works has flushed before.
  if (refcounts_.has_value() && flush()) (void)refcounts_->mark_closed();
}

// --- Order ---

/// Bitmaps and the like that we do not keep up to date must be marked before the first change.
bool Qcow2Image::announce_changes() {
  if (header_.autoclear_features == 0) return true;
  const std::array<u8, sizeof(u64)> none{};
  if (!file_->write(qcow2_field::kAutoclear, none) || !file_->sync()) return false;
  header_.autoclear_features = 0;
  return true;
}

bool Qcow2Image::write_l1_entries() {
  for (const u64 index : changed_l1_entries_) {
    std::array<u8, sizeof(u64)> entry{};
    store_be64(entry.data(), l1_[index]);
    if (!file_->write(header_.l1_offset + index * sizeof(u64), entry)) return false;
  }
  changed_l1_entries_.clear();
  return true;
}

/// Writes what is kept in memory, in the order that keeps the image sound. The last step may still
/// be on its way to the medium.
bool Qcow2Image::write_back() {
  if (!refcounts_->write_back()) return false;
  if (l2_tables_.has_changes()) {
    if (!file_->sync() || !l2_tables_.write_back()) return false;
  }
  if (!changed_l1_entries_.empty()) {
    if (!file_->sync() || !write_l1_entries()) return false;
  }
  if (!refcounts_->has_releases()) return true;
  return file_->sync() && refcounts_->apply_releases();
}

bool Qcow2Image::flush() {
  if (is_read_only()) return true;
  return write_back() && file_->sync();
}

// --- Writing ---

/// The L2 table of an L1 entry, to be changed: made if there is none, copied if it is shared.
Qcow2Image::Table* Qcow2Image::own_l2_table(u64 index) {
  const u64 l1_entry = l1_[index];
  const u64 first = index * header_.entries_per_cluster() << header_.cluster_bits;
  Table* old = nullptr;
  if (l1_entry != 0) {
    old = l2_table(first);
    if (old == nullptr) return nullptr;
    if ((l1_entry & qcow2_entry::kCopied) != 0) {
      if (!refcounts_->is_off_limits(l1_entry & qcow2_entry::kOffset)) return old;
      damaged("an L2 table lies over another table");
      return nullptr;
    }
  }
  if (!l2_tables_.has_room() && !write_back()) return nullptr;
  const auto offset = refcounts_->allocate();
  if (!offset) return nullptr;
  // Taking a place in the cache may cost the old table its own.
  const std::vector<u8> contents = old != nullptr
                                       ? std::vector<u8>(old->bytes().begin(), old->bytes().end())
                                       : std::vector<u8>();
  Table* table = l2_tables_.add(*offset);
  if (!contents.empty()) {
    std::memcpy(table->change(0, contents.size()), contents.data(), contents.size());
    refcounts_->release_later(l1_entry & qcow2_entry::kOffset, header_.cluster_bytes());
  }
  l1_[index] = *offset | qcow2_entry::kCopied;
  changed_l1_entries_.insert(index);
  return table;
}

/// Fills the cluster at `host_offset` with what the disk's cluster held, changed by `bytes`.
bool Qcow2Image::write_new_cluster(const Mapping& old, u64 host_offset, u64 offset,
                                   std::span<const u8> bytes) {
  const u64 within = offset & (header_.cluster_bytes() - 1);
  if (bytes.size() == header_.cluster_bytes()) return file_->write(host_offset, bytes);
  cluster_.resize(header_.cluster_bytes());
  const std::span<u8> all(cluster_);
  const u64 behind = within + bytes.size();
  if (within != 0 && !read_mapped(old, offset - within, all.first(within))) return false;
  std::memcpy(&cluster_[within], bytes.data(), bytes.size());
  if (behind < all.size() && !read_mapped(old, offset + bytes.size(), all.subspan(behind))) {
    return false;
  }
  return file_->write(host_offset, cluster_);
}

/// Whole sectors of one cluster.
bool Qcow2Image::write_piece(u64 offset, std::span<const u8> bytes) {
  Table* table = own_l2_table(l1_index(offset));
  if (table == nullptr) return false;
  const u64 place = l2_index(offset) * sizeof(u64);
  const auto old = decode(load_be64(table->at(place)));
  if (!old) return false;
  if (old->is_ours && refcounts_->is_off_limits(old->host_offset)) {
    return damaged("a cluster of data lies over a table");
  }
  if (old->is_ours && old->kind == Mapping::Kind::Data) {
    return file_->write(old->host_offset + (offset & (header_.cluster_bytes() - 1)), bytes);
  }

  // A Zero cluster may have kept a place for itself.
  const auto host_offset =
      old->is_ours ? std::optional<u64>(old->host_offset) : refcounts_->allocate();
  if (!host_offset) return false;
  if (!write_new_cluster(*old, *host_offset, offset, bytes)) {
    if (!old->is_ours) refcounts_->give_back(*host_offset);
    return false;
  }
  store_be64(table->change(place, sizeof(u64)), *host_offset | qcow2_entry::kCopied);
  if (!old->is_ours && old->host_offset != 0) {
    refcounts_->release_later(old->host_offset, old->length_bytes);
  }
  return !refcounts_->wants_releases_applied() || write_back();
}

bool Qcow2Image::write(u64 sector, std::span<const u8> bytes) {
  if (is_read_only() || !is_inside(*this, sector, bytes.size())) return false;
  if (!announce_changes()) return false;
  u64 offset = sector * kSectorBytes;
  while (!bytes.empty()) {
    const u64 room = header_.cluster_bytes() - (offset & (header_.cluster_bytes() - 1));
    const auto piece = bytes.first(std::min<u64>(bytes.size(), room));
    if (!write_piece(offset, piece)) return false;
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  return true;
}

// --- Discarding ---

/// Lets go of the host's cluster. What shows then must be zeros, so over a backing image this takes
/// the zero flag, which version 2 does not have.
bool Qcow2Image::discard_cluster(u64 offset) {
  const auto present = lookup(offset);
  if (!present) return false;
  if (present->host_offset == 0) return true;
  if (present->is_ours && refcounts_->is_off_limits(present->host_offset)) {
    return damaged("a cluster of data lies over a table");
  }
  Table* table = own_l2_table(l1_index(offset));
  if (table == nullptr) return false;
  const u64 entry = header_.version >= 3 ? qcow2_entry::kZero : 0;
  store_be64(table->change(l2_index(offset) * sizeof(u64), sizeof(u64)), entry);
  refcounts_->release_later(present->host_offset, present->length_bytes);
  return !refcounts_->wants_releases_applied() || write_back();
}

bool Qcow2Image::discard(u64 sector, u64 count) {
  if (is_read_only() || sector >= sectors()) return false;
  if (backing_ != nullptr && header_.version < 3) return true;
  if (!announce_changes()) return false;
  const u64 cluster_sectors = header_.cluster_bytes() / kSectorBytes;
  const u64 end_sector = sector + std::min(count, sectors() - sector);
  // The disk's last cluster may be cut short: its end is as good as a boundary.
  const u64 end = end_sector == sectors() ? header_.clusters_of(header_.size_bytes)
                                          : end_sector / cluster_sectors;
  u64 looked_at = 0;
  for (u64 cluster = (sector + cluster_sectors - 1) / cluster_sectors;
       cluster < end && looked_at < kMaxDiscarded; ++looked_at) {
    const u64 offset = cluster << header_.cluster_bits;
    if (l1_[l1_index(offset)] == 0) {
      cluster = (l1_index(offset) + 1) * header_.entries_per_cluster();
      continue;
    }
    if (!discard_cluster(offset)) return false;
    ++cluster;
  }
  return true;
}

}  // namespace doppel::devices
