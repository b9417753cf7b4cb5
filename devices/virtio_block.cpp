#include "devices/virtio_block.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr VirtioDevice::Kind kKind{.id = 2, .class_code = 0x01'0000};
constexpr u16 kQueueSizes[] = {VirtioBlock::kQueueSize};
constexpr u64 kSector = BlockBackend::kSectorBytes;

// "Feature bits" (5.2.3).
constexpr u64 kSizeMax = u64{1} << 1;
constexpr u64 kSegmentsMax = u64{1} << 2;
constexpr u64 kReadOnly = u64{1} << 5;
constexpr u64 kBlockSize = u64{1} << 6;
constexpr u64 kFlushes = u64{1} << 9;
constexpr u64 kTopology = u64{1} << 10;
constexpr u64 kConfigWce = u64{1} << 11;
constexpr u64 kDiscards = u64{1} << 13;
constexpr u64 kWritesZeroes = u64{1} << 14;

// "Device Operation" (5.2.6).
enum Type : u32 {
  kIn = 0,
  kOut = 1,
  kFlush = 4,
  kGetId = 8,
  kDiscard = 11,
  kWriteZeroes = 13,
};
constexpr u32 kUnmap = 1;  // A flag of both.
struct Extent {
  u64 sector;
  u32 count;
  u32 flags;
};

// A request is at most kMostSegments of kMostSegmentBytes, which is what a chain may have.
constexpr u32 kMostSegments = VirtioBlock::kQueueSize - 2;
constexpr u32 kMostSegmentBytes = 256 * 1024;
static_assert(u64{kMostSegments} * kMostSegmentBytes < VirtioQueue::kMostChainBytes);

constexpr u32 kMostExtents = 16;
constexpr u32 kMostDiscardSectors = 0x40'0000;  // 2 GiB: holes cost little.
constexpr u32 kMostZeroSectors = 0x8000;        // 16 MiB: zeros may have to be written.

constexpr u64 kLatencyNs = 8'000;
constexpr u64 kNsFor4KiB = 1'000;
constexpr size_t kPieceBytes = size_t{256} << 10;

/// "Device configuration layout" (5.2.4).
struct Config {
  u64 capacity;
  u32 size_max;
  u32 seg_max;
  u16 cylinders;
  u8 heads;
  u8 sectors;
  u32 blk_size;
  u8 physical_block_exp;
  u8 alignment_offset;
  u16 min_io_size;
  u32 opt_io_size;
  u8 writeback;
  u8 unused0;
  u16 num_queues;
  u32 max_discard_sectors;
  u32 max_discard_seg;
  u32 discard_sector_alignment;
  u32 max_write_zeroes_sectors;
  u32 max_write_zeroes_seg;
  u8 write_zeroes_may_unmap;
  u8 unused1[3];
};
static_assert(sizeof(Config) == 64);
constexpr unsigned kWritebackOffset = offsetof(Config, writeback);

constexpr u64 transfer_ns(u64 size_bytes) { return (size_bytes + 4095) / 4096 * kNsFor4KiB; }

}  // namespace

VirtioBlock::VirtioBlock(std::string name, BlockBackend& medium, std::string serial,
                         mmu::PhysicalMemory& memory, Scheduler& scheduler)
    : VirtioDevice(memory, kKind, kQueueSizes),
      medium_(medium),
      serial_(std::move(serial)),
      scheduler_(scheduler),
      event_(scheduler.add(std::move(name), [this] { work(); })) {}

u64 VirtioBlock::device_features() const {
  const u64 always = kSizeMax | kSegmentsMax | kBlockSize | kFlushes | kTopology | kConfigWce;
  return always | (medium_.is_read_only() ? kReadOnly : kDiscards | kWritesZeroes);
}

u8 VirtioBlock::read_config(unsigned offset) const {
  const Config config{.capacity = medium_.sectors(),
                      .size_max = kMostSegmentBytes,
                      .seg_max = kMostSegments,
                      .cylinders = 0,
                      .heads = 0,
                      .sectors = 0,
                      .blk_size = kSector,
                      .physical_block_exp = 3,  // A host's disk has blocks of 4096 bytes.
                      .alignment_offset = 0,
                      .min_io_size = 1,
                      .opt_io_size = 0,
                      .writeback = static_cast<u8>(write_back_ ? 1 : 0),
                      .unused0 = 0,
                      .num_queues = 1,
                      .max_discard_sectors = kMostDiscardSectors,
                      .max_discard_seg = kMostExtents,
                      .discard_sector_alignment = 8,
                      .max_write_zeroes_sectors = kMostZeroSectors,
                      .max_write_zeroes_seg = kMostExtents,
                      .write_zeroes_may_unmap = 1,
                      .unused1 = {}};
  return config_byte(config, offset);
}

void VirtioBlock::write_config(unsigned offset, u8 value) {
  if (offset == kWritebackOffset && has(kConfigWce)) write_back_ = value != 0;
}

// --- When --------------------------------------------------------------------------------------

void VirtioBlock::queue_notified(unsigned index) {
  VirtioQueue& queue = *this->queue(index);
  const u64 now = scheduler_.now_ns();
  while (const std::optional<u16> head = queue.pop()) {
    if (under_way_.size() >= queue.size()) {
      queue.break_off("more requests are under way than the queue can hold");
      return;
    }
    if (!queue.follow(*head, chain_)) return;
    const u64 size_bytes = std::max(chain_.readable_bytes, chain_.writable_bytes);
    busy_until_ns_ = std::max(busy_until_ns_, now + kLatencyNs) + transfer_ns(size_bytes);
    under_way_.push_back({*head, busy_until_ns_});
  }
  queue.ask_for_notification();
  if (!under_way_.empty()) scheduler_.schedule(event_, under_way_.front().due_ns);
}

void VirtioBlock::work() {
  if (!running()) return;
  while (!under_way_.empty() && under_way_.front().due_ns <= scheduler_.now_ns()) {
    const u16 head = under_way_.front().head;
    under_way_.pop_front();
    finish(head);
    if (gave_up(0)) return;
    delay_the_rest();
  }
  publish(0);
  if (!under_way_.empty()) scheduler_.schedule(event_, under_way_.front().due_ns);
}

/// Writing zeros takes longer than the size of the request told.
void VirtioBlock::delay_the_rest() {
  const u64 late_ns = std::exchange(late_ns_, 0);
  if (late_ns == 0) return;
  for (UnderWay& request : under_way_) request.due_ns += late_ns;
  busy_until_ns_ += late_ns;
}

// --- What --------------------------------------------------------------------------------------

void VirtioBlock::finish(u16 head) {
  VirtioQueue& queue = *this->queue(0);
  if (!queue.follow(head, chain_)) return;
  if (chain_.readable_bytes < sizeof(Header) || chain_.writable_bytes == 0) {
    queue.break_off("a request without a header or a status");
    return;
  }
  VirtioCursor data(memory(), chain_.readable);
  std::array<u8, sizeof(Header)> bytes;
  data.read(bytes);
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);

  const u64 reply_bytes = chain_.writable_bytes - 1;
  VirtioCursor reply(memory(), chain_.writable);
  const Status status =
      perform(header, data, reply, chain_.readable_bytes - sizeof(Header), reply_bytes);
  VirtioCursor end(memory(), chain_.writable);
  end.skip(reply_bytes);
  const u8 code = static_cast<u8>(status);
  end.write(std::span(&code, 1));
  // A reply that failed may have a gap, and only what has none is counted.
  const bool is_whole = status == Status::Ok || reply_bytes == 0;
  queue.push(head, is_whole ? static_cast<u32>(chain_.writable_bytes) : 0);
}

VirtioBlock::Status VirtioBlock::perform(const Header& header, VirtioCursor data,
                                         VirtioCursor reply, u64 data_bytes, u64 reply_bytes) {
  switch (header.type) {
    case kIn:
      return read(header.sector, reply, reply_bytes);
    case kOut:
      return write(header.sector, data, data_bytes);
    case kFlush:
      return medium_.flush() ? Status::Ok : Status::IoError;
    case kGetId: {
      std::array<u8, kSerialBytes> id{};
      if (reply_bytes < id.size()) return Status::IoError;
      std::copy_n(serial_.begin(), std::min(serial_.size(), id.size()), id.begin());
      reply.write(id);
      return Status::Ok;
    }
    case kDiscard:
    case kWriteZeroes:
      return erase(data, data_bytes, header.type == kWriteZeroes);
    default:
      return Status::Unsupported;
  }
}

bool VirtioBlock::is_inside(u64 sector, u64 count) const {
  return count <= medium_.sectors() && sector <= medium_.sectors() - count;
}

VirtioBlock::Status VirtioBlock::read(u64 sector, VirtioCursor& reply, u64 size_bytes) {
  if (size_bytes % kSector != 0 || !is_inside(sector, size_bytes / kSector)) return Status::IoError;
  sectors_moved_ += size_bytes / kSector;
  while (size_bytes != 0) {
    buffer_.resize(std::min<u64>(size_bytes, kPieceBytes));
    if (!medium_.read(sector, buffer_)) return Status::IoError;
    reply.write(buffer_);
    sector += buffer_.size() / kSector;
    size_bytes -= buffer_.size();
  }
  return Status::Ok;
}

VirtioBlock::Status VirtioBlock::write(u64 sector, VirtioCursor& data, u64 size_bytes) {
  if (medium_.is_read_only() || size_bytes % kSector != 0 ||
      !is_inside(sector, size_bytes / kSector))
    return Status::IoError;
  sectors_moved_ += size_bytes / kSector;
  while (size_bytes != 0) {
    buffer_.resize(std::min<u64>(size_bytes, kPieceBytes));
    data.read(buffer_);
    if (!medium_.write(sector, buffer_)) return Status::IoError;
    sector += buffer_.size() / kSector;
    size_bytes -= buffer_.size();
  }
  // Without a write-back cache a write is durable when it is done.
  return write_back_ || medium_.flush() ? Status::Ok : Status::IoError;
}

/// Discards or zeroes extents; all of them are looked at before the first is touched.
VirtioBlock::Status VirtioBlock::erase(VirtioCursor& data, u64 size_bytes, bool zero) {
  if (medium_.is_read_only()) return Status::IoError;
  if (size_bytes == 0 || size_bytes % sizeof(Extent) != 0 ||
      size_bytes / sizeof(Extent) > kMostExtents)
    return Status::Unsupported;
  std::array<Extent, kMostExtents> extents;
  const size_t count = size_bytes / sizeof(Extent);
  data.read(std::span(reinterpret_cast<u8*>(extents.data()), size_bytes));
  for (size_t i = 0; i < count; ++i) {
    const Extent& extent = extents[i];
    if ((extent.flags & ~(zero ? kUnmap : 0u)) != 0) return Status::Unsupported;
    const u32 most = zero ? kMostZeroSectors : kMostDiscardSectors;
    if (extent.count > most || !is_inside(extent.sector, extent.count)) return Status::IoError;
  }
  for (size_t i = 0; i < count; ++i) {
    const Extent& extent = extents[i];
    if (extent.count == 0) continue;
    const bool done = zero ? write_zeroes(extent.sector, extent.count)
                           : medium_.discard(extent.sector, extent.count);
    if (!done) return Status::IoError;
  }
  return !zero || write_back_ || medium_.flush() ? Status::Ok : Status::IoError;
}

/// A discard may leave what was there, so zeros are written, whether or not they may be unmapped.
bool VirtioBlock::write_zeroes(u64 sector, u64 count) {
  late_ns_ += transfer_ns(count * kSector);
  while (count != 0) {
    const u64 piece = std::min<u64>(count, kPieceBytes / kSector);
    buffer_.assign(piece * kSector, 0);
    if (!medium_.write(sector, buffer_)) return false;
    sector += piece;
    count -= piece;
  }
  return true;
}

// --- State -------------------------------------------------------------------------------------

void VirtioBlock::reset_device() {
  under_way_.clear();
  busy_until_ns_ = 0;
  write_back_ = true;
  scheduler_.cancel(event_);
}

void VirtioBlock::serialize_device(Archive& archive) {
  u32 count = static_cast<u32>(under_way_.size());
  archive(count, busy_until_ns_, write_back_);
  if (archive.is_loading()) {
    if (count > kQueueSize) {
      archive.fail("more requests of a disk are under way than its queue can hold");
      count = 0;
    }
    under_way_.assign(count, {});
  }
  for (UnderWay& request : under_way_) archive(request);
}

}  // namespace doppel::devices
