#pragma once

// Translated blocks: found by where they come from, linked to each other, and forgotten together.
//
// A block is known by its guest-physical address, its offset in CS, the base of CS and the mode: its
// host code has all of them built in. A jump from block to block is patched into the host code, and
// unpatched when the target dies. Host code stays where it is until its region of the cache is used
// anew: somebody may still return into it.

#include <array>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "jit/code_cache.h"
#include "jit/emitter.h"

namespace doppel::jit {

struct BlockKey {
  u64 physical = 0;
  u64 rip = 0;
  u64 code_base = 0;
  u32 mode = 0;
  /// Of an instruction that lies in two pages: the physical page of its second part, plus 1.
  u64 second_page = 0;
  bool operator==(const BlockKey&) const = default;
};

struct TranslatedBlock {
  BlockKey key;
  u32 number = 0;
  u16 count = 0;
  u16 size_bytes = 0;
  bool is_alive = true;
  bool has_groups = false;
  u32 left = 0;            ///< Times it was left to the interpreter.
  unsigned table = 0;
  EmittedBlock code;
  std::array<TranslatedBlock*, 2> targets{};  ///< Where its links lead, null while they ask.
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
    u64 bytes;
  };
  Part part_in(u64 page_number) const;
};

class BlockTable {
 public:
  explicit BlockTable(CodeCache& cache) : cache_(cache), recent_(kRecent, nullptr) {}

  TranslatedBlock* find(const BlockKey& key) {
    TranslatedBlock* const block = recent_[recent_slot(key)];
    if (block != nullptr && block->key == key) [[likely]] return block;
    return find_slow(key);
  }
  /// Whether a living block begins with these bytes and goes on in another page.
  bool has_straddling(u64 physical) const { return straddling_.contains(physical); }
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
  /// Kills the blocks of a region and frees them: nothing may be running.
  void free_region(unsigned region);
  void free_all();

  const std::vector<TranslatedBlock*>* on_page(u64 page_number) const {
    const auto found = pages_.find(page_number);
    return found == pages_.end() ? nullptr : &found->second;
  }
  /// The block, alive or not, whose host code is at this offset of the cache.
  const TranslatedBlock* containing(size_t offset) const;
  size_t live() const { return live_; }
  std::vector<TranslatedBlock*> all_alive() const;
  void set_death_hook(std::function<void(TranslatedBlock&)> hook) { on_death_ = std::move(hook); }

 private:
  static constexpr size_t kRecent = 16384;
  struct Hash {
    size_t operator()(const BlockKey& key) const {
      u64 mixed = key.physical ^ key.second_page * 5 ^ (key.rip << 21) ^ (u64{key.mode} << 40) ^ key.code_base * 3;
      mixed *= 0x9e37'79b9'7f4a'7c15;
      return mixed ^ (mixed >> 29);
    }
  };
  static size_t recent_slot(const BlockKey& key) {
    return (key.physical ^ (key.physical >> 13) ^ (u64{key.mode} << 3) ^ (key.mode >> 5)) % kRecent;
  }
  TranslatedBlock* find_slow(const BlockKey& key);
  void patch(u32 displacement_at, u32 target);
  void leave_page(TranslatedBlock& block, u64 page_number);

  CodeCache& cache_;
  std::vector<TranslatedBlock*> recent_;
  std::unordered_map<BlockKey, TranslatedBlock*, Hash> blocks_;
  std::unordered_map<u64, std::vector<TranslatedBlock*>> pages_;
  std::unordered_multiset<u64> straddling_;  // Physical addresses.
  std::array<std::vector<std::unique_ptr<TranslatedBlock>>, CodeCache::kRegions> regions_;
  std::vector<TranslatedBlock*> numbers_;
  std::vector<u32> free_numbers_;
  std::function<void(TranslatedBlock&)> on_death_;
  size_t live_ = 0;
};

}  // namespace doppel::jit
