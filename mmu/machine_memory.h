#pragma once

// Machine memory: the pool of 4 KiB frames that all virtual machines of the process share.
//
// One reservation of anonymous memory, advised for huge pages. Frames are handed out in aligned
// 2 MiB runs where the asker wants many, so that a guest's random walk costs few host TLB misses.
// A virtual machine reaches frames through its pmap only and never sees a frame's number.

#include <vector>

#include "cpu/base/address.h"
#include "cpu/base/result.h"

namespace doppel::mmu {

class MachineMemory {
 public:
  static constexpr u64 kFramesPerRun = 512;  // 2 MiB

  /// Reserves address space for `size_bytes` (rounded up to a run); the host commits pages as they
  /// are touched.
  static Result<MachineMemory, Error> create(u64 size_bytes);
  MachineMemory(MachineMemory&&) noexcept;
  MachineMemory& operator=(MachineMemory&&) noexcept;
  ~MachineMemory();

  /// One frame, all zeros; an invalid number when the pool is empty.
  FrameNumber allocate_frame();
  /// 512 consecutive frames aligned to 2 MiB, all zeros; the first one's number, or an invalid one.
  FrameNumber allocate_run();
  /// `count` runs that follow each other; the first frame's number, or an invalid one.
  FrameNumber allocate_runs(u64 count);
  /// Gives a frame back; its memory returns to the host.
  void release(FrameNumber frame) { release(frame, 1); }
  /// Gives back `count` consecutive frames, at the price of one.
  void release(FrameNumber first, u64 count);

  /// Whether the host may stand huge pages behind these frames, as behind all others.
  void advise_huge(FrameNumber first, u64 count, bool may);

  u8* data(FrameNumber frame) const { return base_ + (u64{frame.value} << kPageShift); }
  /// The frame that holds this address of the pool.
  FrameNumber frame_at(const u8* host) const { return FrameNumber{static_cast<u32>((host - base_) >> kPageShift)}; }
  u64 total_frames() const { return total_frames_; }
  u64 free_frames() const { return free_frames_; }

 private:
  MachineMemory(u8* base, u64 reserved_bytes);
  void collect_runs();
  void note_free(u32 frame);

  u8* base_ = nullptr;
  u64 reserved_bytes_ = 0;
  u64 total_frames_ = 0;
  u64 free_frames_ = 0;
  std::vector<u32> free_list_;       // Single frames: from broken runs and releases.
  std::vector<u32> free_runs_;       // First frames of whole runs.
  std::vector<u16> singles_in_run_;  // How many frames of each run stand in the free list.
  u64 collectable_runs_ = 0;         // Runs all of whose frames stand there.
};

}  // namespace doppel::mmu
