#include "devices/disk_image_qcow2.h"

#include <algorithm>
#include <cstring>

#include <zlib.h>

#include "devices/big_endian.h"
#include "devices/disk_image.h"
#include "devices/disk_image_qcow2_entry.h"

namespace doppel::devices {
namespace {

constexpr u64 kTableBudgetBytes = u64{4} << 20;

/// Inflates until `out` is full. The input may be longer than the data: it ends with a sector.
bool inflate_raw(std::span<const u8> in, std::span<u8> out) {
  z_stream stream = {};
  constexpr int kRawDeflate = -15;
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return false;
  stream.next_in = const_cast<u8*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const bool is_full = stream.avail_out == 0;
  inflateEnd(&stream);
  // With the output full, zlib says either that the stream ended or that there is no more room.
  return is_full && (status == Z_STREAM_END || status == Z_BUF_ERROR || status == Z_OK);
}

}  // namespace

Qcow2Image::Qcow2Image(std::unique_ptr<ImageFile> file, const Qcow2Header& header,
                       std::unique_ptr<BlockBackend> backing)
    : header_(header),
      file_(std::move(file)),
      backing_(std::move(backing)),
      l2_tables_(*file_, header.cluster_bytes(), kTableBudgetBytes) {}

Result<std::unique_ptr<Qcow2Image>, Error> Qcow2Image::open(std::unique_ptr<ImageFile> file,
                                                            const Qcow2Header& header,
                                                            std::unique_ptr<BlockBackend> backing,
                                                            ImageAccess access) {
  std::unique_ptr<Qcow2Image> image(new Qcow2Image(std::move(file), header, std::move(backing)));
  DOPPEL_TRY(image->load_tables(access));
  return image;
}

Result<void, Error> Qcow2Image::load_tables(ImageAccess access) {
  if (access == ImageAccess::ReadWrite) {
    if (header_.is_corrupt) {
      return file_->error("is marked as corrupt; `qemu-img check -r all` may repair it");
    }
  }
  std::vector<u8> bytes(header_.l1_entries_needed() * sizeof(u64));
  if (!file_->read(header_.l1_offset, bytes)) return file_->error("cannot be read");
  l1_.resize(header_.l1_entries_needed());
  for (size_t i = 0; i < l1_.size(); ++i) l1_[i] = load_be64(&bytes[i * sizeof(u64)]);
  if (access == ImageAccess::ReadWrite) {
    refcounts_.emplace(*file_, header_);
    if (!refcounts_->load()) return file_->error("cannot be read");
    if (header_.is_dirty && !refcounts_->repair()) {
      return file_->error("was not closed properly; `qemu-img check -r all` may repair it");
    }
  }
  return {};
}

u64 Qcow2Image::sectors() const {
  return header_.size_bytes / kSectorBytes + (header_.size_bytes % kSectorBytes != 0 ? 1 : 0);
}

// --- Tables ---

u64 Qcow2Image::l1_index(u64 offset) const {
  return (offset >> header_.cluster_bits) / header_.entries_per_cluster();
}

u64 Qcow2Image::l2_index(u64 offset) const {
  return (offset >> header_.cluster_bits) % header_.entries_per_cluster();
}

bool Qcow2Image::damaged(const char* what) {
  file_->complain(what);
  return false;
}

std::optional<u64> Qcow2Image::l2_offset(u64 l1_entry) {
  const u64 offset = l1_entry & qcow2_entry::kOffset;
  if ((l1_entry & ~(qcow2_entry::kOffset | qcow2_entry::kCopied)) != 0 ||
      offset % header_.cluster_bytes() != 0) {
    damaged("an entry of the L1 table is damaged");
    return std::nullopt;
  }
  return offset;
}

/// The L2 table for `offset`, whose L1 entry is not zero. Null: damaged or not readable.
Qcow2Image::Table* Qcow2Image::l2_table(u64 offset) {
  const auto place = l2_offset(l1_[l1_index(offset)]);
  if (!place) return nullptr;
  if (Table* known = l2_tables_.find(*place)) return known;
  if (*place == 0 || *place >= file_->size_bytes()) {
    damaged("an L2 table lies outside the image");
    return nullptr;
  }
  if (!l2_tables_.has_room() && !write_back()) return nullptr;
  return l2_tables_.load(*place);
}

std::optional<Qcow2Image::Mapping> Qcow2Image::decode_compressed(u64 entry) {
  const qcow2_entry::CompressedPlace place =
      qcow2_entry::compressed_place(entry, header_.cluster_bits);
  if (place.offset == 0 || place.offset >= file_->size_bytes()) {
    damaged("a compressed cluster lies outside the image");
    return std::nullopt;
  }
  return Mapping{Mapping::Kind::Compressed, place.offset, place.length_bytes, false};
}

std::optional<Qcow2Image::Mapping> Qcow2Image::decode(u64 entry) {
  if ((entry & qcow2_entry::kCompressed) != 0) return decode_compressed(entry);
  Mapping mapping;
  mapping.host_offset = entry & qcow2_entry::kOffset;
  mapping.length_bytes = header_.cluster_bytes();
  mapping.is_ours = (entry & qcow2_entry::kCopied) != 0 && mapping.host_offset != 0;
  const bool is_zero = header_.version >= 3 && (entry & qcow2_entry::kZero) != 0;
  const u64 allowed =
      qcow2_entry::kOffset | qcow2_entry::kCopied | (is_zero ? qcow2_entry::kZero : 0);
  if ((entry & ~allowed) != 0 || mapping.host_offset % header_.cluster_bytes() != 0) {
    damaged("an entry of an L2 table is damaged");
    return std::nullopt;
  }
  if (is_zero) {
    mapping.kind = Mapping::Kind::Zero;
  } else if (mapping.host_offset != 0) {
    mapping.kind = Mapping::Kind::Data;
  }
  return mapping;
}

std::optional<Qcow2Image::Mapping> Qcow2Image::lookup(u64 offset) {
  if (l1_[l1_index(offset)] == 0) return Mapping{};
  Table* table = l2_table(offset);
  if (table == nullptr) return std::nullopt;
  return decode(load_be64(table->at(l2_index(offset) * sizeof(u64))));
}

// --- Reading ---

/// Leaves the cluster's contents in decompressed_.
bool Qcow2Image::decompress(const Mapping& mapping) {
  if (decompressed_offset_ == mapping.host_offset) return true;
  decompressed_offset_ = 0;
  compressed_.resize(mapping.length_bytes);
  decompressed_.resize(header_.cluster_bytes());
  if (!file_->read(mapping.host_offset, compressed_)) return false;
  if (!inflate_raw(compressed_, decompressed_)) return damaged("a compressed cluster is damaged");
  decompressed_offset_ = mapping.host_offset;
  return true;
}

/// What the backing image does not have reads as zeros.
bool Qcow2Image::read_backing(u64 offset, std::span<u8> out) {
  const u64 size_bytes = backing_ != nullptr ? backing_->sectors() * kSectorBytes : 0;
  const u64 count = std::min<u64>(out.size(), size_bytes - std::min(offset, size_bytes));
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(count), out.end(), u8{0});
  return count == 0 || backing_->read(offset / kSectorBytes, out.first(count));
}

/// Whole sectors of one cluster.
bool Qcow2Image::read_mapped(const Mapping& mapping, u64 offset, std::span<u8> out) {
  const u64 within = offset & (header_.cluster_bytes() - 1);
  switch (mapping.kind) {
    case Mapping::Kind::Unallocated:
      return read_backing(offset, out);
    case Mapping::Kind::Zero:
      std::fill(out.begin(), out.end(), u8{0});
      return true;
    case Mapping::Kind::Data:
      return file_->read(mapping.host_offset + within, out);
    case Mapping::Kind::Compressed:
      break;
  }
  if (!decompress(mapping)) return false;
  std::memcpy(out.data(), &decompressed_[within], out.size());
  return true;
}

bool Qcow2Image::read(u64 sector, std::span<u8> out) {
  if (!is_inside(*this, sector, out.size())) return false;
  u64 offset = sector * kSectorBytes;
  while (!out.empty()) {
    const u64 room = header_.cluster_bytes() - (offset & (header_.cluster_bytes() - 1));
    const auto piece = out.first(std::min<u64>(out.size(), room));
    const auto mapping = lookup(offset);
    if (!mapping || !read_mapped(*mapping, offset, piece)) return false;
    offset += piece.size();
    out = out.subspan(piece.size());
  }
  return true;
}

}  // namespace doppel::devices
