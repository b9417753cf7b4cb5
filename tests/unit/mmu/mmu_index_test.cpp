// Which bits of an address choose its slot: learnt from pages that evict each other.

#include <vector>

#include <doctest/doctest.h>

#include "mmu/mmu.h"
#include "tests/unit/mmu/test_mmu.h"

using namespace doppel;
using namespace doppel::mmu;

TEST_CASE("mmu: buffers whose pages collide are told apart after a few misses") {
  constexpr u64 kSource = 0x10'0000'0000;
  constexpr u64 kPages = 16;
  for (const u64 apart : {u64{64} << 20, u64{16} << 20, (u64{8} << 20) + 0x1000, u64{1} << 40}) {
    CAPTURE(apart);
    TestMmu m(PagingMode::Level4);
    for (u64 page = 0; page < kPages; ++page) {
      m.map(kSource + (page << 12), (0x40'0000 + (page << 12)) | kAll);
      m.map(kSource + apart + (page << 12), (0x80'0000 + (page << 12)) | kAll);
    }
    const u64 generation = m.mmu.generation();
    const auto copy = [&] {
      const u64 before = m.mmu.counters().misses;
      for (u64 at = 0; at < kPages << 12; at += 8) {
        CHECK_FALSE(m.write_fault<u64>(kSource + apart + at, m.read<u64>(kSource + at)).present);
      }
      return m.mmu.counters().misses - before;
    };
    CHECK(copy() < 4 * kPages + 500);
    CHECK(copy() == 0);
    const bool changed = m.mmu.counters().index_changes != 0;
    CHECK(changed == (apart % (u64{16} << 20) == 0));
    CHECK(m.mmu.generation() == generation);  // Nothing changed its meaning.
    for (size_t i = 1; i < Mmu::kPrivilegeClasses; ++i) {
      CHECK(m.mmu.table(static_cast<Mmu::PrivilegeClass>(i)).index == m.mmu.active().index);
    }
  }
}

TEST_CASE("mmu: of three buffers that collide, two are told apart") {
  // Which leaves two misses a round of three, not three.
  constexpr u64 kBuffers[] = {0x10'0000'0000, 0x10'0100'0000, 0x10'0200'0000};
  TestMmu m(PagingMode::Level4);
  for (u64 i = 0; i < 3; ++i) m.map(kBuffers[i], (0x40'0000 + (i << 12)) | kAll);
  const auto round = [&] {
    for (const u64 buffer : kBuffers) CHECK(m.read(buffer) == 0);
  };
  for (unsigned i = 0; i < 100; ++i) round();
  CHECK(m.mmu.counters().index_changes >= 1);
  const u64 misses = m.mmu.counters().misses;
  for (unsigned i = 0; i < 10'000; ++i) round();
  CHECK(m.mmu.counters().misses - misses <= 21'000);
  CHECK(m.mmu.counters().index_changes < 10);
}

TEST_CASE("mmu: what a reset starts anew misses where a new one misses") {
  constexpr u64 kBuffers[] = {0x10'0000'0000, 0x10'0100'0000};
  TestMmu m(PagingMode::Level4);
  for (u64 i = 0; i < 2; ++i) m.map(kBuffers[i], (0x40'0000 + (i << 12)) | kAll);
  const auto misses_of = [&](unsigned rounds) {
    const u64 before = m.mmu.counters().misses;
    for (unsigned i = 0; i < rounds; ++i) {
      for (const u64 buffer : kBuffers) CHECK(m.read(buffer) == 0);
    }
    return m.mmu.counters().misses - before;
  };
  const u64 first = misses_of(200);
  CHECK(m.mmu.counters().index_changes == 1);
  CHECK(misses_of(200) == 0);
  m.mmu.start_anew();
  CHECK(m.mmu.active().index == TlbIndex());
  CHECK(misses_of(200) == first);
}

TEST_CASE("mmu: more pages than slots, one after the other, do not make it choose for ever") {
  TestMmu m(PagingMode::Level4);
  constexpr u64 kPages = 2 * ShadowTlb::kEntries;
  for (u64 page = 0; page < kPages; ++page) m.map(page << 12, ((page % 2048) << 12) | pte::P);
  for (unsigned round = 0; round < 4; ++round) {
    for (u64 page = 0; page < kPages; ++page) CHECK(m.mmu.probe(LinearAddr(page << 12), 1, Access::Read).ok());
  }
  CHECK(m.mmu.counters().index_changes == 0);
}

TEST_CASE("mmu: a guest that collides on purpose pays with misses for each change of index") {
  TestMmu m(PagingMode::Level4);
  // 24 pages of one slot under every index: they differ in bits 56 to 24 in every way.
  std::vector<u64> pages;
  for (u64 i = 0; i < 24; ++i) pages.push_back((i * 0x9e37'79b9'7f4a'7c15 >> 17) & 0x7fff'ff00'0000);
  for (const u64 page : pages) m.map(page, 0x7000 | kAll);
  for (unsigned round = 0; round < 5000; ++round) {
    for (unsigned i = 0; i < 3; ++i) CHECK(m.read(pages[(round / 50 + i * 7) % 24]) == 0);
  }
  const u64 changes = m.mmu.counters().index_changes;
  CHECK(m.mmu.counters().misses >= changes * 64);
  CHECK(changes < 10);
}

TEST_CASE("mmu: an index that was chosen for buffers of the past gives way to pages that the default keeps apart") {
  constexpr u64 kBuffers[] = {0x10'0000'0000, 0x10'0100'0000};
  constexpr u64 kLarge = 0x20'0000'0000;
  TestMmu m(PagingMode::Level4);
  for (u64 i = 0; i < 2; ++i) m.map(kBuffers[i], (0x40'0000 + (i << 12)) | kAll);
  for (u64 page = 0; page < ShadowTlb::kEntries; ++page) m.map(kLarge + (page << 12), (0x50'0000 + (page % 256 << 12)) | kAll);
  for (unsigned i = 0; i < 200; ++i) {
    for (const u64 buffer : kBuffers) CHECK(m.read(buffer) == 0);
  }
  CHECK(m.mmu.active().index != TlbIndex());
  const auto misses_of_a_walk = [&] {
    const u64 before = m.mmu.counters().misses;
    for (u64 i = 0; i < ShadowTlb::kEntries; ++i) {
      // All over the place: no page comes back soon.
      const u64 page = i * 1021 % ShadowTlb::kEntries;
      CHECK(m.read(kLarge + (page << 12)) == 0);
    }
    return m.mmu.counters().misses - before;
  };
  misses_of_a_walk();
  misses_of_a_walk();
  CHECK(misses_of_a_walk() == 0);
  CHECK(m.mmu.active().index == TlbIndex());
  CHECK(m.mmu.counters().index_changes == 2);
}
