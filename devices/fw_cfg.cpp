#include "devices/fw_cfg.h"

#include <algorithm>
#include <span>

#include "devices/big_endian.h"

namespace doppel::devices {

namespace {

// Bits of kId.
constexpr u32 kTraditional = 1;
constexpr u32 kDma = 2;
// DMA control; bits 31..16 are the key to select.
constexpr u32 kDmaError = 0x01;
constexpr u32 kDmaRead = 0x02;
constexpr u32 kDmaSkip = 0x04;
constexpr u32 kDmaSelect = 0x08;
constexpr u32 kDmaWrite = 0x10;
constexpr unsigned kDescriptorBytes = 16;

/// What the DMA address register reads as, byte by byte.
constexpr std::array<u8, 8> kDmaSignature{'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

constexpr size_t kNameBytes = 56;  // With the terminating zero.
constexpr size_t kMaxFiles = 0x4000 - FwCfg::kFirstFile;

/// The most that one access moves; a longer request goes on at the next event.
constexpr u64 kDmaPiece = u64{4} << 20;
constexpr u64 kDmaPieceTimeNs = 100'000;

/// The register is big endian on a little-endian bus.
u32 swap32(u32 value) { return __builtin_bswap32(value); }

}  // namespace

FwCfg::FwCfg(mmu::PhysicalMemory& memory, Scheduler& scheduler)
    : memory_(memory),
      scheduler_(scheduler),
      dma_event_(scheduler.add("fw_cfg.dma", [this] { continue_dma(); })),
      ports_(*this),
      dma_ports_(*this) {
  add_key(kSignature, {'Q', 'E', 'M', 'U'});
  add_number(kId, Width::Dword, kTraditional | kDma);
  write_directory();
}

void FwCfg::reset() {
  scheduler_.cancel(dma_event_);
  key_ = 0;
  offset_ = 0;
  dma_address_high_ = 0;
  dma_left_ = 0;
}

// --- Items ---

void FwCfg::add_key(u16 key, std::vector<u8> contents) { items_[key] = std::move(contents); }

void FwCfg::add_number(u16 key, Width width, u64 value) {
  std::vector<u8> contents(bytes(width));
  for (u8& byte : contents) {
    byte = static_cast<u8>(value);
    value >>= 8;
  }
  add_key(key, std::move(contents));
}

bool FwCfg::add_file(std::string name, std::vector<u8> contents) {
  if (name.empty() || name.size() >= kNameBytes) return false;
  auto position = std::find(files_.begin(), files_.end(), name);
  if (position == files_.end()) {
    if (files_.size() == kMaxFiles) return false;
    position = files_.insert(files_.end(), std::move(name));
  }
  const auto index = static_cast<u16>(position - files_.begin());
  add_key(static_cast<u16>(kFirstFile + index), std::move(contents));
  write_directory();
  return true;
}

/// be32 count, then for each file: be32 size, be16 key, be16 zero, the name in 56 bytes.
void FwCfg::write_directory() {
  constexpr size_t kCountBytes = 4;
  constexpr size_t kHeadBytes = 8;  // Of an entry, before the name.
  std::vector<u8> directory(kCountBytes + files_.size() * (kHeadBytes + kNameBytes));
  u8* at = directory.data();
  store_be32(at, static_cast<u32>(files_.size()));
  at += kCountBytes;
  for (size_t i = 0; i < files_.size(); ++i) {
    const auto key = static_cast<u16>(kFirstFile + i);
    store_be32(at, static_cast<u32>(items_[key].size()));
    store_be16(at + 4, key);
    std::copy(files_[i].begin(), files_[i].end(), at + kHeadBytes);
    at += kHeadBytes + kNameBytes;
  }
  add_key(kFileDirectory, std::move(directory));
}

const std::vector<u8>* FwCfg::selected_item() const {
  const auto item = items_.find(key_);
  return item == items_.end() ? nullptr : &item->second;
}

void FwCfg::select(u16 key) {
  key_ = key;
  offset_ = 0;
}

/// Zeros beyond the end, and for items that do not exist.
u8 FwCfg::next_byte() {
  const std::vector<u8>* item = selected_item();
  if (item == nullptr || offset_ >= item->size()) return 0;
  return (*item)[offset_++];
}

// --- Ports ---

/// Every byte read takes the next one of the item, whatever the width and the port of the pair.
u64 FwCfg::SelectorPorts::read(u64, Width width) {
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) value |= u64{owner_.next_byte()} << (8 * i);
  return value;
}

void FwCfg::SelectorPorts::write(u64 offset, Width width, u64 value) {
  // Only a word selects. The data port cannot be written: that way of changing items is long gone.
  if (offset == 0 && width == Width::Word) owner_.select(static_cast<u16>(value));
}

u64 FwCfg::DmaPorts::read(u64 offset, Width width) {
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) {
    value |= u64{kDmaSignature[(offset + i) % kDmaSignature.size()]} << (8 * i);
  }
  return value;
}

void FwCfg::DmaPorts::write(u64 offset, Width width, u64 value) {
  if (width != Width::Dword) return;
  const u32 half = swap32(static_cast<u32>(value));
  if (offset == 0) {
    owner_.dma_address_high_ = half;
  } else if (offset == 4) {
    const u64 descriptor = owner_.dma_address_high_ << 32 | half;
    owner_.dma_address_high_ = 0;
    owner_.start_dma(descriptor);
  }
}

// --- DMA ---

void FwCfg::start_dma(u64 descriptor) {
  // A request that overtakes another one ends it.
  if (dma_left_ != 0) finish_dma(true);
  std::array<u8, kDescriptorBytes> bytes{};
  memory_.read_bytes(PhysAddr(descriptor), bytes);
  const u32 control = load_be32(bytes.data());
  const u32 length = load_be32(bytes.data() + 4);
  dma_descriptor_ = descriptor;
  dma_target_ = load_be64(bytes.data() + 8);

  if (control & kDmaSelect) select(static_cast<u16>(control >> 16));
  if (control & kDmaRead) {
    dma_left_ = std::min<u64>(length, ~dma_target_);  // Addresses do not wrap to zero.
    continue_dma();
  } else if (control & kDmaWrite) {
    finish_dma(true);  // No item can be written.
  } else {
    if (control & kDmaSkip) {
      const std::vector<u8>* item = selected_item();
      const u64 size = item == nullptr ? 0 : item->size();
      offset_ = std::min(size, offset_ + length);
    }
    finish_dma(false);
  }
}

/// Moves one piece, and comes back for the rest. The descriptor shows when all is done.
void FwCfg::continue_dma() {
  u64 budget = kDmaPiece;
  const std::vector<u8>* item = selected_item();
  if (item != nullptr && offset_ < item->size() && dma_left_ != 0) {
    const u64 count = std::min({dma_left_, budget, item->size() - offset_});
    memory_.write_bytes(PhysAddr(dma_target_), std::span(*item).subspan(offset_, count));
    offset_ += count;
    dma_target_ += count;
    dma_left_ -= count;
    budget -= count;
  }
  // Zeros follow the item; where no memory can be there is nothing to write.
  const bool item_ended = item == nullptr || offset_ >= item->size();
  const u64 end = memory_.pmap().end().value;
  static constexpr std::array<u8, kPageSize> kZeros{};
  while (item_ended && dma_left_ != 0 && budget != 0) {
    if (dma_target_ >= end) {
      dma_left_ = 0;
      break;
    }
    const u64 count = std::min({dma_left_, budget, u64{kZeros.size()}});
    memory_.write_bytes(PhysAddr(dma_target_), std::span(kZeros).first(count));
    dma_target_ += count;
    dma_left_ -= count;
    budget -= count;
  }
  if (dma_left_ != 0) {
    scheduler_.schedule(dma_event_, scheduler_.now_ns() + kDmaPieceTimeNs);
  } else {
    finish_dma(false);
  }
}

void FwCfg::finish_dma(bool error) {
  dma_left_ = 0;
  scheduler_.cancel(dma_event_);
  std::array<u8, 4> control{};
  store_be32(control.data(), error ? kDmaError : 0);
  memory_.write_bytes(PhysAddr(dma_descriptor_), control);
}

void FwCfg::serialize(Archive& archive) {
  archive(key_, offset_, dma_address_high_, dma_descriptor_, dma_target_, dma_left_);
}

}  // namespace doppel::devices
