#include "jit/block_table.h"

#include <algorithm>
#include <cstring>

namespace doppel::jit {

TranslatedBlock::Part TranslatedBlock::part_in(u64 page_number) const {
  const u64 here = std::min<u64>(size_bytes, kPageSize - (key.physical & kPageOffsetMask));
  if (page_number == key.physical >> kPageShift) return {PhysAddr(key.physical), here};
  return {PhysAddr(key.second_page - 1), size_bytes - here};
}

TranslatedBlock* BlockTable::find_slow(const BlockKey& key) {
  const auto found = blocks_.find(key);
  if (found == blocks_.end()) return nullptr;
  recent_[recent_slot(key)] = found->second;
  return found->second;
}

u32 BlockTable::next_number() const {
  return free_numbers_.empty() ? static_cast<u32>(numbers_.size()) : free_numbers_.back();
}

TranslatedBlock& BlockTable::insert(std::unique_ptr<TranslatedBlock> block) {
  TranslatedBlock& inserted = *block;
  inserted.number = next_number();
  if (free_numbers_.empty()) {
    numbers_.push_back(&inserted);
  } else {
    numbers_[inserted.number] = &inserted;
    free_numbers_.pop_back();
  }
  blocks_[inserted.key] = &inserted;
  recent_[recent_slot(inserted.key)] = &inserted;
  pages_[inserted.key.physical >> kPageShift].push_back(&inserted);
  if (inserted.is_straddling()) {
    pages_[inserted.key.second_page >> kPageShift].push_back(&inserted);
    straddling_.insert(inserted.key.physical);
  }
  regions_[cache_.region_of(inserted.code.begin)].push_back(std::move(block));
  ++live_;
  return inserted;
}

void BlockTable::patch(u32 displacement_at, u32 target) {
  const i32 distance = static_cast<i32>(target - (displacement_at + 4));
  std::memcpy(cache_.writable(displacement_at), &distance, sizeof distance);
}

void BlockTable::link(TranslatedBlock& from, u8 which, TranslatedBlock& to, u32 entry) {
  if (which >= from.code.links.size() || from.targets[which] != nullptr) return;
  from.targets[which] = &to;
  to.incoming.push_back({&from, which});
  patch(from.code.links[which].patch, entry);
}

void BlockTable::kill(TranslatedBlock& block) {
  if (!block.is_alive) return;
  block.is_alive = false;
  --live_;
  if (on_death_) on_death_(block);
  for (const TranslatedBlock::Incoming& incoming : block.incoming) {
    const LinkSite& site = incoming.from->code.links[incoming.link];
    patch(site.patch, site.cold);
    incoming.from->targets[incoming.link] = nullptr;
  }
  block.incoming.clear();
  for (u8 i = 0; i < block.targets.size(); ++i) {
    TranslatedBlock* const target = block.targets[i];
    if (target == nullptr) continue;
    std::erase_if(target->incoming, [&](const TranslatedBlock::Incoming& incoming) {
      return incoming.from == &block && incoming.link == i;
    });
    // Who still runs here must ask where to go.
    patch(block.code.links[i].patch, block.code.links[i].cold);
    block.targets[i] = nullptr;
  }
  blocks_.erase(block.key);
  TranslatedBlock*& recent = recent_[recent_slot(block.key)];
  if (recent == &block) recent = nullptr;
  leave_page(block, block.key.physical >> kPageShift);
  if (block.is_straddling()) {
    leave_page(block, block.key.second_page >> kPageShift);
    straddling_.erase(straddling_.find(block.key.physical));
  }
}

void BlockTable::leave_page(TranslatedBlock& block, u64 page_number) {
  const auto page = pages_.find(page_number);
  if (page == pages_.end()) return;
  std::erase(page->second, &block);
  if (page->second.empty()) pages_.erase(page);
}

void BlockTable::free_region(unsigned region) {
  for (const std::unique_ptr<TranslatedBlock>& block : regions_[region]) {
    kill(*block);
    numbers_[block->number] = nullptr;
    free_numbers_.push_back(block->number);
  }
  regions_[region].clear();
}

void BlockTable::free_all() {
  for (unsigned region = 0; region < CodeCache::kRegions; ++region) free_region(region);
}

std::vector<TranslatedBlock*> BlockTable::all_alive() const {
  std::vector<TranslatedBlock*> alive;
  for (const auto& [key, block] : blocks_) alive.push_back(block);
  return alive;
}

const TranslatedBlock* BlockTable::containing(size_t offset) const {
  if (offset < CodeCache::kStubBytes || offset >= cache_.size()) return nullptr;
  const auto& blocks = regions_[cache_.region_of(offset)];
  // In the order they were emitted.
  const auto after = std::upper_bound(blocks.begin(), blocks.end(), offset,
                                      [](size_t wanted, const std::unique_ptr<TranslatedBlock>& block) {
                                        return wanted < block->code.begin;
                                      });
  if (after == blocks.begin()) return nullptr;
  const TranslatedBlock& block = **(after - 1);
  return offset < block.code.end ? &block : nullptr;
}

}  // namespace doppel::jit
