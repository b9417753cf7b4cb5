#include "mmu/machine_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cpu/base/bits.h"

namespace doppel::mmu {

namespace {

constexpr u64 kRunBytes = MachineMemory::kFramesPerRun << kPageShift;

}  // namespace

Result<MachineMemory, Error> MachineMemory::create(u64 size_bytes) {
  // Frame numbers have 32 bits, and one of them means "none".
  constexpr u64 kMostBytes = (u64{FrameNumber::kNone} << kPageShift) & ~(kRunBytes - 1);
  if (size_bytes == 0 || size_bytes > kMostBytes) {
    return Error{"machine memory of " + std::to_string(size_bytes) +
                 " bytes: must be 1 byte to 16 TiB"};
  }
  const u64 usable = align_up(size_bytes, kRunBytes);
  // One run more, to cut an aligned piece from.
  const u64 mapped = usable + kRunBytes;
  void* area = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) {
    return Error{"machine memory of " + std::to_string(usable >> 20) +
                 " MiB: " + std::strerror(errno)};
  }
  u8* start = static_cast<u8*>(area);
  const u64 head = align_up(reinterpret_cast<u64>(start), kRunBytes) - reinterpret_cast<u64>(start);
  if (head != 0) munmap(start, head);
  u8* base = start + head;
  if (const u64 tail = mapped - head - usable; tail != 0) munmap(base + usable, tail);
  madvise(base, usable, MADV_HUGEPAGE);  // Advice: a host without huge pages is slower, not wrong.
  return MachineMemory(base, usable);
}

MachineMemory::MachineMemory(u8* base, u64 reserved_bytes)
    : base_(base),
      reserved_bytes_(reserved_bytes),
      total_frames_(reserved_bytes >> kPageShift),
      free_frames_(total_frames_) {
  const u64 runs = total_frames_ / kFramesPerRun;
  singles_in_run_.resize(runs);
  free_runs_.reserve(runs);
  // The lowest run is handed out first.
  for (u64 run = runs; run-- > 0;) free_runs_.push_back(static_cast<u32>(run * kFramesPerRun));
}

MachineMemory::MachineMemory(MachineMemory&& other) noexcept { *this = std::move(other); }

MachineMemory& MachineMemory::operator=(MachineMemory&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
  std::swap(total_frames_, other.total_frames_);
  std::swap(free_frames_, other.free_frames_);
  std::swap(free_list_, other.free_list_);
  std::swap(free_runs_, other.free_runs_);
  std::swap(singles_in_run_, other.singles_in_run_);
  std::swap(collectable_runs_, other.collectable_runs_);
  return *this;
}

MachineMemory::~MachineMemory() {
  if (base_ != nullptr) munmap(base_, reserved_bytes_);
}

void MachineMemory::note_free(u32 frame) {
  free_list_.push_back(frame);
  if (++singles_in_run_[frame / kFramesPerRun] == kFramesPerRun) ++collectable_runs_;
}

FrameNumber MachineMemory::allocate_frame() {
  if (free_list_.empty()) {
    const FrameNumber run = allocate_run();
    if (!run.valid()) return {};
    free_frames_ += kFramesPerRun;
    // Pushed from the top, so that neighbours are handed out in order.
    for (u32 i = kFramesPerRun; i-- > 0;) note_free(run.value + i);
  }
  const u32 frame = free_list_.back();
  free_list_.pop_back();
  u16& singles = singles_in_run_[frame / kFramesPerRun];
  if (singles == kFramesPerRun) --collectable_runs_;
  --singles;
  --free_frames_;
  return FrameNumber{frame};
}

FrameNumber MachineMemory::allocate_run() {
  if (free_runs_.empty() && collectable_runs_ != 0) collect_runs();
  if (free_runs_.empty()) return {};
  const u32 first = free_runs_.back();
  free_runs_.pop_back();
  free_frames_ -= kFramesPerRun;
  return FrameNumber{first};
}

FrameNumber MachineMemory::allocate_runs(u64 count) {
  if (collectable_runs_ != 0) collect_runs();
  if (count == 0 || count > free_runs_.size()) return {};
  std::vector<u32> sorted = free_runs_;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i + count <= sorted.size(); ++i) {
    const u32 first = sorted[i];
    const u64 end = first + count * kFramesPerRun;
    if (sorted[i + count - 1] != end - kFramesPerRun) continue;
    std::erase_if(free_runs_, [&](u32 run) { return run >= first && run < end; });
    free_frames_ -= count * kFramesPerRun;
    return FrameNumber{first};
  }
  return {};
}

// Runs whose frames all came back one by one are runs again.
void MachineMemory::collect_runs() {
  std::erase_if(free_list_,
                [&](u32 frame) { return singles_in_run_[frame / kFramesPerRun] == kFramesPerRun; });
  for (u64 run = singles_in_run_.size(); run-- > 0;) {
    if (singles_in_run_[run] != kFramesPerRun) continue;
    singles_in_run_[run] = 0;
    free_runs_.push_back(static_cast<u32>(run * kFramesPerRun));
  }
  collectable_runs_ = 0;
}

void MachineMemory::advise_huge(FrameNumber first, u64 count, bool may) {
  // An advice: hosts without huge pages refuse it.
  (void)madvise(data(first), count << kPageShift, may ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void MachineMemory::release(FrameNumber first, u64 count) {
  // The host takes the pages back and gives zeros when they are touched again.
  if (madvise(data(first), count << kPageShift, MADV_DONTNEED) != 0) {
    std::memset(data(first), 0, count << kPageShift);
  }
  for (u64 i = count; i-- > 0;) note_free(static_cast<u32>(first.value + i));
  free_frames_ += count;
}

}  // namespace doppel::mmu
