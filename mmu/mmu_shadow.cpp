// Misses under shadow paging: what the shadow page tables know, and the walk where they do not.
//
// Rights are asked at use, with the control registers of the moment; what is remembered is what the
// guest's tables say.

#include <cstdio>

#include "mmu/mmu.h"
#include "mmu/shadow_page_table.h"

namespace doppel::mmu {

namespace {

std::string describe(const Translation& found) {
  char text[96];
  std::snprintf(text, sizeof text, "0x%llx (%lluK%s%s%s%s%s, key %u)",
                static_cast<unsigned long long>(found.page.value),
                static_cast<unsigned long long>(found.page_size >> 10),
                found.writable ? " W" : "", found.user ? " U" : "",
                found.executable ? " X" : "", found.global ? " G" : "", found.dirty ? " D" : "",
                found.key);
  return text;
}

bool is_same(const Translation& a, const Translation& b) {
  return a.page == b.page && a.page_size == b.page_size && a.writable == b.writable &&
         a.user == b.user && a.executable == b.executable && a.global == b.global &&
         a.dirty == b.dirty && a.key == b.key;
}

}  // namespace

void Mmu::set_paging_scheme(PagingScheme scheme) {
  if (scheme == scheme_) return;
  scheme_ = scheme;
  if (scheme == PagingScheme::Nested) {
    memory_.tracking().set_observer(TrackReason::PageTable, {});
    shadow_.reset();
    return;
  }
  if (shadow_ != nullptr) return;
  shadow_ = std::make_unique<ShadowPageTable>(memory_);
  shadow_->enter(context_);
  memory_.tracking().set_observer(TrackReason::PageTable, [this](PhysAddr address, u64 size) {
    // A and D bits change nothing that is remembered; where they do, look_up_shadow says so.
    if (walker_.is_updating(address)) return;
    const u64 before = shadow_->drops();
    shadow_->wrote(address, size);
    counters_.shadow_drops += shadow_->drops() - before;
  });
}

u64 Mmu::pages_tracked() const { return shadow_ != nullptr ? shadow_->trackings() : 0; }

Result<Translation> Mmu::look_up_shadow(LinearAddr address, WalkRequest request) {
  const Translation* const found = shadow_->find(address);
  if (found != nullptr && scheme_ == PagingScheme::Shadow &&
      (request.access != Access::Write || found->dirty) &&
      PageWalker::permits(context_, *found, request)) {
    ++counters_.shadow_hits;
    return *found;
  }
  WalkPath path;
  ++counters_.walks;
  Result<Translation> walked = walker_.walk(context_, address, request, &path);
  if (found != nullptr && scheme_ == PagingScheme::Check) {
    compare_with_walk(address, request, *found, walked);
  }
  if (!walked.ok() || path.empty()) return walked;
  if (may_track_) {
    shadow_->remember(address, walked.value(), path);
  } else if (walked.value().dirty) {
    shadow_->became_dirty(path.back());
  }
  return walked;
}

void Mmu::compare_with_walk(LinearAddr address, WalkRequest request, const Translation& known,
                            const Result<Translation>& walked) {
  const bool permitted = PageWalker::permits(context_, known, request);
  std::string wanted;
  if (walked.ok()) {
    // A store sets D as it walks.
    Translation before = walked.value();
    if (request.access == Access::Write) before.dirty = known.dirty;
    if (permitted && is_same(before, known)) return;
    wanted = describe(walked.value());
  } else {
    if (!permitted) return;
    wanted = "a fault";
  }
  if (!mismatch_) return;
  char text[48];
  std::snprintf(text, sizeof text, "at linear 0x%llx",
                static_cast<unsigned long long>(address.value));
  mismatch_(std::string(text) + " the shadow page tables have " + describe(known) +
            (permitted ? "" : ", not permitted,") + " and the walk finds " + wanted);
}

}  // namespace doppel::mmu
