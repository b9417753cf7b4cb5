#include "mmu/device_memory.h"

#include <cstring>
#include <string>
#include <utility>

#include "cpu/base/bits.h"

namespace doppel::mmu {

namespace {

constexpr u64 kRunBytes = MachineMemory::kFramesPerRun << kPageShift;

}  // namespace

Result<std::unique_ptr<DeviceMemory>, Error> DeviceMemory::create(PhysicalMemory& memory,
                                                                  u64 size_bytes) {
  const u64 size = align_up(size_bytes, kRunBytes);
  const FrameNumber first = memory.pmap().take_device_frames(size >> kPageShift);
  if (!first.valid()) {
    return Error{"no machine memory left for a card's " + std::to_string(size >> 20) + " MiB"};
  }
  return std::unique_ptr<DeviceMemory>(new DeviceMemory(memory, first, size));
}

DeviceMemory::DeviceMemory(PhysicalMemory& memory, FrameNumber first, u64 size_bytes)
    : memory_(memory),
      first_(first),
      data_(memory.pmap().data(first)),
      size_(size_bytes),
      watched_(size_bytes >> kPageShift) {}

// Those who would be told of a change of the map may be gone already.
DeviceMemory::~DeviceMemory() {
  if (base_) memory_.pmap().unmap_device(*base_, size_);
  memory_.tracking().set_observer(TrackReason::Display, {});
  memory_.pmap().release_device_frames(first_, size_ >> kPageShift);
}

bool DeviceMemory::show_at(std::optional<PhysAddr> base) {
  if (base == base_) return true;
  const auto each_watched = [this](auto&& act) {
    for (u64 page = 0; page < watched_.size(); ++page) {
      if (watched_[page]) act(*base_ + (page << kPageShift));
    }
  };
  if (base_) {
    each_watched([this](PhysAddr page) { memory_.tracking().untrack(page, TrackReason::Display); });
    memory_.pmap().unmap_device(*base_, size_);
    memory_.remapped(*base_, size_);
    base_.reset();
  }
  if (!base) return true;
  if (!memory_.pmap().map_device(*base, first_, size_)) return false;
  base_ = base;
  each_watched([this](PhysAddr page) { memory_.tracking().track(page, TrackReason::Display); });
  memory_.remapped(*base_, size_);
  return true;
}

void DeviceMemory::set_observer(std::function<void(u64 page)> observer) {
  memory_.tracking().set_observer(
      TrackReason::Display, [this, told = std::move(observer)](PhysAddr address, u64) {
        if (base_) told((address.value - base_->value) >> kPageShift);
      });
}

void DeviceMemory::watch(u64 page) {
  if (watched_[page]) return;
  watched_[page] = true;
  if (base_) memory_.tracking().track(*base_ + (page << kPageShift), TrackReason::Display);
}

void DeviceMemory::unwatch(u64 page) {
  if (!watched_[page]) return;
  watched_[page] = false;
  if (base_) memory_.tracking().untrack(*base_ + (page << kPageShift), TrackReason::Display);
}

// Most of a card's memory is never used: pages of zeros are left out.
void DeviceMemory::serialize(Archive& archive) {
  static constexpr u8 kZeros[kPageSize] = {};
  const u64 pages = size_ >> kPageShift;
  const auto is_blank = [&](u64 page) {
    return std::memcmp(data_ + (page << kPageShift), kZeros, kPageSize) == 0;
  };
  if (!archive.is_loading()) {
    for (u64 page = 0; page < pages; ++page) {
      if (is_blank(page)) continue;
      archive(page);
      archive.raw(data_ + (page << kPageShift), kPageSize);
    }
    u64 end = pages;
    archive(end);
    return;
  }
  std::memset(data_, 0, size_);
  for (u64 page = 0; !archive.failed();) {
    archive(page);
    if (page >= pages) return;
    archive.raw(data_ + (page << kPageShift), kPageSize);
  }
}

}  // namespace doppel::mmu
