#pragma once

// The pmap: one per virtual machine, guest-physical page -> machine frame and state.
//
// Frames arrive on first touch (a whole 2 MiB run while its neighbours are untouched RAM too), so a
// guest costs what it touches. Sharing, ballooning and swapping change an entry's state and take
// the frame away; whoever holds a host address from here is told through WriteTracking/Mmu flushes.

#include <array>
#include <memory>
#include <span>
#include <vector>

#include <boost/container/flat_map.hpp>

#include "cpu/base/address.h"
#include "cpu/base/archive.h"
#include "cpu/base/result.h"
#include "mmu/frame_gathering.h"
#include "mmu/machine_memory.h"

namespace doppel::mmu {

enum class PageState : u8 {
  Absent,     ///< No memory here: a hole, or device registers.
  Untouched,  ///< RAM that no frame stands behind yet; reads as zeros.
  Present,    ///< RAM with a frame of its own.
  ReadOnly,   ///< ROM: guest stores are dropped.
  Shared,     ///< A frame others use as well: copied on the first store.
  Device,     ///< Memory on a card, which the card owns and saves.
};

struct PmapEntry {
  FrameNumber frame;
  PageState state = PageState::Absent;
};

/// What stands where a ROM is: the chip, or the RAM behind it that chipsets let firmware switch in.
enum class RomShadow : u8 { Rom, ReadOnlyRam, Ram };

class Pmap {
 public:
  /// `memory` must outlive the pmap. At most `quota_frames` frames are taken from it.
  Pmap(MachineMemory& memory, u64 quota_frames);
  ~Pmap();
  Pmap(const Pmap&) = delete;
  Pmap& operator=(const Pmap&) = delete;

  /// Declares RAM. Page-aligned; false if any page already is something or it lies beyond
  /// MAXPHYADDR.
  bool add_ram(PhysAddr first, u64 size_bytes);
  /// Copies `bytes` into new frames and makes them read-only ROM (padded with FFh to a page).
  Result<void, Error> add_rom(PhysAddr first, const u8* bytes, u64 size_bytes);
  /// Shows the same frames of [source, +size) read-only at `first` too (the BIOS below 1 MiB).
  bool alias_rom(PhysAddr first, PhysAddr source, u64 size_bytes);
  /// Switches ROM pages to the RAM behind them or back (PAM registers). False if any page is not
  /// ROM or frames ran out; nothing changed then. The caller flushes every Mmu afterwards.
  /// Simplified: the RAM holds the ROM's bytes when it is first switched in, as if firmware had
  /// copied them.
  bool set_rom_shadow(PhysAddr first, u64 size_bytes, RomShadow shadow);

  /// Frames for a card, all zeros and contiguous on the host, counted against the quota; a whole
  /// number of 2 MiB runs. An invalid number where there are not so many.
  FrameNumber take_device_frames(u64 count);
  void release_device_frames(FrameNumber first, u64 count);
  /// Shows a card's frames at an address, or takes them away from there. False if anything else is
  /// there. The caller flushes every Mmu afterwards.
  bool map_device(PhysAddr first, FrameNumber frames, u64 size_bytes);
  void unmap_device(PhysAddr first, u64 size_bytes);
  u8* data(FrameNumber frame) const { return memory_.data(frame); }

  PmapEntry lookup(PhysAddr address) const {
    const u64 page = address.page_number();
    const Run* run = run_of(page);
    return run != nullptr ? run->entries[page % kRunPages] : PmapEntry{};
  }
  /// Host address of the page's first byte, allocating a frame for untouched RAM; null for absent
  /// pages and when the quota or the pool is used up (`out_of_memory()` then says so).
  u8* resolve(PhysAddr address);
  /// As resolve, for a store: null for ROM too, and a shared page gets a frame of its own first.
  u8* resolve_for_store(PhysAddr address);
  /// As resolve, but allocates nothing: null for untouched pages (which read as zeros).
  const u8* peek(PhysAddr address) const {
    const PmapEntry found = lookup(address);
    return found.frame.valid() ? memory_.data(found.frame) : nullptr;
  }

  /// Lets pages that are used together stand together. The caller tells whoever has host addresses.
  FrameGathering& gathering() { return gathering_; }

  bool out_of_memory() const { return out_of_memory_; }
  u64 frames_in_use() const { return frames_in_use_; }
  u64 ram_bytes() const { return ram_bytes_; }
  /// End of the highest page that is not absent.
  PhysAddr end() const { return PhysAddr(end_page_ << kPageShift); }

  /// Contents of all present RAM pages. Layout (which pages are RAM or ROM) must be the same when
  /// loading. After loading, the caller flushes every Mmu.
  void serialize(Archive& archive);
  /// Calls `visit(PhysAddr page, const u8* bytes)` for every page with a RAM frame, in address
  /// order. Frames come in runs: pages that were never touched may be among them, and read as
  /// zeros.
  template <class Visitor>
  void for_each_present(Visitor&& visit) const {
    for (u64 index = 0; index < runs_.size(); ++index) {
      if (runs_[index] == nullptr) continue;
      for (u64 i = 0; i < kRunPages; ++i) {
        const PmapEntry entry = runs_[index]->entries[i];
        if (entry.state != PageState::Present) continue;
        visit(PhysAddr((index * kRunPages + i) << kPageShift),
              static_cast<const u8*>(memory_.data(entry.frame)));
      }
    }
  }

 private:
  friend class FrameGathering;
  /// Frames beside the RAM, not counted against the quota. A huge page would be cleared as a whole for the first that comes.
  FrameNumber take_gallery(u64 count);
  void release_gallery(FrameNumber first, u64 count);
  FrameNumber frame_at(const u8* host) const { return memory_.frame_at(host); }
  u64 pool_frames() const { return memory_.total_frames(); }
  /// Whether this page of RAM has the frame to itself.
  bool has_frame(u64 page, u32 frame) const {
    const PmapEntry entry = lookup(PhysAddr(page << kPageShift));
    return entry.state == PageState::Present && entry.frame.value == frame && !shadows_.contains(page);
  }
  /// For each frame that a page of RAM has, the page's number.
  void note_owners(std::vector<u32>& by_frame) const;
  /// Copies a page of RAM into another frame. @return the one it had.
  FrameNumber move(u64 page, FrameNumber to);

  static constexpr u64 kRunPages = MachineMemory::kFramesPerRun;
  struct Run {
    std::array<PmapEntry, kRunPages> entries;
    u16 untouched = 0;  // How many are; all of them: the run gets 512 frames at once.
  };
  struct ShadowedRom {
    FrameNumber rom;
    FrameNumber ram;
    RomShadow shadow = RomShadow::Rom;
  };

  // All 2 MiB that nobody has touched yet look the same: they share one table, which costs a start
  // nothing. It is replaced by an own one before it is written.
  static Run& untouched_run();
  struct RunDeleter {
    void operator()(Run* run) const;
  };
  using RunPointer = std::unique_ptr<Run, RunDeleter>;

  Run& own_run(u64 index);
  const Run* run_of(u64 page) const {
    const u64 index = page / kRunPages;
    return index < runs_.size() ? runs_[index].get() : nullptr;
  }
  PmapEntry& entry(u64 page) { return own_run(page / kRunPages).entries[page % kRunPages]; }
  PmapEntry& make_entry(u64 page);
  bool is_free_range(PhysAddr first, u64 size_bytes) const;
  FrameNumber take_frame();
  u8* allocate(u64 page);
  void apply_shadow(u64 page, RomShadow shadow);
  void release_ram();
  void save_pages(Archive& archive);
  void load_pages(Archive& archive);

  MachineMemory& memory_;
  u64 quota_frames_;
  u64 frames_in_use_ = 0;
  u64 ram_bytes_ = 0;
  u64 end_page_ = 0;
  bool out_of_memory_ = false;
  // A table for each 2 MiB that holds anything: ROM at the top of 4 GiB costs nothing below it.
  std::vector<RunPointer> runs_;
  std::vector<FrameNumber> rom_frames_;                   // Each once, however often it is aliased.
  boost::container::flat_map<u64, ShadowedRom> shadows_;  // By page, in order for saving; small.
  FrameGathering gathering_{*this};
};

}  // namespace doppel::mmu
