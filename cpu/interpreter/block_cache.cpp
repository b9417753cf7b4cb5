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
  memory_.tracking().set_code_query([this](PhysAddr address, u64 size) { return is_code(address, size); });
}

bool BlockCache::is_code(PhysAddr address, u64 size) const {
  if (keeper_ != nullptr && keeper_->keeps(address, size)) return true;
  const auto page = pages_.find(address.page_number());
  return page != pages_.end() && page->second.bytes.touches(address.page_offset(), address.page_offset() + size);
}

Block* BlockCache::find_slow(u64 physical, u32 mode_key) {
  const auto page = pages_.find(physical >> kPageShift);
  if (page == pages_.end()) return nullptr;
  for (const OnPage& one : page->second.blocks) {
    if (one.begin != (physical & kPageOffsetMask) || one.block->mode_key != mode_key) continue;
    recent_[slot(physical, mode_key)] = one.block.get();
    return one.block.get();
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
  const u64 begin = raw->physical & kPageOffsetMask;
  page.bytes.add(begin, begin + raw->size_bytes);
  page.blocks.push_back({std::move(block), static_cast<u16>(begin), static_cast<u16>(begin + raw->size_bytes)});
  return raw;
}

void BlockCache::flush() {
  for (auto& [number, page] : pages_) {
    const PhysAddr address(number << kPageShift);
    memory_.tracking().set_code_lines(address, lines_kept(address));
    for (OnPage& one : page.blocks) graveyard_.push_back(std::move(one.block));
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
                                  [&](const OnPage& kept) { return kept.block.get() == &block; });
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
  page.lines.remove(lines_of(*page.blocks[index].block));
  graveyard_.push_back(std::move(page.blocks[index].block));
  page.blocks[index] = std::move(page.blocks.back());
  page.blocks.pop_back();
}

void BlockCache::bury_all() {
  for (std::unique_ptr<Block>& dead : graveyard_) {
    if (spare_.size() == kMostSpare) break;
    spare_.push_back(std::move(dead));
  }
  graveyard_.clear();
}

std::unique_ptr<Block> BlockCache::blank() {
  if (spare_.empty()) return std::make_unique<Block>();
  std::unique_ptr<Block> block = std::move(spare_.back());
  spare_.pop_back();
  std::vector<Instruction> room = std::move(block->instructions);
  *block = {};
  block->instructions = std::move(room);
  return block;
}

void BlockCache::written(PhysAddr address, u64 size) {
  if (keeper_ != nullptr) keeper_->code_changed(address, size);
  const auto page = pages_.find(address.page_number());
  u64 lines = lines_kept(address.page());
  if (page != pages_.end()) {
    kill_touched(page->second, address.page_offset(), address.page_offset() + size);
    lines |= page->second.lines.used();
    if (page->second.blocks.empty()) pages_.erase(page);
  }
  // Lines without code must not stay marked: stores there would go on ending blocks.
  memory_.tracking().set_code_lines(address.page(), lines);
}

void BlockCache::kill_touched(PageBlocks& page, u64 begin, u64 end) {
  if (!page.bytes.touches(begin, end)) return;
  bool none = true;
  for (size_t i = 0; i < page.blocks.size();) {
    const OnPage& one = page.blocks[i];
    if (one.begin >= end || one.end <= begin) {
      ++i;
      continue;
    }
    none = false;
    forget(*one.block);
    take_out(page, i);
  }
  if (!none) return;
  // Only dead blocks had these bytes.
  page.bytes.clear();
  for (const OnPage& one : page.blocks) page.bytes.add(one.begin, one.end);
}

}  // namespace doppel::cpu
