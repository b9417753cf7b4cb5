#include "devices/disk_image_qcow2_refcounts.h"

#include <algorithm>

#include "devices/big_endian.h"
#include "devices/disk_image_qcow2_repair.h"

namespace doppel::devices {
namespace {

constexpr u64 kBlockBudgetBytes = u64{1} << 20;
/// References have 56 bits for an offset.
constexpr u64 kMaxImageBytes = u64{1} << 56;
/// Bits of a table's entry that are no offset.
constexpr u64 kReserved = 0x1ff;
constexpr u64 kMaxTableBytes = u64{8} << 20;
/// A damaged image could count everything as used, and behind its end too. What is allocated and
/// not written yet is far less than this; and an image of 16 TB is searched in full.
constexpr u64 kMaxBehindEnd = u64{1} << 16;
constexpr u64 kMaxSearched = u64{1} << 28;

}  // namespace

Qcow2Refcounts::Qcow2Refcounts(ImageFile& file, const Qcow2Header& header)
    : file_(file),
      header_(header),
      table_offset_(header.refcount_table_offset),
      table_clusters_(header.refcount_table_clusters),
      blocks_(file, header.cluster_bytes(), kBlockBudgetBytes) {}

bool Qcow2Refcounts::load() {
  std::vector<u8> bytes(table_clusters_ << header_.cluster_bits);
  if (!file_.read(table_offset_, bytes)) return false;
  table_.resize(bytes.size() / sizeof(u64));
  for (size_t i = 0; i < table_.size(); ++i) table_[i] = load_be64(&bytes[i * sizeof(u64)]);
  return true;
}

// --- Counts ---

u64 Qcow2Refcounts::counts_per_block() const {
  return (header_.cluster_bytes() * 8) >> header_.refcount_order;
}

u64 Qcow2Refcounts::count(const Block& block, u64 index) const {
  switch (header_.refcount_order) {
    case 3:
      return *block.at(index);
    case 4:
      return load_be16(block.at(index * 2));
    case 5:
      return load_be32(block.at(index * 4));
    case 6:
      return load_be64(block.at(index * 8));
    default: {
      // Several counts a byte, the first in the lowest bits.
      const unsigned bits = 1u << header_.refcount_order;
      const u64 position = index * bits;
      return *block.at(position / 8) >> (position % 8) & ((1u << bits) - 1);
    }
  }
}

void Qcow2Refcounts::set_count(Block& block, u64 index, u64 value) {
  switch (header_.refcount_order) {
    case 3:
      *block.change(index, 1) = static_cast<u8>(value);
      break;
    case 4:
      store_be16(block.change(index * 2, 2), static_cast<u16>(value));
      break;
    case 5:
      store_be32(block.change(index * 4, 4), static_cast<u32>(value));
      break;
    case 6:
      store_be64(block.change(index * 8, 8), value);
      break;
    default: {
      const unsigned bits = 1u << header_.refcount_order;
      const u64 position = index * bits;
      const u64 mask = ((u64{1} << bits) - 1) << (position % 8);
      u8* byte = block.change(position / 8, 1);
      *byte = static_cast<u8>((*byte & ~mask) | value << (position % 8));
    }
  }
}

/// The block of a table entry that is not zero. Null: damaged or not readable.
Qcow2Refcounts::Block* Qcow2Refcounts::block_at(u64 table_index) {
  const u64 offset = table_[table_index];
  if (Block* known = blocks_.find(offset)) return known;
  if ((offset & kReserved) != 0 || offset % header_.cluster_bytes() != 0 ||
      offset >= file_.size_bytes()) {
    file_.complain("a refcount block lies outside the image, which is damaged");
    return nullptr;
  }
  // Counts that only rose (all that is here) may be in the file at any time.
  if (!blocks_.has_room() && !blocks_.write_back()) return nullptr;
  return blocks_.load(offset);
}

bool Qcow2Refcounts::is_fixed(u64 cluster) const {
  const auto lies_in = [this, cluster](u64 offset, u64 clusters) {
    const u64 first = offset >> header_.cluster_bits;
    return cluster >= first && cluster - first < clusters;
  };
  return cluster == 0 || lies_in(table_offset_, table_clusters_) ||
         lies_in(header_.l1_offset, header_.clusters_of(header_.l1_entries * sizeof(u64)));
}

bool Qcow2Refcounts::is_off_limits(u64 offset) const {
  const u64 cluster = offset >> header_.cluster_bits;
  return is_fixed(cluster) || cluster / counts_per_block() >= table_.size();
}

// --- Allocation ---

/// A block for the range that `cluster` belongs to. It lies in that cluster and counts itself.
bool Qcow2Refcounts::add_block(u64 cluster) {
  if (!blocks_.has_room() && !blocks_.write_back()) return false;
  const u64 table_index = cluster / counts_per_block();
  const u64 offset = cluster << header_.cluster_bits;
  set_count(*blocks_.add(offset), cluster % counts_per_block(), 1);
  table_[table_index] = offset;
  changed_entries_.insert(table_index);
  return true;
}

/// The first free cluster of a block from next_cluster_ on, which moves there or past the block.
std::optional<u64> Qcow2Refcounts::search_block(Block& block, u64 table_index) {
  const u64 first = table_index * counts_per_block();
  for (; next_cluster_ < first + counts_per_block(); ++next_cluster_) {
    if (count(block, next_cluster_ - first) == 0 && !is_fixed(next_cluster_)) return next_cluster_;
  }
  return std::nullopt;
}

std::optional<u64> Qcow2Refcounts::allocate() {
  if (!mark_open()) return std::nullopt;
  const u64 limit = std::min(next_cluster_ + kMaxSearched,
                             header_.clusters_of(file_.size_bytes()) + kMaxBehindEnd);
  while (next_cluster_ < limit) {
    const u64 table_index = next_cluster_ / counts_per_block();
    if (table_index >= table_.size()) {
      if (!grow()) return std::nullopt;
      continue;
    }
    const u64 offset = next_cluster_ << header_.cluster_bits;
    if (offset >= kMaxImageBytes) break;
    if (table_[table_index] == 0) {
      if (!is_fixed(next_cluster_) && !add_block(next_cluster_)) return std::nullopt;
      ++next_cluster_;
      continue;
    }
    Block* block = block_at(table_index);
    if (block == nullptr) return std::nullopt;
    const auto found = search_block(*block, table_index);
    if (!found) continue;
    set_count(*block, *found % counts_per_block(), 1);
    next_cluster_ = *found + 1;
    return *found << header_.cluster_bits;
  }
  file_.complain("no free cluster can be found");
  return std::nullopt;
}

/// A larger table behind everything that the present one covers, with the blocks that cover it:
///
///     | blocks for this range | table | free...
///
/// The old table stays valid until the header names the new one.
bool Qcow2Refcounts::grow() {
  // The new table is written whole, so whatever it points to must be there before.
  if (!write_back()) return false;
  const u64 cluster_bytes = header_.cluster_bytes();
  const u64 entries = table_.size();
  u64 table_clusters = header_.clusters_of((entries + entries / 2 + 1) * sizeof(u64));
  u64 new_blocks = 1;
  for (;; ++table_clusters) {
    while (new_blocks * counts_per_block() < new_blocks + table_clusters) ++new_blocks;
    if ((entries + new_blocks) * sizeof(u64) <= table_clusters * cluster_bytes) break;
  }
  const u64 first = entries * counts_per_block();
  const u64 end = first + new_blocks + table_clusters;
  if (table_clusters * cluster_bytes > kMaxTableBytes || end * cluster_bytes > kMaxImageBytes) {
    file_.complain("the image cannot grow further");
    return false;
  }

  std::vector<u64> table = table_;
  table.resize(table_clusters * header_.entries_per_cluster());
  for (u64 i = 0; i < new_blocks; ++i) {
    const u64 offset = (first + i) * cluster_bytes;
    if (!blocks_.has_room() && !blocks_.write_back()) return false;
    Block& block = *blocks_.add(offset);
    const u64 covered = first + i * counts_per_block();
    for (u64 k = 0; k < counts_per_block() && covered + k < end; ++k) set_count(block, k, 1);
    table[entries + i] = offset;
  }
  std::vector<u8> bytes(table.size() * sizeof(u64));
  for (size_t i = 0; i < table.size(); ++i) store_be64(&bytes[i * sizeof(u64)], table[i]);
  const u64 new_offset = (first + new_blocks) * cluster_bytes;
  if (!blocks_.write_back() || !file_.write(new_offset, bytes) || !file_.sync()) return false;

  std::array<u8, 12> fields{};
  store_be64(&fields[0], new_offset);
  store_be32(&fields[8], static_cast<u32>(table_clusters));
  if (!file_.write(qcow2_field::kRefcountTable, fields) || !file_.sync()) return false;
  release_later(table_offset_, table_clusters_ * cluster_bytes);
  table_ = std::move(table);
  table_offset_ = new_offset;
  table_clusters_ = table_clusters;
  next_cluster_ = end;
  return true;
}

// --- Writing ---

bool Qcow2Refcounts::write_back() {
  if (!blocks_.write_back()) return false;
  if (changed_entries_.empty()) return true;
  // A block is there before the table names it.
  if (!file_.sync()) return false;
  for (const u64 index : changed_entries_) {
    std::array<u8, sizeof(u64)> entry{};
    store_be64(entry.data(), table_[index]);
    if (!file_.write(table_offset_ + index * sizeof(u64), entry)) return false;
  }
  changed_entries_.clear();
  return true;
}

// --- Release ---

void Qcow2Refcounts::lower(u64 cluster) {
  const u64 table_index = cluster / counts_per_block();
  if (table_index >= table_.size() || table_[table_index] == 0) return;
  Block* block = block_at(table_index);
  if (block == nullptr) return;
  const u64 index = cluster % counts_per_block();
  const u64 before = count(*block, index);
  // A damaged image may have counted too few.
  if (before == 0 || is_fixed(cluster)) return;
  set_count(*block, index, before - 1);
  if (before != 1) return;
  next_cluster_ = std::min(next_cluster_, cluster);
  file_.punch(cluster << header_.cluster_bits, header_.cluster_bytes());
}

void Qcow2Refcounts::give_back(u64 offset) { lower(offset >> header_.cluster_bits); }

void Qcow2Refcounts::release_later(u64 offset, u64 length_bytes) {
  if (length_bytes == 0) return;
  const u64 last = (offset + length_bytes - 1) >> header_.cluster_bits;
  for (u64 cluster = offset >> header_.cluster_bits; cluster <= last; ++cluster) {
    releases_.push_back(cluster);
  }
}

bool Qcow2Refcounts::apply_releases() {
  if (!mark_open()) return false;
  for (const u64 cluster : releases_) lower(cluster);
  releases_.clear();
  return write_back();
}

// --- The mark of a writer, and what to do about one that was left ---

bool Qcow2Refcounts::write_features(u64 incompatible) {
  std::array<u8, sizeof(u64)> field{};
  store_be64(field.data(), incompatible);
  return file_.write(qcow2_field::kIncompatible, field) && file_.sync();
}

bool Qcow2Refcounts::mark_open() {
  if (is_marked_ || !header_.can_be_marked()) return true;
  is_marked_ = write_features(header_.incompatible_features | qcow2_feature::kDirty);
  return is_marked_;
}

bool Qcow2Refcounts::mark_closed() {
  if (!is_marked_) return true;
  is_marked_ = !write_features(header_.incompatible_features & ~qcow2_feature::kDirty);
  return !is_marked_;
}

/// False: a count is lower than it must be, or cannot be read.
bool Qcow2Refcounts::visit_counts(const std::vector<u16>& references, bool lowers) {
  u64 covered = 0;  // References that a block counts.
  for (u64 table_index = 0; table_index < table_.size(); ++table_index) {
    if (table_[table_index] == 0) continue;
    Block* block = block_at(table_index);
    if (block == nullptr) return false;
    const u64 first = table_index * counts_per_block();
    for (u64 i = 0; i < counts_per_block(); ++i) {
      const u64 wanted = first + i < references.size() ? references[first + i] : 0;
      const u64 present = count(*block, i);
      if (wanted != 0) ++covered;
      if (present < wanted) return false;
      if (!lowers || present == wanted) continue;
      set_count(*block, i, wanted);
      if (wanted == 0 && first + i < references.size()) {
        file_.punch((first + i) << header_.cluster_bits, header_.cluster_bytes());
      }
    }
  }
  const auto used = std::count_if(references.begin(), references.end(),
                                  [](u16 wanted) { return wanted != 0; });
  return covered == static_cast<u64>(used);
}

bool Qcow2Refcounts::repair() {
  if (header_.has_bitmaps) return false;
  const auto references = count_qcow2_references(file_, header_);
  // Counts that are too low are another program's way: only it knows what it meant.
  if (!references || !visit_counts(*references, false)) return false;
  is_marked_ = true;
  return visit_counts(*references, true) && write_back() && file_.sync() && mark_closed();
}

}  // namespace doppel::devices
