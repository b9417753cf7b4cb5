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
#include "jit/translated_block.h"
#include "mmu/byte_cover.h"
#include "mmu/line_counts.h"

namespace doppel::jit {

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
