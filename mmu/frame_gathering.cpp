#include "mmu/frame_gathering.h"

#include <algorithm>
#include <utility>

#include "mmu/pmap.h"

namespace doppel::mmu {

bool FrameGathering::has_gallery() {
  if (!places_.empty()) return true;
  first_ = pmap_.take_gallery(kGalleryFrames);
  if (first_.valid()) places_.resize(kGalleryFrames);
  return first_.valid();
}

/// The page in this place has its own frame again.
void FrameGathering::send_home(u32 frame, FrameMoves& moves) {
  Place& place = places_[frame - first_.value];
  if (place.page == kNoPage) return;
  pmap_.move(place.page, place.home);
  moves.add(frame, place.home.value);
  place = {};
}

/// Whether these pages may come to stand from `base` on while those that are in the gallery stay, and nobody else has to go.
bool FrameGathering::fits(u32 base, std::span<const u32> frames) const {
  for (u32 i = 0; i < frames.size(); ++i) {
    const u32 wanted = base + i;
    if (!is_place(wanted)) return false;
    if (is_place(frames[i]) ? frames[i] != wanted : places_[wanted - first_.value].page != kNoPage) return false;
  }
  return true;
}

/// The numbers of the pages of RAM that these frames stand behind; nothing if one is something else.
std::vector<u64> FrameGathering::owners_of(std::span<const u32> frames) {
  owners_.resize(pmap_.pool_frames());
  bool is_fresh = false;
  std::vector<u64> found;
  for (const u32 frame : frames) {
    if (frame >= owners_.size()) return {};
    if (!pmap_.has_frame(owners_[frame], frame)) {
      if (!std::exchange(is_fresh, true)) pmap_.note_owners(owners_);
      if (!pmap_.has_frame(owners_[frame], frame)) return {};
    }
    found.push_back(owners_[frame]);
  }
  return found;
}

u32 FrameGathering::choose_base(std::span<const u32> frames) {
  const u32 count = static_cast<u32>(frames.size());
  const auto there = std::find_if(frames.begin(), frames.end(), [this](u32 frame) { return is_place(frame); });
  if (there != frames.end()) {
    const u32 base = *there - static_cast<u32>(there - frames.begin());
    if (fits(base, frames)) {
      // The last ones may have grown.
      if (base - first_.value < next_) next_ = std::max(next_, base - first_.value + count);
      return base;
    }
  }
  if (next_ + count > places_.size()) next_ = 0;
  return first_.value + std::exchange(next_, next_ + count);
}

FrameMoves FrameGathering::gather(std::span<u8* const> pages) {
  FrameMoves moves(pmap_.data(FrameNumber{0}), pmap_.pool_frames());
  std::vector<u32> frames;
  bool follow_each_other = true;
  for (const u8* const page : pages) {
    const u32 frame = pmap_.frame_at(page).value;
    if (!frames.empty() && frame != frames.back() + 1) follow_each_other = false;
    frames.push_back(frame);
  }
  if (follow_each_other || pages.size() > kMostPages || !has_gallery()) return moves;
  const std::vector<u64> numbers = owners_of(frames);
  if (numbers.empty()) return moves;
  const u32 base = choose_base(frames);
  for (u32 i = 0; i < frames.size(); ++i) {
    if (is_place(frames[i]) && frames[i] != base + i) send_home(frames[i], moves);
  }
  for (u32 i = 0; i < frames.size(); ++i) {
    const u32 wanted = base + i;
    Place& place = places_[wanted - first_.value];
    if (place.page == numbers[i]) continue;
    send_home(wanted, moves);
    place = {numbers[i], pmap_.move(numbers[i], FrameNumber{wanted})};
    moves.add(frames[i], wanted);
  }
  return moves;
}

void FrameGathering::dissolve() {
  FrameMoves moves(nullptr, pmap_.pool_frames());
  for (u32 i = 0; i < places_.size(); ++i) send_home(first_.value + i, moves);
  if (!places_.empty()) pmap_.release_gallery(first_, places_.size());
  places_.clear();
  next_ = 0;
}

}  // namespace doppel::mmu
