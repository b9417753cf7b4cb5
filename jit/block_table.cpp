#include "jit/block_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace doppel::jit {

void BlockTable::put(TranslatedBlock& block) {
  const u64 hash = hash_of(block.key);
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].block != nullptr) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {hash, &block};
}

void BlockTable::remove(const TranslatedBlock& block) {
  const size_t mask = slots_.size() - 1;
  size_t hole = hash_of(block.key) & mask;
  while (slots_[hole].block != &block) {
    if (slots_[hole].block == nullptr) return;
    hole = (hole + 1) & mask;
  }
  // What was put behind it because the place was taken moves up.
  for (size_t at = (hole + 1) & mask; slots_[at].block != nullptr; at = (at + 1) & mask) {
    const size_t wanted = slots_[at].hash & mask;
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

u32 BlockTable::next_number() const {
  return free_numbers_.empty() ? static_cast<u32>(numbers_.size()) : free_numbers_.back();
}

TranslatedBlock& BlockTable::insert(std::unique_ptr<TranslatedBlock> block) {
  TranslatedBlock& inserted = *block;
  inserted.number = next_number();
  inserted.targets.resize(inserted.code.links.size());
  if (free_numbers_.empty()) {
    numbers_.push_back(&inserted);
  } else {
    numbers_[inserted.number] = &inserted;
    free_numbers_.pop_back();
  }
  if (live_ >= slots_.size() / 2) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : before) {
      if (slot.block != nullptr) put(*slot.block);
    }
  }
  put(inserted);
  for (const u64 page : inserted.pages()) join_page(inserted, page);
  if (inserted.is_straddling()) {
    straddling_.insert(straddling_key(inserted.key.physical, Mode(inserted.key.mode)));
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
    patch(site.patch, site.cold());
    incoming.from->targets[incoming.link] = nullptr;
  }
  block.incoming.clear();
  for (size_t i = 0; i < block.targets.size(); ++i) {
    TranslatedBlock* const target = block.targets[i];
    if (target == nullptr) continue;
    std::erase_if(target->incoming, [&](const TranslatedBlock::Incoming& incoming) {
      return incoming.from == &block && incoming.link == i;
    });
    // Who still runs here must ask where to go.
    patch(block.code.links[i].patch, block.code.links[i].cold());
    block.targets[i] = nullptr;
  }
  remove(block);
  for (const u64 page : block.pages()) leave_page(block, page);
  if (block.is_straddling()) {
    straddling_.erase(straddling_.find(straddling_key(block.key.physical, Mode(block.key.mode))));
  }
}

size_t BlockTable::kill_touched(u64 page_number, u64 begin, u64 end) {
  const auto found = pages_.find(page_number);
  if (found == pages_.end() || !found->second.bytes.touches(begin, end)) return 0;
  size_t killed = 0;
  for (size_t i = 0; i < found->second.blocks.size();) {
    const OnPage& one = found->second.blocks[i];
    if (one.begin >= end || one.end <= begin) {
      ++i;
      continue;
    }
    ++killed;
    const bool is_last = found->second.blocks.size() == 1;
    kill(*one.block);
    if (is_last) return killed;  // The page went with it.
  }
  if (killed == 0) {
    // Only dead blocks had these bytes.
    Page& page = found->second;
    page.bytes.clear();
    for (const OnPage& one : page.blocks) page.bytes.add(one.begin, one.end);
  }
  return killed;
}

void BlockTable::join_page(TranslatedBlock& block, u64 page_number) {
  Page& page = pages_[page_number];
  const TranslatedBlock::Part part = block.part_in(page_number);
  const u64 begin = part.first.page_offset();
  page.blocks.push_back({&block, static_cast<u16>(begin), static_cast<u16>(begin + part.bytes)});
  page.bytes.add(begin, begin + part.bytes);
  page.lines.add(lines_in(block, page_number));
}

void BlockTable::leave_page(TranslatedBlock& block, u64 page_number) {
  const auto page = pages_.find(page_number);
  if (page == pages_.end()) return;
  page->second.lines.remove(lines_in(block, page_number));
  std::erase_if(page->second.blocks, [&](const OnPage& on_page) { return on_page.block == &block; });
  if (page->second.blocks.empty()) pages_.erase(page);
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
  for (const Slot& slot : slots_) {
    if (slot.block != nullptr) alive.push_back(slot.block);
  }
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
