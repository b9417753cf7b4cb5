#pragma once

// Calls and returns on the way of a trace that is being noted.
//
// Each run of a function is an *activation*: the same instruction met again in the same activation is a loop, in
// another one it is a second call.

#include <algorithm>
#include <vector>

#include "jit/call_contexts.h"

namespace doppel::jit {

class Activations {
 public:
  /// With these calls open.
  void begin(const OpenCalls& calls) {
    *this = {};
    for (const u64 back : calls) call(back);
    fewest_ = outermost_ = open_.size();
  }
  /// As many instructions as the trace has by now: those added since ran in the present activation.
  void note_instructions(size_t count) { of_instruction_.resize(count, present()); }
  /// The last one was a near CALL, which will come back to `back`. False if the trace is as deep as it may be.
  bool call(u64 back) {
    if (open_.size() == kMostOpenCalls) return false;
    open_.push_back({back, ++newest_});
    return true;
  }
  /// The last one was RET and led to `rip`. False if that is not where the call came from, or there was none.
  bool come_back(u64 rip) {
    if (open_.empty() || open_.back().back != rip) return false;
    open_.pop_back();
    fewest_ = std::min(fewest_, open_.size());
    return true;
  }
  /// The same calls are open as at the beginning.
  bool is_outermost() const { return open_.size() == outermost_ && fewest_ == outermost_; }
  bool is_present(size_t instruction) const { return of_instruction_[instruction] == present(); }

 private:
  struct Open {
    u64 back;
    u32 activation;
  };
  u32 present() const { return open_.empty() ? 0 : open_.back().activation; }
  boost::container::static_vector<Open, kMostOpenCalls> open_;
  std::vector<u32> of_instruction_;
  u32 newest_ = 0;
  size_t outermost_ = 0;
  size_t fewest_ = 0;  ///< Calls that have been open all the time.
};

}  // namespace doppel::jit
