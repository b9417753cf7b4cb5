#include "devices/disk_image_qcow2_tables.h"

#include <algorithm>

#include "cpu/base/bits.h"
#include "cpu/base/check.h"

namespace doppel::devices {
namespace {

// An operation holds two tables at once (the old and the new one); a few more avoid thrashing.
constexpr u64 kMinTables = 8;
constexpr u64 kMaxTables = 256;
/// Changes are written in units that a medium writes.
constexpr u64 kUnitBytes = 512;

}  // namespace

Qcow2TableCache::Qcow2TableCache(ImageFile& file, u64 cluster_bytes, u64 budget_bytes)
    : file_(file),
      cluster_bytes_(cluster_bytes),
      tables_(std::clamp(budget_bytes / cluster_bytes, kMinTables, kMaxTables)) {}

u8* Qcow2TableCache::Table::change(u64 byte, u64 length_bytes) {
  changed_begin_ = is_changed() ? std::min(changed_begin_, byte) : byte;
  changed_end_ = std::max(changed_end_, byte + length_bytes);
  return &bytes_[byte];
}

Qcow2TableCache::Table* Qcow2TableCache::find(u64 offset) {
  if (offset == 0) return nullptr;  // So are the offsets of tables that hold nothing.
  if (last_ == nullptr || last_->offset_ != offset) {
    const auto found = std::find_if(tables_.begin(), tables_.end(), [offset](const Table& table) {
      return table.offset_ == offset;
    });
    if (found == tables_.end()) return nullptr;
    last_ = &*found;
  }
  last_->last_use_ = ++uses_;
  return last_;
}

bool Qcow2TableCache::has_room() const {
  return std::any_of(tables_.begin(), tables_.end(),
                     [](const Table& table) { return !table.is_changed(); });
}

bool Qcow2TableCache::has_changes() const {
  return std::any_of(tables_.begin(), tables_.end(),
                     [](const Table& table) { return table.is_changed(); });
}

Qcow2TableCache::Table& Qcow2TableCache::take_oldest() {
  Table* oldest = nullptr;
  for (Table& table : tables_) {
    if (table.is_changed()) continue;
    if (oldest == nullptr || table.last_use_ < oldest->last_use_) oldest = &table;
  }
  DOPPEL_CHECK(oldest != nullptr, "a table was asked for without room");
  oldest->bytes_.resize(cluster_bytes_);
  oldest->last_use_ = ++uses_;
  return *oldest;
}

Qcow2TableCache::Table* Qcow2TableCache::load(u64 offset) {
  Table& table = take_oldest();
  table.offset_ = 0;
  if (!file_.read(offset, table.bytes_)) return nullptr;
  table.offset_ = offset;
  return last_ = &table;
}

Qcow2TableCache::Table* Qcow2TableCache::add(u64 offset) {
  // The cluster may have been another table before.
  Table* known = find(offset);
  Table& table = known != nullptr ? *known : take_oldest();
  table.offset_ = offset;
  std::fill(table.bytes_.begin(), table.bytes_.end(), u8{0});
  table.change(0, cluster_bytes_);
  return last_ = &table;
}

bool Qcow2TableCache::write_back() {
  for (Table& table : tables_) {
    if (!table.is_changed()) continue;
    const u64 begin = align_down(table.changed_begin_, kUnitBytes);
    const u64 end = align_up(table.changed_end_, kUnitBytes);
    const auto changed = std::span<const u8>(table.bytes_).subspan(begin, end - begin);
    if (!file_.write(table.offset_ + begin, changed)) return false;
    table.changed_begin_ = table.changed_end_ = 0;
  }
  return true;
}

}  // namespace doppel::devices
