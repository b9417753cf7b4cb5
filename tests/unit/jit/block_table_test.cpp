#include "jit/block_table.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <doctest/doctest.h>

namespace doppel::jit {
namespace {

constexpr size_t kBlockBytes = 256;
constexpr u32 kPatch = 100, kSecondPatch = 120, kCold = 200, kSecondCold = 220;  // Of each block's links.

/// A table on a small cache, and blocks without code.
struct Rig {
  CodeCache cache;
  BlockTable table{cache};
  std::vector<u32> dead;  ///< Numbers, in the order of death.

  Rig() {
    REQUIRE(cache.map(0).ok());
    table.set_death_hook([this](TranslatedBlock& block) { dead.push_back(block.number); });
  }
  TranslatedBlock& add_trace(u64 physical, std::unique_ptr<const TraceCode> code) { return add(physical, 0, 0, 0, std::move(code)); }
  TranslatedBlock& add(u64 physical, u64 size = 16, u32 mode = 0, u64 second_page = 0, std::unique_ptr<const TraceCode> code = nullptr) {
    if (!cache.has_room(kBlockBytes)) table.free_region(cache.next_region());
    auto block = std::make_unique<TranslatedBlock>();
    block->key = {physical, physical, 0, mode, second_page};
    block->size_bytes = static_cast<u16>(size);
    block->trace_code = std::move(code);
    const u32 begin = static_cast<u32>(cache.position());
    block->code.begin = begin;
    block->code.end = begin + static_cast<u32>(kBlockBytes);
    block->code.links.push_back({begin + kPatch, kCold - kPatch});
    block->code.links.push_back({begin + kSecondPatch, kSecondCold - kSecondPatch});
    cache.take(kBlockBytes);
    return table.insert(std::move(block));
  }
  /// Where the jump of a link leads.
  u32 target(const TranslatedBlock& block, unsigned link) {
    const u32 at = block.code.links[link].patch;
    i32 distance;
    std::memcpy(&distance, cache.writable(at), sizeof distance);
    return at + 4 + static_cast<u32>(distance);
  }
  bool finds(const TranslatedBlock& block) { return table.find(block.key) == &block; }
};

TEST_CASE("block_table: every part of the key counts") {
  Rig rig;
  TranslatedBlock& block = rig.add(0x1000);
  CHECK(rig.finds(block));
  BlockKey key = block.key;
  key.rip ^= 0x1'0000'0000;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.physical ^= 0x4000'0000;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.mode = 1;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.code_base = 0x10;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.second_page = 0x2001;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.variant.is_single = true;
  CHECK(rig.table.find(key) == nullptr);
  key = block.key;
  key.variant.context = 1;
  CHECK(rig.table.find(key) == nullptr);
}

TEST_CASE("block_table: blocks that meet in the quick table are all found") {
  Rig rig;
  std::vector<TranslatedBlock*> blocks;
  for (u32 mode = 0; mode < 200; ++mode) blocks.push_back(&rig.add(0x5000, 16, mode * 32));
  for (u64 i = 0; i < 200; ++i) blocks.push_back(&rig.add(0x5000 + (i + 1) * 16384));
  for (TranslatedBlock* const block : blocks) CHECK(rig.finds(*block));
  CHECK(rig.table.live() == 400);
}

TEST_CASE("block_table: a link leads to its target until the target dies, then asks") {
  Rig rig;
  TranslatedBlock& from = rig.add(0x1000);
  TranslatedBlock& to = rig.add(0x2000);
  rig.table.link(from, 0, to, to.code.begin + 8);
  CHECK(rig.target(from, 0) == to.code.begin + 8);
  CHECK(from.targets[0] == &to);
  REQUIRE(to.incoming.size() == 1);
  rig.table.kill(to);
  CHECK(rig.target(from, 0) == from.code.links[0].cold());
  CHECK(from.targets[0] == nullptr);
  CHECK_FALSE(to.is_alive);
  CHECK_FALSE(rig.finds(to));
  CHECK(rig.finds(from));
  CHECK(rig.dead == std::vector<u32>{to.number});
}

TEST_CASE("block_table: who still runs in a dead block must ask where to go") {
  Rig rig;
  TranslatedBlock& from = rig.add(0x1000);
  TranslatedBlock& to = rig.add(0x2000);
  rig.table.link(from, 1, to, to.code.begin);
  rig.table.kill(from);
  CHECK(rig.target(from, 1) == from.code.links[1].cold());
  CHECK(to.incoming.empty());
  CHECK(rig.finds(to));
  rig.table.kill(to);  // Nothing of `from` is touched any more.
  CHECK(rig.table.live() == 0);
}

TEST_CASE("block_table: a block linked to itself dies once") {
  Rig rig;
  TranslatedBlock& block = rig.add(0x1000);
  rig.table.link(block, 0, block, block.code.begin);
  rig.table.link(block, 1, block, block.code.begin);
  rig.table.kill(block);
  rig.table.kill(block);
  CHECK(rig.dead.size() == 1);
  CHECK(rig.target(block, 0) == block.code.links[0].cold());
  CHECK(rig.target(block, 1) == block.code.links[1].cold());
}

TEST_CASE("block_table: a link is made once, and only where there is one") {
  Rig rig;
  TranslatedBlock& from = rig.add(0x1000);
  TranslatedBlock& first = rig.add(0x2000);
  TranslatedBlock& second = rig.add(0x3000);
  rig.table.link(from, 0, first, first.code.begin);
  rig.table.link(from, 0, second, second.code.begin);
  CHECK(rig.target(from, 0) == first.code.begin);
  CHECK(second.incoming.empty());
  rig.table.link(from, 2, second, second.code.begin);
  CHECK(second.incoming.empty());
}

TEST_CASE("block_table: numbers name the living and are given away again after a region is freed") {
  Rig rig;
  const u32 expected = rig.table.next_number();
  TranslatedBlock& block = rig.add(0x1000);
  const u32 number = block.number;
  CHECK(number == expected);
  CHECK(rig.table.by_number(number) == &block);
  rig.table.kill(block);
  CHECK(rig.table.by_number(number) == nullptr);
  // Its code may still run and say its number: nobody else has it until the region is freed.
  std::set<u32> used;
  for (u64 i = 0; i < 50; ++i) used.insert(rig.add(0x10000 + i * 64).number);
  CHECK(used.size() == 50);
  CHECK_FALSE(used.contains(number));
  rig.table.free_all();
  CHECK(rig.table.live() == 0);
  rig.cache.reset();
  CHECK(rig.table.next_number() <= 50);
  CHECK(rig.table.by_number(1000) == nullptr);
}

TEST_CASE("block_table: freeing a region ends the blocks in it and unlinks the others") {
  Rig rig;
  TranslatedBlock& old = rig.add(0x1000);
  const u32 old_number = old.number;
  rig.table.free_region(rig.cache.next_region());
  TranslatedBlock& young = rig.add(0x2000);
  rig.table.link(young, 0, old, old.code.begin);
  rig.table.link(old, 0, young, young.code.begin);
  rig.table.free_region(0);
  CHECK(rig.table.live() == 1);
  CHECK(rig.table.by_number(old_number) == nullptr);
  CHECK(rig.target(young, 0) == young.code.links[0].cold());
  CHECK(young.incoming.empty());
  CHECK(rig.finds(young));
  CHECK(rig.table.on_page(1) == nullptr);
}

TEST_CASE("block_table: a block with an instruction in two pages is known by both") {
  Rig rig;
  TranslatedBlock& block = rig.add(0x1ffd, 7, 0, 0x8001);
  CHECK(block.is_straddling());
  CHECK(rig.table.has_straddling(0x1ffd, Mode(0)));
  CHECK_FALSE(rig.table.has_straddling(0x1ffe, Mode(0)));
  REQUIRE(rig.table.on_page(1) != nullptr);
  REQUIRE(rig.table.on_page(8) != nullptr);
  CHECK(rig.table.on_page(1)->front().block == &block);
  CHECK(rig.table.on_page(8)->front().block == &block);
  const TranslatedBlock::Part first = block.part_in(1), second = block.part_in(8);
  CHECK(first.first.value == 0x1ffd);
  CHECK(first.bytes == 3);
  CHECK(second.first.value == 0x8000);
  CHECK(second.bytes == 4);
  // The same bytes before another page.
  TranslatedBlock& other = rig.add(0x1ffd, 7, 0, 0x9001);
  CHECK(rig.finds(block));
  CHECK(rig.finds(other));
  rig.table.kill(block);
  CHECK(rig.table.has_straddling(0x1ffd, Mode(0)));
  CHECK(rig.table.on_page(8) == nullptr);
  CHECK(rig.finds(other));
  rig.table.kill(other);
  CHECK_FALSE(rig.table.has_straddling(0x1ffd, Mode(0)));
  CHECK(rig.table.on_page(1) == nullptr);
}

TEST_CASE("block_table: a trace is known by all its pages") {
  Rig rig;
  auto code = std::make_unique<TraceCode>();
  code->add(0x1100, 0x1100, 4);
  code->add(0x7ffe, 0x3ffe, 2);
  code->add(0x1120, 0x1120, 3);
  code->add(0x10f0, 0x10f0, 1);
  code->add(0x9010, 0x3010, 5);  // The same physical page at another address.
  REQUIRE(code->parts.size() == 3);
  CHECK(code->rip_of(1) == 0x7ffe);
  CHECK(code->physical_of(4) == 0x3010);
  CHECK(code->physical_of(3) == 0x10f0);
  TranslatedBlock& block = rig.add_trace(0x1100, std::move(code));
  CHECK(block.pages().size() == 2);
  const TranslatedBlock::Part first = block.part_in(1), second = block.part_in(3);
  CHECK(first.first.value == 0x10f0);
  CHECK(first.bytes == 0x33);
  CHECK(second.first.value == 0x3010);
  CHECK(second.bytes == 0x4000 - 0x3010);
  CHECK(rig.table.on_page(1)->size() == 1);
  CHECK(rig.table.on_page(3)->size() == 1);
  CHECK(rig.table.kill_touched(3, 0, 0x10) == 0);
  CHECK(rig.table.kill_touched(3, 0xfff, 0x1000) == 1);
  CHECK(rig.table.on_page(1) == nullptr);
  CHECK(rig.table.on_page(3) == nullptr);
}

TEST_CASE("block_table: a block in one page has all its bytes there") {
  Rig rig;
  TranslatedBlock& block = rig.add(0x1ff0, 16);
  CHECK(block.part_in(1).bytes == 16);
  CHECK_FALSE(block.is_straddling());
  CHECK_FALSE(rig.table.has_straddling(0x1ff0, Mode(0)));
}

TEST_CASE("block_table: an offset of the cache leads to the block there, dead or alive") {
  Rig rig;
  std::vector<TranslatedBlock*> blocks;
  for (u64 i = 0; i < 300; ++i) blocks.push_back(&rig.add(0x1000 + i * 32));
  rig.table.kill(*blocks[7]);
  for (const TranslatedBlock* const block : blocks) {
    CHECK(rig.table.containing(block->code.begin) == block);
    CHECK(rig.table.containing(block->code.end - 1) == block);
  }
  CHECK(rig.table.containing(0) == nullptr);
  CHECK(rig.table.containing(CodeCache::kStubBytes - 1) == nullptr);
  CHECK(rig.table.containing(blocks.back()->code.end) == nullptr);
  CHECK(rig.table.containing(rig.cache.size()) == nullptr);
}

TEST_CASE("block_table: after many links, deaths and evictions every link leads to the living") {
  Rig rig;
  u64 random = 12345;
  const auto next = [&](u64 below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % below;
  };
  for (unsigned step = 0; step < 40'000; ++step) {
    std::vector<TranslatedBlock*> alive;
    const u64 what = next(8);
    if (what < 4 || rig.table.live() < 8) {
      BlockKey key{next(4096) * 16, 0, 0, 0, 0};
      key.rip = key.physical;
      if (rig.table.find(key) == nullptr) rig.add(key.physical);
      continue;
    }
    const u32 number = static_cast<u32>(next(rig.table.next_number() + 600));
    TranslatedBlock* const block = rig.table.by_number(number);
    TranslatedBlock* const other = rig.table.by_number(static_cast<u32>(next(600)));
    if (block == nullptr) continue;
    if (what < 7 && other != nullptr) rig.table.link(*block, static_cast<u8>(next(2)), *other, other->code.begin);
    if (what == 7) rig.table.kill(*block);
  }
  const std::vector<TranslatedBlock*> alive = rig.table.all_alive();
  CHECK(alive.size() == rig.table.live());
  CHECK(alive.size() > 100);
  size_t linked = 0;
  for (TranslatedBlock* const block : alive) {
    for (unsigned i = 0; i < 2; ++i) {
      TranslatedBlock* const to = block->targets[i];
      if (to == nullptr) continue;
      ++linked;
      REQUIRE(to->is_alive);
      REQUIRE(rig.target(*block, i) == to->code.begin);
      const bool is_noted = std::any_of(to->incoming.begin(), to->incoming.end(), [&](const auto& incoming) {
        return incoming.from == block && incoming.link == i;
      });
      REQUIRE(is_noted);
    }
  }
  CHECK(linked > 50);
}

}  // namespace
}  // namespace doppel::jit
