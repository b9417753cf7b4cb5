#pragma once

// Which frame stands behind which page of RAM no guest can tell, so frames may be laid out for those who use them most.
//
// What a program sees as one array lies in pages that its kernel took from anywhere. Generated code
// that walks through it finds each page's frame by itself (ShadowTlb::Site), unless the frames follow
// each other as the pages do: then one look serves for all (ShadowTlb::Run). For that a page's bytes move to a frame
// of the *gallery*, a few runs of frames beside the RAM. Its own frame stays its own: when others need the room, it goes
// home. What is contiguous for the guest is so on the host as well, but for the pages that are out.

#include <span>
#include <vector>

#include "cpu/base/address.h"
#include "mmu/frame_moves.h"

namespace doppel::mmu {

class Pmap;

class FrameGathering {
 public:
  static constexpr u32 kGalleryFrames = 4096;  ///< 16 MiB.
  static constexpr u32 kMostPages = kGalleryFrames / 4;

  explicit FrameGathering(Pmap& pmap) : pmap_(pmap) {}

  /// Lets the frames of these pages (host addresses, each once) follow each other.
  /// @return what has moved; empty if nothing had to, or could: all must be RAM, and machine memory not be used up.
  FrameMoves gather(std::span<u8* const> pages);
  /// Everything goes home. Addresses got before are no longer good.
  void dissolve();

 private:
  static constexpr u64 kNoPage = ~u64{0};
  struct Place {
    u64 page = kNoPage;  // Who is here,
    FrameNumber home;    // and its own frame.
  };

  bool has_gallery();
  bool is_place(u32 frame) const { return frame - first_.value < places_.size(); }
  bool fits(u32 base, std::span<const u32> frames) const;
  std::vector<u64> owners_of(std::span<const u32> frames);
  u32 choose_base(std::span<const u32> frames);
  void send_home(u32 frame, FrameMoves& moves);

  Pmap& pmap_;
  FrameNumber first_;
  std::vector<Place> places_;  // Of the gallery, once there is one.
  std::vector<u32> owners_;    // By frame: whose it was when somebody looked.
  u32 next_ = 0;
};

}  // namespace doppel::mmu
