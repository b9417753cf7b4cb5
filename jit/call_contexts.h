#pragma once

// Calls that translated code has gone into without making them on the host.
//
// A trace goes on in the function that it calls, and asks at the function's RET whether that leads back. Who leaves
// the trace in between owes the host's stack the calls that are open. Either they are made then, so that the returns
// to come find them there; or the block that follows is one that knows of them and owes them in turn. Such a block
// is known by a number for its open calls, its *context*; 0 stands for none.

#include <map>
#include <optional>
#include <vector>

#include <boost/container/static_vector.hpp>

#include "cpu/base/types.h"

namespace doppel::jit {

/// Calls that may be open at a time.
inline constexpr size_t kMostOpenCalls = 3;
/// Where each will come back to, offsets in CS, the innermost last.
using OpenCalls = boost::container::static_vector<u64, kMostOpenCalls>;

class CallContexts {
 public:
  /// A power of two: contexts are kept in few bits.
  static constexpr u32 kMost = 1 << 14;

  CallContexts() { clear(); }
  /// 0 if none are open. Nothing if there are too many contexts already.
  std::optional<u32> number_of(const OpenCalls& calls) {
    const auto found = numbers_.find(calls);
    if (found != numbers_.end()) return found->second;
    if (calls_.size() == kMost) return {};
    const u32 number = static_cast<u32>(calls_.size());
    calls_.push_back(calls);
    numbers_.emplace(calls, number);
    return number;
  }
  const OpenCalls& calls_of(u32 context) const { return calls_[context]; }
  void clear() {
    numbers_.clear();
    calls_.clear();
    number_of({});
  }

 private:
  std::map<OpenCalls, u32> numbers_;
  std::vector<OpenCalls> calls_;
};

}  // namespace doppel::jit
