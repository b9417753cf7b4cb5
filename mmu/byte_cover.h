#pragma once

// Which bytes of a page came into something that was made of code: a store beside them is known to be harmless
// without asking block after block. The answer may be too many bytes, never too few.

#include <array>

#include "cpu/base/types.h"

namespace doppel::mmu {

class ByteCover {
 public:
  /// The bytes [begin, end) of the page.
  void add(u64 begin, u64 end) {
    for_each_word(begin, end, [this](u64 word, u64 mask) {
      words_[word] |= mask;
      return true;
    });
  }
  bool touches(u64 begin, u64 end) const {
    bool touched = false;
    for_each_word(begin, end, [&](u64 word, u64 mask) {
      touched = (words_[word] & mask) != 0;
      return !touched;
    });
    return touched;
  }
  void clear() { words_ = {}; }

 private:
  template <class Visit>
  static void for_each_word(u64 begin, u64 end, Visit visit) {
    while (begin < end) {
      const u64 in_word = end < (begin | 63) + 1 ? end - begin : (begin | 63) + 1 - begin;
      if (!visit(begin / 64, (~u64{0} >> (64 - in_word)) << begin % 64)) return;
      begin += in_word;
    }
  }

  std::array<u64, 64> words_{};
};

}  // namespace doppel::mmu
