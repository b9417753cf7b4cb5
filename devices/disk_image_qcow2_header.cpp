#include "devices/disk_image_qcow2_header.h"

#include <algorithm>
#include <vector>

#include "devices/big_endian.h"

namespace doppel::devices {
namespace {

constexpr u32 kMagic = 0x514649fb;  // "QFI" and 0xfb.
constexpr u32 kVersion2Bytes = 72;
constexpr u32 kVersion3Bytes = 104;

using namespace qcow2_feature;

constexpr u64 kKnown = kDirty | kCorrupt | kExternalData | kCompressionType | kExtendedL2;

// Header extensions.
constexpr u32 kEndOfExtensions = 0;
constexpr u32 kBackingFormat = 0xe2792aca;
constexpr u32 kBitmaps = 0x23852875;

// QEMU's limits; larger values would only make us hold larger tables.
constexpr unsigned kMinClusterBits = 9;
constexpr unsigned kMaxClusterBits = 21;
constexpr u64 kMaxL1Bytes = u64{32} << 20;
constexpr u64 kMaxRefcountTableBytes = u64{8} << 20;
constexpr u64 kMaxSnapshots = 65536;
constexpr u32 kMaxBackingName = 1023;
constexpr u64 kMaxDiskBytes = u64{1} << 61;

/// Text that may stand in a one-line message and name a file.
bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<u8>(c) >= 0x20 && c != 0x7f; });
}

/// A table that begins at a cluster and lies in the file.
bool is_table_place(const ImageFile& file, const Qcow2Header& header, u64 offset,
                    u64 length_bytes) {
  return offset != 0 && offset % header.cluster_bytes() == 0 && offset <= file.size_bytes() &&
         length_bytes <= file.size_bytes() - offset;
}

Result<void, Error> check_features(const ImageFile& file, u64 incompatible) {
  if (incompatible & kExternalData)
    return file.error("keeps its data in another file (data_file), which is not supported");
  if (incompatible & kExtendedL2)
    return file.error("has extended L2 entries, which are not supported");
  for (unsigned index = 0; index < 64; ++index) {
    if ((incompatible & ~kKnown) >> index & 1) {
      return file.error("needs the unknown qcow2 feature " + std::to_string(index));
    }
  }
  return {};
}

/// The fields of version 3.
Result<u32, Error> read_version_3(const ImageFile& file, const std::vector<u8>& bytes,
                                  Qcow2Header& header) {
  const u64 incompatible = load_be64(&bytes[72]);
  header.autoclear_features = load_be64(&bytes[88]);
  header.refcount_order = load_be32(&bytes[96]);
  const u32 header_bytes = load_be32(&bytes[100]);
  if (header_bytes < kVersion3Bytes || header_bytes % 8 != 0 || header_bytes > bytes.size()) {
    return file.error("its qcow2 header has a wrong length");
  }
  DOPPEL_TRY(check_features(file, incompatible));
  header.incompatible_features = incompatible;
  header.is_dirty = (incompatible & kDirty) != 0;
  header.is_corrupt = (incompatible & kCorrupt) != 0;
  const u8 compression = header_bytes > kVersion3Bytes ? bytes[kVersion3Bytes] : 0;
  if (((incompatible & kCompressionType) != 0) != (compression != 0)) {
    return file.error("its qcow2 header contradicts itself about compression");
  }
  if (compression == 1) return file.error("is compressed with zstd, which is not supported");
  if (compression != 0) return file.error("is compressed with an unknown method");
  if (header.refcount_order > 6) return file.error("its reference counts have a wrong width");
  return header_bytes;
}

/// They lie between the header and the backing file's name, or the first cluster's end.
Result<void, Error> read_extensions(const ImageFile& file, const std::vector<u8>& bytes,
                                    u32 header_bytes, Qcow2Header& header) {
  const u64 name_offset = load_be64(&bytes[8]);
  const u64 end = name_offset != 0 && name_offset < bytes.size() ? name_offset : bytes.size();
  for (u64 at = header_bytes; at + 8 <= end;) {
    const u32 type = load_be32(&bytes[at]);
    const u32 length_bytes = load_be32(&bytes[at + 4]);
    if (type == kEndOfExtensions) break;
    at += 8;
    if (length_bytes > end - at) return file.error("a qcow2 header extension is too long");
    if (type == kBackingFormat) {
      header.backing_format.assign(reinterpret_cast<const char*>(&bytes[at]), length_bytes);
    }
    header.has_bitmaps = header.has_bitmaps || type == kBitmaps;
    at += (u64{length_bytes} + 7) / 8 * 8;
  }
  return {};
}

Result<void, Error> read_backing(const ImageFile& file, const std::vector<u8>& bytes,
                                 u32 header_bytes, Qcow2Header& header) {
  const u64 name_offset = load_be64(&bytes[8]);
  const u32 name_bytes = load_be32(&bytes[16]);
  if (name_offset == 0 || name_bytes == 0) return {};
  if (name_bytes > kMaxBackingName || name_offset < header_bytes || name_offset > bytes.size() ||
      name_bytes > bytes.size() - name_offset) {
    return file.error("its backing file's name lies outside the header");
  }
  header.backing_file.assign(reinterpret_cast<const char*>(&bytes[name_offset]), name_bytes);
  if (!is_plain(header.backing_file) || !is_plain(header.backing_format)) {
    return file.error("its backing file's name has control characters");
  }
  return {};
}

Result<void, Error> check_tables(const ImageFile& file, const Qcow2Header& header) {
  if (header.size_bytes == 0) return file.error("is a disk of no size");
  if (header.size_bytes > kMaxDiskBytes) return file.error("is a disk of impossible size");
  if (header.l1_entries * sizeof(u64) > kMaxL1Bytes) return file.error("its L1 table is too large");
  if (header.l1_entries < header.l1_entries_needed()) {
    return file.error("its L1 table is too small for the disk");
  }
  if (!is_table_place(file, header, header.l1_offset, header.l1_entries * sizeof(u64))) {
    return file.error("its L1 table lies outside the file");
  }
  if (header.refcount_table_clusters == 0 ||
      header.refcount_table_clusters > kMaxRefcountTableBytes >> header.cluster_bits) {
    return file.error("its refcount table has a wrong size");
  }
  if (!is_table_place(file, header, header.refcount_table_offset,
                      header.refcount_table_clusters << header.cluster_bits)) {
    return file.error("its refcount table lies outside the file");
  }
  if (header.snapshot_count > kMaxSnapshots) return file.error("has too many internal snapshots");
  if (header.snapshot_count != 0 && !is_table_place(file, header, header.snapshots_offset, 0)) {
    return file.error("its table of internal snapshots lies outside the file");
  }
  return {};
}

}  // namespace

Result<Qcow2Header, Error> read_qcow2_header(ImageFile& file) {
  Qcow2Header header;
  std::vector<u8> bytes(kVersion3Bytes);
  if (!file.read(0, bytes)) return file.error("cannot be read");
  if (file.size_bytes() < kVersion2Bytes || load_be32(&bytes[0]) != kMagic) {
    return file.error("is not a qcow2 image");
  }
  header.version = load_be32(&bytes[4]);
  if (header.version != 2 && header.version != 3) {
    return file.error("is a qcow image of version " + std::to_string(header.version) +
                      "; 2 and 3 are supported");
  }
  header.cluster_bits = load_be32(&bytes[20]);
  if (header.cluster_bits < kMinClusterBits || header.cluster_bits > kMaxClusterBits) {
    return file.error("its cluster size is out of range");
  }
  bytes.resize(header.cluster_bytes());
  if (!file.read(0, bytes)) return file.error("cannot be read");

  header.size_bytes = load_be64(&bytes[24]);
  const u32 encryption = load_be32(&bytes[32]);
  if (encryption == 1) return file.error("is encrypted (AES), which is not supported");
  if (encryption == 2) return file.error("is encrypted (LUKS), which is not supported");
  if (encryption != 0) return file.error("is encrypted by an unknown method");
  header.l1_entries = load_be32(&bytes[36]);
  header.l1_offset = load_be64(&bytes[qcow2_field::kL1Offset]);
  header.refcount_table_offset = load_be64(&bytes[qcow2_field::kRefcountTable]);
  header.refcount_table_clusters = load_be32(&bytes[qcow2_field::kRefcountTable + 8]);
  header.snapshot_count = load_be32(&bytes[60]);
  header.snapshots_offset = load_be64(&bytes[64]);

  u32 header_bytes = kVersion2Bytes;
  if (header.version == 3) {
    DOPPEL_TRY(header_bytes, read_version_3(file, bytes, header));
  }
  DOPPEL_TRY(check_tables(file, header));
  DOPPEL_TRY(read_extensions(file, bytes, header_bytes, header));
  DOPPEL_TRY(read_backing(file, bytes, header_bytes, header));
  return header;
}

}  // namespace doppel::devices
