#include "mmu/pmap.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cpu/arch/paging.h"
#include "cpu/base/bits.h"

namespace doppel::mmu {

namespace {

constexpr u64 kEndOfPages = ~u64{0};

bool is_page_range(PhysAddr first, u64 size_bytes) {
  constexpr u64 kLimit = u64{1} << kMaxPhysBits;
  return first.page_offset() == 0 && size_bytes != 0 && size_bytes % kPageSize == 0 &&
         first.value < kLimit && size_bytes <= kLimit - first.value;
}

bool is_all_zeros(const u8* page) {
  return page[0] == 0 && std::memcmp(page, page + 1, kPageSize - 1) == 0;
}

std::string hex(u64 value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

Pmap::Pmap(MachineMemory& memory, u64 quota_frames)
    : memory_(memory), quota_frames_(quota_frames) {}

Pmap::~Pmap() {
  for (auto& [page, shadow] : shadows_) {
    apply_shadow(page, RomShadow::Rom);
    memory_.release(shadow.ram);
  }
  release_ram();
  for (const FrameNumber frame : rom_frames_) memory_.release(frame);
}

// ---- layout -------------------------------------------------------------------------------------

bool Pmap::is_free_range(PhysAddr first, u64 size_bytes) const {
  const u64 end = (first.value + size_bytes) >> kPageShift;
  for (u64 page = first.page_number(); page < end; ++page) {
    if (run_of(page) == nullptr) {
      page |= kRunPages - 1;  // Nothing in these 2 MiB.
    } else if (lookup(PhysAddr(page << kPageShift)).state != PageState::Absent) {
      return false;
    }
  }
  return true;
}

// Never written: see own_run. Shared by all pmaps of the process.
Pmap::Run& Pmap::untouched_run() {
  static Run shared = [] {
    Run run;
    run.entries.fill({FrameNumber{}, PageState::Untouched});
    run.untouched = kRunPages;
    return run;
  }();
  return shared;
}

void Pmap::RunDeleter::operator()(Run* run) const {
  if (run != &untouched_run()) delete run;
}

Pmap::Run& Pmap::own_run(u64 index) {
  if (index >= runs_.size()) runs_.resize(index + 1);
  RunPointer& run = runs_[index];
  if (run == nullptr) {
    run.reset(new Run);
  } else if (run.get() == &untouched_run()) {
    run.reset(new Run(untouched_run()));
  }
  return *run;
}

PmapEntry& Pmap::make_entry(u64 page) {
  end_page_ = std::max(end_page_, page + 1);
  return entry(page);
}

bool Pmap::add_ram(PhysAddr first, u64 size_bytes) {
  if (!is_page_range(first, size_bytes) || !is_free_range(first, size_bytes)) return false;
  const u64 end = (first.value + size_bytes) >> kPageShift;
  for (u64 page = first.page_number(); page < end;) {
    const u64 index = page / kRunPages;
    if (page % kRunPages == 0 && end - page >= kRunPages) {
      if (index >= runs_.size()) runs_.resize(index + 1);
      runs_[index].reset(&untouched_run());
      page += kRunPages;
      continue;
    }
    Run& run = own_run(index);
    run.entries[page % kRunPages].state = PageState::Untouched;
    ++run.untouched;
    ++page;
  }
  end_page_ = std::max(end_page_, end);
  ram_bytes_ += size_bytes;
  return true;
}

Result<void, Error> Pmap::add_rom(PhysAddr first, const u8* bytes, u64 size_bytes) {
  const u64 padded = align_up(size_bytes, kPageSize);
  if (!is_page_range(first, padded)) {
    return Error{"a ROM of " + std::to_string(size_bytes) + " bytes cannot stand at " +
                 hex(first.value)};
  }
  if (!is_free_range(first, padded)) {
    return Error{"the ROM at " + hex(first.value) + " overlaps other memory"};
  }
  const u64 pages = padded >> kPageShift;
  if (pages > quota_frames_ - frames_in_use_ || pages > memory_.free_frames()) {
    return Error{"no machine memory left for the ROM at " + hex(first.value)};
  }
  for (u64 done = 0; done < size_bytes; done += kPageSize) {
    const FrameNumber frame = take_frame();
    if (!frame.valid()) return Error{"no machine memory left for the ROM at " + hex(first.value)};
    const u64 count = std::min(kPageSize, size_bytes - done);
    std::memcpy(memory_.data(frame), bytes + done, count);
    std::memset(memory_.data(frame) + count, 0xff, kPageSize - count);
    rom_frames_.push_back(frame);
    make_entry((first + done).page_number()) = {frame, PageState::ReadOnly};
  }
  return {};
}

bool Pmap::alias_rom(PhysAddr first, PhysAddr source, u64 size_bytes) {
  if (!is_page_range(first, size_bytes) || !is_page_range(source, size_bytes)) return false;
  if (!is_free_range(first, size_bytes)) return false;
  for (u64 done = 0; done < size_bytes; done += kPageSize) {
    if (lookup(source + done).state != PageState::ReadOnly) return false;
  }
  for (u64 done = 0; done < size_bytes; done += kPageSize) {
    make_entry((first + done).page_number()) = lookup(source + done);
  }
  return true;
}

bool Pmap::set_rom_shadow(PhysAddr first, u64 size_bytes, RomShadow shadow) {
  if (!is_page_range(first, size_bytes)) return false;
  const u64 end = (first.value + size_bytes) >> kPageShift;
  u64 missing = 0;
  for (u64 page = first.page_number(); page < end; ++page) {
    if (shadows_.contains(page)) continue;
    if (lookup(PhysAddr(page << kPageShift)).state != PageState::ReadOnly) return false;
    ++missing;
  }
  if (shadow != RomShadow::Rom &&
      (missing > quota_frames_ - frames_in_use_ || missing > memory_.free_frames())) {
    out_of_memory_ = true;
    return false;
  }
  for (u64 page = first.page_number(); page < end; ++page) {
    if (!shadows_.contains(page)) {
      if (shadow == RomShadow::Rom) continue;
      const FrameNumber rom = entry(page).frame;
      const FrameNumber ram = take_frame();
      if (!ram.valid()) return false;
      std::memcpy(memory_.data(ram), memory_.data(rom), kPageSize);
      shadows_.emplace(page, ShadowedRom{rom, ram, RomShadow::Rom});
    }
    apply_shadow(page, shadow);
  }
  return true;
}

void Pmap::apply_shadow(u64 page, RomShadow shadow) {
  ShadowedRom& both = shadows_.find(page)->second;
  both.shadow = shadow;
  entry(page) = {shadow == RomShadow::Rom ? both.rom : both.ram,
                 shadow == RomShadow::Ram ? PageState::Present : PageState::ReadOnly};
}

// ---- cards ---------------------------------------------------------------------------------------

FrameNumber Pmap::take_device_frames(u64 count) {
  if (count == 0 || count % kRunPages != 0 || count > quota_frames_ - frames_in_use_) return {};
  const FrameNumber first = memory_.allocate_runs(count / kRunPages);
  if (first.valid()) frames_in_use_ += count;
  return first;
}

void Pmap::release_device_frames(FrameNumber first, u64 count) {
  memory_.release(first, count);
  frames_in_use_ -= count;
}

bool Pmap::map_device(PhysAddr first, FrameNumber frames, u64 size_bytes) {
  if (!is_page_range(first, size_bytes) || !is_free_range(first, size_bytes)) return false;
  for (u64 i = 0; i < size_bytes >> kPageShift; ++i) {
    make_entry(first.page_number() + i) = {FrameNumber{static_cast<u32>(frames.value + i)},
                                           PageState::Device};
  }
  return true;
}

void Pmap::unmap_device(PhysAddr first, u64 size_bytes) {
  for (u64 i = 0; i < size_bytes >> kPageShift; ++i) {
    PmapEntry& page = entry(first.page_number() + i);
    if (page.state == PageState::Device) page = {};
  }
}

// ---- frames -------------------------------------------------------------------------------------

FrameNumber Pmap::take_frame() {
  const FrameNumber frame =
      frames_in_use_ < quota_frames_ ? memory_.allocate_frame() : FrameNumber{};
  if (frame.valid()) {
    ++frames_in_use_;
  } else {
    out_of_memory_ = true;
  }
  return frame;
}

u8* Pmap::allocate(u64 page) {
  Run& run = own_run(page / kRunPages);
  if (run.untouched == kRunPages && quota_frames_ - frames_in_use_ >= kRunPages) {
    const FrameNumber first = memory_.allocate_run();
    if (first.valid()) {
      frames_in_use_ += kRunPages;
      for (u32 i = 0; i < kRunPages; ++i) {
        run.entries[i] = {FrameNumber{first.value + i}, PageState::Present};
      }
      run.untouched = 0;
      return memory_.data(run.entries[page % kRunPages].frame);
    }
  }
  const FrameNumber frame = take_frame();
  if (!frame.valid()) return nullptr;
  run.entries[page % kRunPages] = {frame, PageState::Present};
  --run.untouched;
  return memory_.data(frame);
}

u8* Pmap::resolve(PhysAddr address) {
  const PmapEntry found = lookup(address);
  switch (found.state) {
    case PageState::Absent:
      return nullptr;
    case PageState::Untouched:
      return allocate(address.page_number());
    case PageState::Present:
    case PageState::ReadOnly:
    case PageState::Shared:
    case PageState::Device:
      break;
  }
  return memory_.data(found.frame);
}

u8* Pmap::resolve_for_store(PhysAddr address) {
  const PmapEntry found = lookup(address);
  if (found.state == PageState::ReadOnly) return nullptr;
  if (found.state != PageState::Shared) return resolve(address);
  const FrameNumber own = take_frame();
  if (!own.valid()) return nullptr;
  std::memcpy(memory_.data(own), memory_.data(found.frame), kPageSize);
  entry(address.page_number()) = {own, PageState::Present};
  return memory_.data(own);
}

FrameNumber Pmap::take_gallery(u64 count) {
  const FrameNumber first = memory_.allocate_runs(count / kRunPages);
  if (first.valid()) memory_.advise_huge(first, count, false);
  return first;
}

void Pmap::release_gallery(FrameNumber first, u64 count) {
  memory_.advise_huge(first, count, true);
  memory_.release(first, count);
}

void Pmap::note_owners(std::vector<u32>& by_frame) const {
  for (u64 index = 0; index < runs_.size(); ++index) {
    if (runs_[index] == nullptr || runs_[index]->untouched == kRunPages) continue;
    for (u64 i = 0; i < kRunPages; ++i) {
      const PmapEntry& entry = runs_[index]->entries[i];
      if (entry.state == PageState::Present) by_frame[entry.frame.value] = static_cast<u32>(index * kRunPages + i);
    }
  }
}

FrameNumber Pmap::move(u64 page, FrameNumber to) {
  PmapEntry& moving = entry(page);
  std::memcpy(memory_.data(to), memory_.data(moving.frame), kPageSize);
  return std::exchange(moving.frame, to);
}

// Gives all RAM frames back, neighbours together; RAM is untouched afterwards.
void Pmap::release_ram() {
  gathering_.dissolve();
  FrameNumber first;
  u64 count = 0;
  const auto flush = [&] {
    if (count != 0) memory_.release(first, count);
    frames_in_use_ -= count;
    count = 0;
  };
  for (u64 index = 0; index < runs_.size(); ++index) {
    if (runs_[index] == nullptr) continue;
    Run& run = *runs_[index];
    for (u64 i = 0; i < kRunPages; ++i) {
      PmapEntry& page = run.entries[i];
      if (page.state != PageState::Present || shadows_.contains(index * kRunPages + i)) continue;
      if (count != 0 && page.frame.value != first.value + count) flush();
      if (count == 0) first = page.frame;
      ++count;
      page = {FrameNumber{}, PageState::Untouched};
      ++run.untouched;
    }
  }
  flush();
}

// ---- save and load ------------------------------------------------------------------------------

void Pmap::serialize(Archive& archive) {
  // Shadowed ROM first: page, which of the two is seen, and the RAM's bytes.
  u64 shadows = shadows_.size();
  archive(shadows);
  if (archive.is_loading()) {
    for (auto& [page, shadow] : shadows_) apply_shadow(page, RomShadow::Rom);
    for (u64 i = 0; i < shadows && !archive.failed(); ++i) {
      u64 page = 0;
      u8 shadow = 0;
      archive(page, shadow);
      if (page >= end_page_ || shadow > static_cast<u8>(RomShadow::Ram) ||
          !set_rom_shadow(PhysAddr(page << kPageShift), kPageSize, RomShadow::Ram)) {
        archive.fail("the ROM page " + hex(page << kPageShift) + " is not ROM in this machine");
        return;
      }
      archive.raw(memory_.data(entry(page).frame), kPageSize);
      apply_shadow(page, static_cast<RomShadow>(shadow));
    }
    load_pages(archive);
    return;
  }
  for (auto& [number, both] : shadows_) {
    u64 page = number;
    archive(page, both.shadow);
    archive.raw(memory_.data(both.ram), kPageSize);
  }
  save_pages(archive);
}

void Pmap::save_pages(Archive& archive) {
  for_each_present([&](PhysAddr address, const u8* bytes) {
    u64 page = address.page_number();
    if (is_all_zeros(bytes) || shadows_.contains(page)) return;
    archive(page);
    archive.raw(memory_.data(lookup(address).frame), kPageSize);
  });
  u64 end = kEndOfPages;
  archive(end);
}

void Pmap::load_pages(Archive& archive) {
  release_ram();
  out_of_memory_ = false;
  while (!archive.failed()) {
    u64 page = 0;
    archive(page);
    if (page == kEndOfPages || archive.failed()) return;
    const PhysAddr address(page << kPageShift);
    const PageState state = page < end_page_ ? lookup(address).state : PageState::Absent;
    const bool is_ram = state == PageState::Untouched || state == PageState::Present;
    if (!is_ram || shadows_.contains(page)) {
      archive.fail("the memory page " + hex(address.value) + " is not RAM in this machine");
      return;
    }
    u8* bytes = resolve(address);
    if (bytes == nullptr) {
      archive.fail("no machine memory left for the page " + hex(address.value));
      return;
    }
    archive.raw(bytes, kPageSize);
  }
}

}  // namespace doppel::mmu
