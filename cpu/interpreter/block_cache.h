#pragma once

// Decoded blocks, found by guest-physical address and mode.
//
// Keyed by physical address, so that processes share what they share in memory. A page with blocks
// is tracked for code: a store to one of its lines drops the blocks that cover it. The block that is
// running may be the one that dies; it is kept until the engine says nothing runs.

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "cpu/engine.h"
#include "cpu/instruction.h"
#include "mmu/byte_cover.h"
#include "mmu/line_counts.h"
#include "mmu/physical_memory.h"

namespace doppel::cpu {

struct Block {
  u64 physical = 0;    ///< Of the first byte.
  u32 mode_key = 0;    ///< Cpu::mode_key() at decoding.
  u32 count = 0;       ///< Instructions.
  u32 size_bytes = 0;  ///< Guest bytes; all in one page.
  u32 runs = 0;        ///< How often the translator has met it.
  std::vector<Instruction> instructions;

  /// Where control went from here: past the end, or elsewhere. Good while `epoch` is the engine's.
  struct Link {
    u64 epoch = 0;
    u64 rip = 0;
    Block* to = nullptr;
  };
  Link links[2];
};

/// Somebody else who keeps what he learnt from guest code: the translator.
class CodeKeeper {
 public:
  virtual ~CodeKeeper() = default;
  /// These bytes, which lie in one page, have changed: forget what came from them.
  virtual void code_changed(PhysAddr address, u64 size) = 0;
  /// Whether something kept came from these bytes, which lie in one page. May be true too often.
  virtual bool keeps(PhysAddr address, u64 size) const = 0;
  /// The 64-byte lines of a page that something kept came from (WriteTracking::lines_of).
  virtual u64 lines_kept(PhysAddr page) const = 0;
};

class BlockCache {
 public:
  /// Installs itself as the observer of stores to code. References must outlive the cache;
  /// `attention` is set when a block dies, so that the running one ends after its instruction.
  BlockCache(mmu::PhysicalMemory& memory, EngineCounters& counters, bool& attention);

  Block* find(u64 physical, u32 mode_key) {
    Block* block = recent_[slot(physical, mode_key)];
    if (block != nullptr && block->physical == physical && block->mode_key == mode_key) [[likely]] {
      return block;
    }
    return find_slow(physical, mode_key);
  }
  Block* insert(std::unique_ptr<Block> block);
  /// Drops everything.
  void flush();
  /// Told of every change of code; its lines stay tracked. Must outlive the cache.
  void set_keeper(CodeKeeper* keeper) { keeper_ = keeper; }
  /// Drops one block, which must not be running.
  void drop(const Block& block);
  void set_limit(u64 instructions) { limit_ = instructions; }
  /// Grows when blocks die.
  u64 epoch() const { return epoch_; }
  /// Takes back what died while it may have been running.
  void bury() {
    if (!graveyard_.empty()) bury_all();
  }
  /// An empty block for insert(): perhaps one that died, with its room for instructions.
  std::unique_ptr<Block> blank();

 private:
  /// Instructions kept before everything is dropped; about 120 bytes each.
  static constexpr u64 kMaxInstructions = 2'000'000;
  static constexpr unsigned kSlotBits = 16;
  static constexpr size_t kMostSpare = 256;

  static size_t slot(u64 physical, u32 mode_key) {
    return (physical ^ (physical >> 14) ^ (u64{mode_key} << 12)) & ((size_t{1} << kSlotBits) - 1);
  }
  /// With the bytes of the page that it came from: offsets [begin, end).
  struct OnPage {
    std::unique_ptr<Block> block;
    u16 begin;
    u16 end;
  };
  struct PageBlocks {
    std::vector<OnPage> blocks;
    mmu::LineCounts lines;
    mmu::ByteCover bytes;
  };

  Block* find_slow(u64 physical, u32 mode_key);
  bool is_code(PhysAddr address, u64 size) const;
  void written(PhysAddr address, u64 size);
  void kill_touched(PageBlocks& page, u64 begin, u64 end);
  u64 lines_kept(PhysAddr page) const { return keeper_ != nullptr ? keeper_->lines_kept(page) : 0; }
  void forget(Block& block);
  void bury_all();

  mmu::PhysicalMemory& memory_;
  EngineCounters& counters_;
  bool& attention_;
  std::vector<Block*> recent_;
  static u64 lines_of(const Block& block) {
    return mmu::WriteTracking::lines_of(PhysAddr(block.physical), block.size_bytes);
  }
  /// Moves a page's block to the graveyard.
  void take_out(PageBlocks& page, size_t index);

  std::unordered_map<u64, PageBlocks> pages_;  // By page number.
  std::vector<std::unique_ptr<Block>> graveyard_;
  std::vector<std::unique_ptr<Block>> spare_;
  CodeKeeper* keeper_ = nullptr;
  u64 limit_ = kMaxInstructions;
  u64 instructions_ = 0;
  u64 epoch_ = 1;
};

}  // namespace doppel::cpu
