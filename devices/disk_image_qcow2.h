#pragma once

// A qcow2 image: a disk that grows with what is written, over a backing image or over zeros.
//
//     L1 table ──> L2 table ──> cluster of data        an entry is an offset and some flags
//
// What has no entry is read from the backing image. A cluster that somebody else refers to as well
// (an internal snapshot, a compressed neighbour) is never written: its contents move to a new one.
//
// In the file, things happen in an order that leaves a sound image at every moment:
//
//     data and counts | L2 tables | L1 entries | falling counts       | is a sync
//
// Tables are kept until a flush (or until memory for them runs out) and then written in that order.
// Data written to a cluster that is already there goes straight to its place.
//
// @source  QEMU, docs/interop/qcow2, "Cluster mapping"

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "devices/block_backend.h"
#include "devices/disk_image_file.h"
#include "devices/disk_image_qcow2_header.h"
#include "devices/disk_image_qcow2_refcounts.h"
#include "devices/disk_image_qcow2_tables.h"

namespace doppel::devices {

class Qcow2Image final : public BlockBackend {
 public:
  /// @param backing  What `header.backing_file` names; null for none.
  /// @errors "PATH: reason": tables that cannot be read, or an image that must not be written.
  static Result<std::unique_ptr<Qcow2Image>, Error> open(std::unique_ptr<ImageFile> file,
                                                         const Qcow2Header& header,
                                                         std::unique_ptr<BlockBackend> backing,
                                                         ImageAccess access);
  ~Qcow2Image() override;

  u64 sectors() const override;
  bool is_read_only() const override { return !refcounts_.has_value(); }
  bool read(u64 sector, std::span<u8> out) override;
  bool write(u64 sector, std::span<const u8> bytes) override;
  bool flush() override;
  bool discard(u64 sector, u64 count) override;
  std::string_view format() const override { return "qcow2"; }

 private:
  using Table = Qcow2TableCache::Table;

  /// What an L2 entry says.
  struct Mapping {
    enum class Kind { Unallocated, Zero, Data, Compressed };
    Kind kind = Kind::Unallocated;
    u64 host_offset = 0;   // Of a Zero cluster: kept for it, or 0.
    u64 length_bytes = 0;  // In the file.
    bool is_ours = false;  // Nobody else refers to the host's cluster.
  };

  Qcow2Image(std::unique_ptr<ImageFile> file, const Qcow2Header& header,
             std::unique_ptr<BlockBackend> backing);
  Result<void, Error> load_tables(ImageAccess access);

  // disk_image_qcow2.cpp: reading.
  u64 l1_index(u64 offset) const;
  u64 l2_index(u64 offset) const;
  bool damaged(const char* what);
  std::optional<Mapping> decode(u64 entry);
  std::optional<Mapping> decode_compressed(u64 entry);
  std::optional<u64> l2_offset(u64 l1_entry);
  Table* l2_table(u64 offset);
  std::optional<Mapping> lookup(u64 offset);
  bool read_mapped(const Mapping& mapping, u64 offset, std::span<u8> out);
  bool read_backing(u64 offset, std::span<u8> out);
  bool decompress(const Mapping& mapping);

  // disk_image_qcow2_write.cpp: everything that changes the file.
  bool announce_changes();
  Table* own_l2_table(u64 index);
  bool write_piece(u64 offset, std::span<const u8> bytes);
  bool write_new_cluster(const Mapping& old, u64 host_offset, u64 offset,
                         std::span<const u8> bytes);
  bool discard_cluster(u64 offset);
  bool write_back();
  bool write_l1_entries();

  Qcow2Header header_;
  std::unique_ptr<ImageFile> file_;
  std::unique_ptr<BlockBackend> backing_;
  std::vector<u64> l1_;
  std::set<u64> changed_l1_entries_;
  Qcow2TableCache l2_tables_;
  std::optional<Qcow2Refcounts> refcounts_;  // None: read-only.
  std::vector<u8> cluster_;                  // For putting a new cluster together.
  std::vector<u8> compressed_;
  std::vector<u8> decompressed_;
  u64 decompressed_offset_ = 0;  // Whose contents decompressed_ holds; 0: nobody's.
};

}  // namespace doppel::devices
