#pragma once

// A block or trace that has been translated: where it came from, and what became of it.

#include <algorithm>
#include <memory>
#include <vector>

#include "jit/emitter.h"

namespace doppel::jit {

struct BlockKey {
  u64 physical = 0;
  u64 rip = 0;
  u64 code_base = 0;
  u32 mode = 0;
  /// Of an instruction that lies in two pages: the physical page of its second part, plus 1.
  u64 second_page = 0;
  BlockVariant variant = {};
  bool operator==(const BlockKey&) const = default;
};

/// Where the instructions of a trace are.
struct TraceCode {
  /// The bytes [begin, end) of a guest-physical page: from the lowest to the highest that an instruction has.
  struct Part {
    u64 page = 0;  ///< Its number.
    u64 rip = 0;   ///< Offset in CS of its first byte.
    u16 begin = 0;
    u16 end = 0;
  };
  struct Place {
    u8 part = 0;
    u16 offset = 0;
  };
  /// In the order in which the way comes to them.
  boost::container::static_vector<Part, kMostPages> parts;
  std::vector<Place> places;

  void add(u64 rip, u64 physical, u8 length) {
    const u16 offset = static_cast<u16>(physical & kPageOffsetMask);
    const u16 end = static_cast<u16>(offset + length);
    const auto known = std::find_if(parts.begin(), parts.end(), [&](const Part& part) {
      return part.page == physical >> kPageShift && part.rip == rip - offset;
    });
    places.push_back({static_cast<u8>(known - parts.begin()), offset});
    if (known == parts.end()) {
      parts.push_back({physical >> kPageShift, rip - offset, offset, end});
    } else {
      known->begin = std::min(known->begin, offset);
      known->end = std::max(known->end, end);
    }
  }
  void clear() {
    parts.clear();
    places.clear();
  }
  /// Bit n: with instruction n the way comes to another part than the first for the first time.
  u64 entries() const {
    u64 bits = 0;
    size_t known = 1;
    for (size_t i = 0; i < places.size() && known < parts.size(); ++i) {
      if (places[i].part != known) continue;
      bits |= u64{1} << i;
      ++known;
    }
    return bits;
  }
  u64 rip_of(size_t i) const { return parts[places[i].part].rip + places[i].offset; }
  u64 physical_of(size_t i) const { return parts[places[i].part].page << kPageShift | places[i].offset; }
};

struct TranslatedBlock {
  BlockKey key;
  u32 number = 0;
  u16 count = 0;
  u16 size_bytes = 0;      ///< Of guest code.
  std::unique_ptr<const TraceCode> trace_code;  ///< Of a trace. In others instructions follow each other.
  bool is_alive = true;
  bool has_groups = false; ///< That are left to the interpreter where they straddle two pages.
  bool is_trace = false;   ///< Made because it is hot: jit/translator_traces.cpp.
  bool remembers = false;  ///< A trace whose accesses remember pages.
  bool counts_runs = false; ///< Until it becomes a trace.
  bool may_unroll = false; ///< A short loop, of which there is one round.
  u8 guard_counter = 0;    ///< Of Word::GuardMisses, if it is a trace.
  u32 left = 0;            ///< Times it was left because an access reached over the end of its page.
  u32 heat = 0;            ///< Times a sample found it running; of a trace, of late.
  unsigned table = 0;
  u32 fetch_id = 0;        ///< Of its page, see Mmu::fetch_id.
  EmittedBlock code;
  boost::container::small_vector<TranslatedBlock*, 2> targets;  ///< Where its links lead, null while they ask.
  struct Incoming {
    TranslatedBlock* from;
    u8 link;
  };
  std::vector<Incoming> incoming;

  u64 linear() const { return key.code_base + key.rip; }
  bool is_straddling() const { return key.second_page != 0; }
  /// The guest bytes in one page: [first, first + bytes), or none.
  struct Part {
    PhysAddr first;
    u64 bytes = 0;
    Part joined(const Part& other) const {
      if (bytes == 0) return other;
      const u64 begin = std::min(first.value, other.first.value);
      return {PhysAddr(begin), std::max(first.value + bytes, other.first.value + other.bytes) - begin};
    }
  };
  /// The numbers of the guest-physical pages that it came from, each once.
  boost::container::static_vector<u64, kMostPages> pages() const {
    boost::container::static_vector<u64, kMostPages> numbers = {key.physical >> kPageShift};
    const auto add = [&](u64 page) {
      if (std::find(numbers.begin(), numbers.end(), page) == numbers.end()) numbers.push_back(page);
    };
    if (is_straddling()) add(key.second_page >> kPageShift);
    if (trace_code != nullptr) {
      for (const TraceCode::Part& part : trace_code->parts) add(part.page);
    }
    return numbers;
  }
  Part part_in(u64 page_number) const {
    if (trace_code != nullptr) {
      Part all;
      for (const TraceCode::Part& part : trace_code->parts) {
        if (part.page == page_number) all = all.joined({PhysAddr(part.page << kPageShift | part.begin), u64{part.end} - part.begin});
      }
      return all;
    }
    const u64 here = std::min<u64>(size_bytes, kPageSize - (key.physical & kPageOffsetMask));
    if (page_number == key.physical >> kPageShift) return {PhysAddr(key.physical), here};
    return {PhysAddr(key.second_page - 1), size_bytes - here};
  }
};

}  // namespace doppel::jit
