#pragma once

// A few of an image's cluster-sized tables (L2 tables, refcount blocks) in memory.
//
// The number of tables is fixed, so an image costs the same memory whatever its size. Changes
// stay here until write_back(); a changed table is never dropped, and when all are changed the
// owner has to write back first: only it knows what must be in the file before.

#include <span>
#include <vector>

#include "cpu/base/types.h"
#include "devices/disk_image_file.h"

namespace doppel::devices {

class Qcow2TableCache {
 public:
  class Table {
   public:
    const u8* at(u64 byte) const { return &bytes_[byte]; }
    /// For changing `length_bytes` bytes, which write_back() will put into the file.
    u8* change(u64 byte, u64 length_bytes);
    std::span<const u8> bytes() const { return bytes_; }

   private:
    friend class Qcow2TableCache;
    bool is_changed() const { return changed_end_ != 0; }

    u64 offset_ = 0;  // In the file; 0: none, since the header is there.
    u64 last_use_ = 0;
    u64 changed_begin_ = 0;
    u64 changed_end_ = 0;
    std::vector<u8> bytes_;
  };

  /// As many tables as `budget_bytes` hold, within reason.
  Qcow2TableCache(ImageFile& file, u64 cluster_bytes, u64 budget_bytes);

  /// The table at `offset` if it is here; null otherwise.
  Table* find(u64 offset);
  /// False when every table has changes: write back before the next load or add.
  bool has_room() const;
  /// Reads a table that is not here; null: it could not be read. The tables used last stay where
  /// they are until as many others were asked for.
  Table* load(u64 offset);
  /// A table of zeros at `offset`, wholly changed.
  Table* add(u64 offset);
  bool has_changes() const;
  /// Writes all changes, in no order.
  bool write_back();

 private:
  Table& take_oldest();

  ImageFile& file_;
  u64 cluster_bytes_;
  std::vector<Table> tables_;
  u64 uses_ = 0;
  Table* last_ = nullptr;
};

}  // namespace doppel::devices
