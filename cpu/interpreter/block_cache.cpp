#include "cpu/interpreter/block_cache.h"

#include <algorithm>

namespace doppel::cpu {

BlockCache::BlockCache(mmu::PhysicalMemory& memory, EngineCounters& counters, bool& attention)
    : memory_(memory),
      counters_(counters),
      attention_(attention),
      recent_(size_t{1} << kSlotBits, nullptr) {
  memory_.tracking().set_observer(mmu::TrackReason::Code,
                                  [this](PhysAddr address, u64 size) { written(address, size); });
}

Block* BlockCache::find_slow(u64 physical, u32 mode_key) {
  const auto page = pages_.find(physical >> kPageShift);
  if (page == pages_.end()) return nullptr;
  for (const std::unique_ptr<Block>& block : page->second.blocks) {
    if (block->physical == physical && block->mode_key == mode_key) {
      recent_[slot(physical, mode_key)] = block.get();
      return block.get();
    }
  }
  return nullptr;
}

Block* BlockCache::insert(std::unique_ptr<Block> block) {
  if (instructions_ + block->count > limit_) flush();
  instructions_ += block->count;
  Block* raw = block.get();
  recent_[slot(raw->physical, raw->mode_key)] = raw;
  memory_.tracking().track_code(PhysAddr(raw->physical), raw->size_bytes);
  PageBlocks& page = pages_[raw->physical >> kPageShift];
  page.lines.add(lines_of(*raw));
  page.blocks.push_back(std::move(block));
  return raw;
}

void BlockCache::flush() {
  for (auto& [number, page] : pages_) {
    const PhysAddr address(number << kPageShift);
    memory_.tracking().set_code_lines(address, lines_kept(address));
    std::move(page.blocks.begin(), page.blocks.end(), std::back_inserter(graveyard_));
  }
  pages_.clear();
  std::fill(recent_.begin(), recent_.end(), nullptr);
  instructions_ = 0;
  ++epoch_;
  ++counters_.cache_flushes;
}

void BlockCache::forget(Block& block) {
  Block*& recent = recent_[slot(block.physical, block.mode_key)];
  if (recent == &block) recent = nullptr;
  instructions_ -= block.count;
  attention_ = true;
  ++epoch_;
  ++counters_.blocks_invalidated;
}

void BlockCache::drop(const Block& block) {
  const auto page = pages_.find(block.physical >> kPageShift);
  if (page == pages_.end()) return;
  const auto& blocks = page->second.blocks;
  const auto found = std::find_if(blocks.begin(), blocks.end(),
                                  [&](const std::unique_ptr<Block>& kept) { return kept.get() == &block; });
  if (found == blocks.end()) return;
  Block*& recent = recent_[slot(block.physical, block.mode_key)];
  if (recent == &block) recent = nullptr;
  instructions_ -= block.count;
  ++epoch_;
  // Its lines stay marked: whoever had it dropped keeps what came from them.
  take_out(page->second, static_cast<size_t>(found - blocks.begin()));
  if (blocks.empty()) pages_.erase(page);
}

void BlockCache::take_out(PageBlocks& page, size_t index) {
  page.lines.remove(lines_of(*page.blocks[index]));
  graveyard_.push_back(std::move(page.blocks[index]));
  page.blocks[index] = std::move(page.blocks.back());
  page.blocks.pop_back();
}

void BlockCache::written(PhysAddr address, u64 size) {
  if (keeper_ != nullptr) keeper_->code_changed(address, size);
  const auto page = pages_.find(address.page_number());
  if (page == pages_.end()) {
    if (keeper_ != nullptr) memory_.tracking().set_code_lines(address.page(), lines_kept(address.page()));
    return;
  }
  PageBlocks& found = page->second;
  const u64 first = address.value;
  const u64 end = first + size;
  for (size_t i = 0; i < found.blocks.size();) {
    Block& block = *found.blocks[i];
    if (block.physical >= end || block.physical + block.size_bytes <= first) {
      ++i;
      continue;
    }
    forget(block);
    take_out(found, i);
  }
  // Lines without code must not stay marked: stores there would go on ending blocks.
  const u64 lines = found.lines.used() | lines_kept(address.page());
  if (found.blocks.empty()) pages_.erase(page);
  memory_.tracking().set_code_lines(address.page(), lines);
}

}  // namespace doppel::cpu
