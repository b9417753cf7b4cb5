#pragma once

// Translated blocks: found by where they come from, linked to each other, and forgotten together.
//
// A block is known by its guest-physical address, its offset in CS, the base of CS and the mode: its
// host code has all of them built in. A jump from block to block is patched into the host code, and
// unpatched when the target dies. Host code stays where it is until its region of the cache is used
// anew: somebody may still return into it.

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "jit/code_cache.h"
#include "jit/emitter.h"
#include "mmu/byte_cover.h"
#include "mmu/line_counts.h"

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

/// Pages that one trace may come from.
inline constexpr size_t kMostPages = 4;

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
  boost::container::static_vector<Part, kMostPages> parts;
  std::vector<Place> places;

  void add(u64 rip, u64 physical, u8 length) {
    const u16 offset = static_cast<u16>(physical & kPageOffsetMask);
    const u16 end = static_cast<u16>(offset + length);
    const auto known = std::find_if(parts.begin(), parts.end(), [&](const Part& part) { return part.page == physical >> kPageShift && part.rip == rip - offset; });
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
  u64 rip_of(size_t i) const { return parts[places[i].part].rip + places[i].offset; }
  u64 physical_of(size_t i) const { return parts[places[i].part].page << kPageShift | places[i].offset; }
};

struct TranslatedBlock {
  BlockKey key;
  u32 number = 0;
  u16 count = 0;
  u16 size_bytes = 0;      ///< Of guest code.
  u64 first = 0;           ///< The lowest: guest-physical address.
  std::unique_ptr<const TraceCode> trace_code;  ///< Of a trace. In others instructions follow each other.
  bool is_alive = true;
  bool has_groups = false; ///< That are left to the interpreter where they straddle two pages.
  bool is_trace = false;   ///< Made because it is hot: jit/translator_traces.cpp.
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
    const u64 here = std::min<u64>(size_bytes, kPageSize - (first & kPageOffsetMask));
    if (page_number == first >> kPageShift) return {PhysAddr(first), here};
    return {PhysAddr(key.second_page - 1), size_bytes - here};
  }
};

class BlockTable {
 public:
  explicit BlockTable(CodeCache& cache) : cache_(cache), slots_(kFewestSlots) {}

  TranslatedBlock* find(const BlockKey& key) {
    const u64 hash = hash_of(key);
    for (size_t at = hash & (slots_.size() - 1); slots_[at].block != nullptr; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].hash == hash && slots_[at].block->key == key) return slots_[at].block;
    }
    return nullptr;
  }
  /// Whether a living block begins with these bytes and goes on in another page.
  bool has_straddling(u64 physical, Mode mode) const { return straddling_.contains(straddling_key(physical, mode)); }
  /// The number of the next block to be inserted.
  u32 next_number() const;
  TranslatedBlock& insert(std::unique_ptr<TranslatedBlock> block);
  /// A living block by number, or null.
  TranslatedBlock* by_number(u32 number) const {
    TranslatedBlock* const block = number < numbers_.size() ? numbers_[number] : nullptr;
    return block != nullptr && block->is_alive ? block : nullptr;
  }
  /// Patches a link.
  void link(TranslatedBlock& from, u8 which, TranslatedBlock& to, u32 entry);
  /// Forgets a block; its host code is not freed. `on_death` has been called with it.
  void kill(TranslatedBlock& block);
  /// Kills the blocks that came from bytes [begin, end) of a page. How many.
  size_t kill_touched(u64 page_number, u64 begin, u64 end);
  /// Kills the blocks of a region and frees them: nothing may be running.
  void free_region(unsigned region);
  void free_all();

  /// A block with the bytes of one page that it came from: offsets [begin, end).
  struct OnPage {
    TranslatedBlock* block;
    u16 begin;
    u16 end;
  };
  const std::vector<OnPage>* on_page(u64 page_number) const {
    const auto found = pages_.find(page_number);
    return found == pages_.end() ? nullptr : &found->second.blocks;
  }
  /// Whether the bytes [begin, end) of a page came into living blocks. May be true too often.
  bool touches(u64 page_number, u64 begin, u64 end) const {
    const auto found = pages_.find(page_number);
    return found != pages_.end() && found->second.bytes.touches(begin, end);
  }
  /// The 64-byte lines of a page that living blocks came from.
  u64 lines_on(u64 page_number) const {
    const auto found = pages_.find(page_number);
    return found == pages_.end() ? 0 : found->second.lines.used();
  }
  /// The block, alive or not, whose host code is at this offset of the cache.
  const TranslatedBlock* containing(size_t offset) const;
  size_t live() const { return live_; }
  std::vector<TranslatedBlock*> all_alive() const;
  void set_death_hook(std::function<void(TranslatedBlock&)> hook) { on_death_ = std::move(hook); }

 private:
  // Open addressing, at most half full. Most questions are about code that is not translated: an empty
  // slot says so at once.
  struct Slot {
    u64 hash = 0;
    TranslatedBlock* block = nullptr;
  };
  static constexpr size_t kFewestSlots = 4096;
  static u64 hash_of(const BlockKey& key) {
    u64 mixed = key.physical ^ key.second_page * 5 ^ (key.rip << 21) ^ (u64{key.mode} << 40) ^ key.code_base * 3 ^ u64{key.variant.is_single} << 63 ^
                u64{key.variant.context} << 44;
    mixed *= 0x9e37'79b9'7f4a'7c15;
    return mixed ^ (mixed >> 29);
  }
  /// Where an instruction ends depends on how its bytes are read.
  static u64 straddling_key(u64 physical, Mode mode) { return physical << 3 | mode.decoder_key(); }
  void put(TranslatedBlock& block);
  void remove(const TranslatedBlock& block);

  struct Page {
    std::vector<OnPage> blocks;
    mmu::LineCounts lines;
    mmu::ByteCover bytes;
  };
  static u64 lines_in(const TranslatedBlock& block, u64 page_number) {
    const TranslatedBlock::Part part = block.part_in(page_number);
    return mmu::WriteTracking::lines_of(part.first, part.bytes);
  }
  void join_page(TranslatedBlock& block, u64 page_number);
  void patch(u32 displacement_at, u32 target);
  void leave_page(TranslatedBlock& block, u64 page_number);

  CodeCache& cache_;
  std::vector<Slot> slots_;  // A power of two.
  std::unordered_map<u64, Page> pages_;
  std::unordered_multiset<u64> straddling_;  // By straddling_key.
  std::array<std::vector<std::unique_ptr<TranslatedBlock>>, CodeCache::kRegions> regions_;
  std::vector<TranslatedBlock*> numbers_;
  std::vector<u32> free_numbers_;
  std::function<void(TranslatedBlock&)> on_death_;
  size_t live_ = 0;
};

}  // namespace doppel::jit
