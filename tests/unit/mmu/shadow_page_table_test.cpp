#include "mmu/shadow_page_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mmu/mmu.h"
#include "tests/unit/mmu/test_paging.h"

using namespace doppel;
using namespace doppel::mmu;

namespace {

struct ShadowMachine : TestPaging {
  explicit ShadowMachine(PagingMode mode_wanted = PagingMode::Level4,
                         PagingScheme scheme = PagingScheme::Shadow)
      : TestPaging(mode_wanted), mmu(physical) {
    physical.tracking().set_protect_hook([this](PhysAddr page) { mmu.page_became_tracked(page); });
    mmu.set_mismatch_hook([this](std::string text) { mismatches.push_back(std::move(text)); });
    mmu.set_paging_scheme(scheme);
    mmu.set_context(context);
  }
  /// What the shadow TLB knew is gone; what the shadow page tables know is not.
  void forget() { mmu.flush_translations(); }
  bool is_tracked(u64 page) { return physical.tracking().is_tracked(PhysAddr(page)); }
  u64 walks() const { return mmu.counters().walks; }
  u32 read(u64 address) {
    const auto value = mmu.read<u32>(LinearAddr(address));
    CHECK(value.ok());
    return value.ok() ? value.value() : 0;
  }
  bool reads(u64 address) { return mmu.read<u32>(LinearAddr(address)).ok(); }
  bool writes(u64 address, u64 value = 0) {
    return mmu.write<u64>(LinearAddr(address), value).ok();
  }
  /// As the guest does it: CR3, and what the processor reads with it.
  void switch_to(u64 cr3) {
    context.cr3 = cr3;
    if (paging_mode(context) == PagingMode::Pae) {
      for (u64 i = 0; i < 4; ++i) context.pdpte[i] = get(cr3 + 8 * i);
    }
    mmu.set_context(context);
  }

  std::vector<std::string> mismatches;
  Mmu mmu;
};

constexpr PagingMode kModes[] = {PagingMode::Bits32, PagingMode::Pae, PagingMode::Level4,
                                 PagingMode::Level5};

}  // namespace

TEST_CASE("shadow_page_table: a second miss of a page needs no walk, in every mode and page size") {
  for (const PagingMode mode : kModes) {
    ShadowMachine m(mode);
    m.map(0x40'0000, 0x7000 | kAll);
    m.map(0x80'0000, kAll | pte::PS, 2);
    m.put(0x7004, 0x11, Width::Dword);
    m.put(0x8004, 0x22, Width::Dword);
    m.switch_to(ShadowMachine::kRoot);
    CHECK(m.read(0x40'0004) == 0x11);
    CHECK(m.read(0x80'8004) == 0x22);
    const u64 walks = m.walks();
    for (unsigned i = 0; i < 3; ++i) {
      m.forget();
      CHECK(m.read(0x40'0004) == 0x11);
      CHECK(m.read(0x80'7004) == 0x11);  // Another address of the large page.
      CHECK(m.read(0x80'8004) == 0x22);
    }
    CHECK(m.walks() == walks);
    CHECK(m.mmu.counters().shadow_hits >= 9);
  }
}

TEST_CASE("shadow_page_table: a switch back to an address space finds what was known of it") {
  ShadowMachine m;
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.reads(0x40'0000));
  m.switch_to(0x30'0000);
  CHECK_FALSE(m.reads(0x40'0000));
  const u64 walks = m.walks();
  m.switch_to(ShadowMachine::kRoot);
  CHECK(m.reads(0x40'0000));
  CHECK(m.walks() == walks);
}

TEST_CASE("shadow_page_table: a changed entry is seen after INVLPG, and the shadow TLB may be stale before") {
  for (const PagingMode mode : kModes) {
    ShadowMachine m(mode);
    const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
    m.put(0x7000, 1, Width::Dword);
    m.put(0x8000, 2, Width::Dword);
    m.switch_to(ShadowMachine::kRoot);
    CHECK(m.read(0x40'0000) == 1);
    m.put(slot, 0x8000 | kAll, m.width());
    CHECK(m.read(0x40'0000) == 1);  // The entry of the shadow TLB stays until it is flushed.
    m.mmu.flush_page(LinearAddr(0x40'0000));
    CHECK(m.read(0x40'0000) == 2);
    m.put(slot, 0, Width::Dword);
    m.forget();
    CHECK_FALSE(m.reads(0x40'0000));
    CHECK(m.mmu.counters().shadow_drops >= 2);
  }
}

TEST_CASE("shadow_page_table: a store to any byte of an entry, or to an entry above, drops what came through") {
  for (unsigned level = 1; level <= 4; ++level) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      ShadowMachine m;
      m.map(0x40'0000, 0x7000 | kAll);
      CHECK(m.reads(0x40'0000));
      const u64 slot = m.entry(0x40'0000, level);
      // The same value: what counts is that somebody stored.
      m.put(slot + byte, m.get(slot + byte, Width::Byte), Width::Byte);
      m.forget();
      const u64 walks = m.walks();
      CHECK(m.reads(0x40'0000));
      CHECK(m.walks() == walks + 1);
      m.put(slot, 0);
      m.forget();
      CHECK_FALSE(m.reads(0x40'0000));
    }
  }
}

TEST_CASE("shadow_page_table: a store beside the used entries drops nothing") {
  ShadowMachine m;
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.reads(0x40'0000));
  const u64 walks = m.walks();
  for (unsigned level = 1; level <= 4; ++level) m.put(m.entry(0x40'0000, level) + 64, 0x5000);
  m.forget();
  CHECK(m.reads(0x40'0000));
  CHECK(m.walks() == walks);
  CHECK(m.mmu.counters().shadow_drops == 0);
}

TEST_CASE("shadow_page_table: one table under two entries and two address spaces") {
  ShadowMachine m;
  constexpr u64 kOther = 0x20'0000;
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  m.put(0x7000, 1, Width::Dword);
  m.put(0x8000, 2, Width::Dword);
  // The same page table at 0x60'0000, and the same directory under another root.
  m.put(m.entry(0x60'0000, 2), m.get(m.entry(0x40'0000, 2)));
  m.put(kOther, m.get(ShadowMachine::kRoot));
  const auto read_all = [&](u32 wanted) {
    for (const u64 root : {ShadowMachine::kRoot, kOther}) {
      m.switch_to(root);
      CHECK(m.read(0x40'0000) == wanted);
      CHECK(m.read(0x60'0000) == wanted);
    }
  };
  read_all(1);
  const u64 walks = m.walks();
  read_all(1);
  CHECK(m.walks() == walks);
  m.put(slot, 0x8000 | kAll);
  read_all(2);
  CHECK(m.walks() == walks + 4);
  // One root loses its half, the other one keeps what it knows.
  m.put(kOther, 0);
  m.switch_to(kOther);
  CHECK_FALSE(m.reads(0x40'0000));
  const u64 before = m.walks();
  m.switch_to(ShadowMachine::kRoot);
  CHECK(m.read(0x40'0000) == 2);
  CHECK(m.walks() == before);
}

TEST_CASE("shadow_page_table: tables that map themselves, changed through their own mapping") {
  ShadowMachine m;
  m.map(0x40'0000, 0x7000 | kAll);
  m.put(0x7000, 1, Width::Dword);
  m.put(0x8000, 2, Width::Dword);
  m.put(ShadowMachine::kRoot + 8 * 256, ShadowMachine::kRoot | kAll);
  const u64 window = 0xffff'8000'0000'0000 + (u64{0x40'0000} >> 12) * 8;  // The page-table entry.
  CHECK(m.read(0x40'0000) == 1);
  CHECK(m.writes(window, 0x8000 | kAll));
  m.mmu.flush_page(LinearAddr(0x40'0000));
  CHECK(m.read(0x40'0000) == 2);
  CHECK(m.writes(window, 0x7000 | kAll));  // Direct stores would not be seen.
  m.mmu.flush_page(LinearAddr(0x40'0000));
  CHECK(m.read(0x40'0000) == 1);
  // The entry that makes the window, through the window.
  const u64 self = 0xffff'8040'2010'0800;
  CHECK(m.mmu.read<u64>(LinearAddr(self)).value() ==
        (ShadowMachine::kRoot | kAll | pte::A));
  CHECK(m.writes(self, 0));
  m.forget();
  CHECK_FALSE(m.reads(self));
  CHECK_FALSE(m.reads(window));
  CHECK(m.read(0x40'0000) == 1);
}

TEST_CASE("shadow_page_table: a store over pages of which one becomes a tracked table on the way") {
  ShadowMachine m;
  m.put(0x8000, 2, Width::Dword);
  m.put(0x9000, 3, Width::Dword);
  m.map(0x60'0000, 0x8000 | kAll);
  const u64 table = m.entry(0x60'0000, 1) & kPageMask;
  m.map(0x5f'f000, table | kAll);  // The page before shows the table of this one.
  std::vector<u64> bytes(513, 0);
  bytes[0] = 0x9000 | kAll;
  CHECK(m.mmu.write_bytes(LinearAddr(0x5f'f000), bytes.data(), bytes.size() * 8).ok());
  CHECK(m.get(0x8000, Width::Dword) == 0);
  m.forget();
  CHECK(m.read(0x60'0000) == 3);
}

TEST_CASE("shadow_page_table: asking for a span tracks nothing, so that a span from before stays good") {
  ShadowMachine m;
  m.put(0x8000, 2, Width::Dword);
  m.put(0x9000, 3, Width::Dword);
  m.map(0x60'0000, 0x8000 | kAll);
  const u64 table = m.entry(0x60'0000, 1) & kPageMask;
  m.map(0x40'0000, table | kAll);
  u8* const to = m.mmu.direct_span(LinearAddr(0x40'0000), 8, Access::Write);
  const u8* const from = m.mmu.direct_span(LinearAddr(0x60'0000), 8, Access::Read);
  REQUIRE(to != nullptr);
  REQUIRE(from != nullptr);
  const u64 entry = 0x9000 | kAll;
  std::memcpy(to, &entry, sizeof entry);
  m.forget();
  CHECK(m.read(0x60'0000) == 3);
}

TEST_CASE("shadow_page_table: a store that covers several entries drops what came through each") {
  ShadowMachine m;
  for (u64 i = 0; i < 4; ++i) m.map(0x40'0000 + (i << 12), (0x7000 + (i << 12)) | kAll);
  const u64 slot = m.entry(0x40'0000, 1);
  for (u64 i = 0; i < 4; ++i) CHECK(m.reads(0x40'0000 + (i << 12)));
  m.put(slot + 4, 0);  // Half of each.
  m.put(slot + 16, 0, Width::Byte);
  const u8 zeros[16] = {};
  m.physical.write_bytes(PhysAddr(slot + 17), zeros);
  m.forget();
  CHECK(m.reads(0x40'0000));
  for (u64 i = 1; i < 4; ++i) CHECK_FALSE(m.reads(0x40'0000 + (i << 12)));
}

TEST_CASE("shadow_page_table: D is set by the first store, and again after the guest cleared it") {
  ShadowMachine m;
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.reads(0x40'0000));
  CHECK((m.get(slot) & (pte::A | pte::D)) == pte::A);
  m.forget();
  CHECK(m.writes(0x40'0000));
  CHECK((m.get(slot) & pte::D) != 0);
  const u64 walks = m.walks();
  m.forget();
  CHECK(m.writes(0x40'0000));
  CHECK(m.walks() == walks);
  m.put(slot, m.get(slot) & ~pte::D);
  m.forget();
  CHECK(m.writes(0x40'0000));
  CHECK((m.get(slot) & pte::D) != 0);
  for (unsigned level = 1; level <= 4; ++level) {
    const u64 entry = m.entry(0x40'0000, level);
    m.put(entry, m.get(entry) & ~pte::A);
    m.forget();
    CHECK(m.reads(0x40'0000));
    CHECK((m.get(entry) & pte::A) != 0);
  }
}

TEST_CASE("shadow_page_table: D set through one page is known of its aliases") {
  ShadowMachine m(PagingMode::Level4, PagingScheme::Check);
  m.map(0x40'0000, 0x7000 | kAll);
  m.put(m.entry(0x60'0000, 2), m.get(m.entry(0x40'0000, 2)));
  CHECK(m.reads(0x40'0000));
  CHECK(m.reads(0x60'0000));
  m.forget();
  CHECK(m.mmu.direct_span(LinearAddr(0x60'0000), 8, Access::Write) != nullptr);
  m.forget();
  CHECK(m.reads(0x40'0000));
  CHECK(m.reads(0x60'0000));
  CHECK(m.mismatches.empty());
}

TEST_CASE("shadow_page_table: rights are those of the moment") {
  ShadowMachine m;
  m.map(0x40'0000, 0x7000 | pte::P | pte::U | pte::NX);
  CHECK(m.reads(0x40'0000));
  CHECK_FALSE(m.writes(0x40'0000));
  m.context.cr0 ^= cr0::WP;
  m.mmu.set_context(m.context);
  CHECK(m.writes(0x40'0000));
  m.context.cr4 |= cr4::SMAP;
  m.mmu.set_context(m.context);
  CHECK_FALSE(m.reads(0x40'0000));
  m.mmu.set_privilege(true, false);
  CHECK(m.reads(0x40'0000));
  CHECK_FALSE(m.mmu.fetch_page(LinearAddr(0x40'0000)).ok());
  m.context.efer &= ~efer::NXE;  // NX is a reserved bit now.
  m.mmu.set_context(m.context);
  CHECK(m.mmu.read<u32>(LinearAddr(0x40'0000)).error().error_code == (pf::P | pf::U | pf::RSVD));
}

TEST_CASE("shadow_page_table: an entry that leads to another table in another mode keeps the first one true") {
  ShadowMachine m(PagingMode::Bits32);
  constexpr u64 kFourGib = u64{1} << 32;
  constexpr u64 kDirectory = 0x20'0000;
  constexpr u64 kTable = 0x21'0000;
  REQUIRE(m.pmap.add_ram(PhysAddr(kFourGib), 4 << 20));
  m.put(0x7000, 1, Width::Dword);
  m.put(0x8000, 2, Width::Dword);
  // Narrow: linear 0 through kTable. Wide, with the next dword: through the page 4 GiB above it.
  m.put(kDirectory, kTable | kAll | u64{1} << 32);
  m.put(kTable, 0x7000 | kAll, Width::Dword);
  m.put(kFourGib + kTable, 0x8000 | kAll);
  m.put(0x30'0000, kDirectory | pte::P);
  const auto use = [&](bool pae) {
    m.context.cr4 = pae ? cr4::PAE : cr4::PSE;
    m.switch_to(pae ? 0x30'0000 : kDirectory);
  };
  for (unsigned i = 0; i < 2; ++i) {
    use(false);
    CHECK(m.read(0) == 1);
    // The narrow directory is a root of its space; make it an inner table as well.
    use(true);
    CHECK(m.read(0) == 2);
  }
  m.put(kDirectory, 0, Width::Dword);
  use(false);
  CHECK_FALSE(m.reads(0));
  use(true);
  CHECK_FALSE(m.reads(0));
}

TEST_CASE("shadow_page_table: a large page that is split, and joined again") {
  ShadowMachine m;
  m.put(0x5000, 5, Width::Dword);
  m.put(0x7000, 7, Width::Dword);
  const u64 directory = m.map(0x60'0000, kAll | pte::PS, 2);
  CHECK(m.read(0x60'5000) == 5);
  CHECK(m.read(0x60'7000) == 7);
  m.put(0x30'0000 + 8 * 5, 0x7000 | kAll);
  m.put(directory, 0x30'0000 | kAll);
  m.mmu.flush_page(LinearAddr(0x60'0000));
  CHECK(m.read(0x60'5000) == 7);
  CHECK_FALSE(m.reads(0x60'7000));
  m.put(directory, kAll | pte::PS);
  m.mmu.flush_page(LinearAddr(0x60'5000));
  m.forget();
  CHECK(m.read(0x60'5000) == 5);
  CHECK(m.read(0x60'7000) == 7);
}

TEST_CASE("shadow_page_table: a page under a storm of stores is let go, and taken again when it is calm") {
  ShadowMachine m;
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x80'0000, 0x8000 | kAll);
  CHECK(m.reads(0x40'0000));
  CHECK(m.is_tracked(slot & kPageMask));
  for (unsigned i = 0; i < ShadowPageTable::kStormStores; ++i) {
    m.put(slot, 0x7000 | kAll);
    m.forget();
    CHECK(m.reads(0x40'0000));
  }
  CHECK_FALSE(m.is_tracked(slot & kPageMask));
  m.put(slot, 0x8000 | kAll);
  m.put(0x8000, 2, Width::Dword);
  m.forget();
  CHECK(m.read(0x40'0000) == 2);  // Walked every time now.
  CHECK_FALSE(m.is_tracked(slot & kPageMask));
  CHECK(m.reads(0x80'0000));
  for (u64 i = 0; i < ShadowPageTable::kCalmTime; ++i) {
    m.forget();
    CHECK(m.reads(0x80'0000));
  }
  m.forget();
  CHECK(m.read(0x40'0000) == 2);
  CHECK(m.is_tracked(slot & kPageMask));
  m.put(slot, 0);
  m.forget();
  CHECK_FALSE(m.reads(0x40'0000));
}

TEST_CASE("shadow_page_table: a page that is no table any more costs one slow store") {
  ShadowMachine m;
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.reads(0x40'0000));
  m.put(slot, 0);
  CHECK(m.is_tracked(slot));
  m.put(slot + 8, 0);
  CHECK_FALSE(m.is_tracked(slot));
  CHECK(m.is_tracked(ShadowMachine::kRoot));
}

TEST_CASE("shadow_page_table: tables in ROM are walked each time") {
  ShadowMachine m;
  u8 table[8] = {0x63, 0x70, 0, 0, 0, 0, 0, 0};  // 0x7000, P W D A
  REQUIRE(m.pmap.add_rom(PhysAddr(0x400'0000), table, sizeof table).ok());
  m.put(m.entry(0x40'0000, 2), 0x400'0000 | kAll);
  for (u64 i = 1; i < 4; ++i) {
    m.forget();
    CHECK(m.reads(0x40'0000));
    CHECK(m.walks() == i);
  }
}

TEST_CASE("shadow_page_table: another line 20 is another machine") {
  ShadowMachine m;
  m.put(0x1000, 0xaa, Width::Byte);
  m.put(0x10'1000, 0xbb, Width::Byte);
  m.map(0x40'0000, 0x10'1000 | kAll);
  CHECK(m.mmu.read<u8>(LinearAddr(0x40'0000)).value() == 0xbb);
  m.physical.set_a20(false);
  m.mmu.flush_all();
  CHECK(m.mmu.read<u8>(LinearAddr(0x40'0000)).value() == 0xaa);
  CHECK(m.mmu.read<u8>(LinearAddr(0x40'0000)).value() == 0xaa);
}

TEST_CASE("shadow_page_table: memory is bounded, and what is dropped for room is found by a walk") {
  ShadowMachine m;
  // 100 spaces with tables of their own, 1000 pages each.
  constexpr u64 kTables = 0x10'0000;
  for (u64 space = 0; space < 100; ++space) {
    const u64 base = kTables + space * 6 * kPageSize;
    m.put(base, (base + 0x1000) | kAll);
    m.put(base + 0x1000, (base + 0x2000) | kAll);
    for (u64 half = 0; half < 2; ++half) {
      m.put(base + 0x2000 + 8 * half, (base + 0x3000 + (half << 12)) | kAll);
      for (u64 i = 0; i < 512; ++i) {
        m.put(base + 0x3000 + (half << 12) + 8 * i, ((space + i) % 256) << 12 | pte::P);
      }
    }
  }
  for (unsigned round = 0; round < 2; ++round) {
    for (u64 space = 0; space < 100; ++space) {
      m.switch_to(kTables + space * 6 * kPageSize);
      for (u64 i = 0; i < 1024; ++i) {
        CHECK(m.mmu.probe(LinearAddr(i << 12), 1, Access::Read).ok());
      }
    }
  }
  m.mmu.set_paging_scheme(PagingScheme::Nested);
  for (u64 page = 0; page < ShadowMachine::kRamBytes; page += kPageSize) CHECK_FALSE(m.is_tracked(page));
}

TEST_CASE("shadow_page_table: nested, shadow and checked paging are the same machine over random tables") {
  // Tables, data and roots come from one small pool, so that entries of any page mean anything at
  // any level. Three machines do the same; tables are changed by the guest and behind its back.
  constexpr u64 kPool = 0x20'0000;
  constexpr u64 kPages = 14;
  constexpr u64 kSlots[] = {0, 1, 511};
  for (const PagingMode mode : kModes) {
    for (u32 seed = 1; seed <= 6; ++seed) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(seed);
      std::mt19937 random(seed);
      const auto below = [&](u64 n) { return random() % n; };
      const auto chance = [&](u64 percent) { return below(100) < percent; };
      ShadowMachine nested(mode, PagingScheme::Nested);
      ShadowMachine shadow(mode, PagingScheme::Shadow);
      ShadowMachine check(mode, PagingScheme::Check);
      ShadowMachine* const machines[] = {&nested, &shadow, &check};
      const u64 width = bytes(nested.width());
      const auto any_entry = [&] {
        return kPool + (below(kPages) << 12) +
               (chance(80) ? kSlots[below(3)] : below(4)) * width;
      };
      const auto any_value = [&] {
        u64 value = kPool + (below(kPages) << 12);
        if (chance(94)) value |= pte::P;
        if (chance(85)) value |= pte::W;
        if (chance(85)) value |= pte::U;
        if (chance(40)) value |= pte::A;
        if (chance(40)) value |= pte::D;
        if (chance(20)) value |= pte::G;
        if (chance(8)) value = (value & 0xfff) | pte::PS | (chance(50) ? 0x20'0000 : 0);
        if (width == 8 && chance(5)) value |= pte::NX;
        if (mode >= PagingMode::Level4 && chance(5)) value |= u64{1} << pte::kKeyShift;
        return value;
      };
      std::array<u64, 6> recent{};
      const auto any_address = [&] {
        u64& place = recent[below(recent.size())];
        if (chance(90)) return place;
        u64 address = below(1024) * 4;
        for (unsigned level = 1; level <= nested.top(); ++level) {
          const bool is_pdpte = mode == PagingMode::Pae && level == 3;
          u64 slot = is_pdpte ? below(4) : kSlots[below(3)];
          if (mode == PagingMode::Bits32 && slot == 511) slot = 1023;
          address |= slot << (12 + (level - 1) * nested.index_bits());
        }
        const unsigned sign = mode == PagingMode::Level4 ? 16 : mode == PagingMode::Level5 ? 7 : 0;
        place = static_cast<u64>(static_cast<i64>(address << sign) >> sign);
        return place;
      };
      const auto all = [&](auto&& act) {
        for (ShadowMachine* m : machines) act(*m);
      };
      for (unsigned i = 0; i < 200; ++i) {
        const u64 where = any_entry();
        const u64 value = any_value();
        all([&](ShadowMachine& m) { m.put(where, value, m.width()); });
      }
      u64 successes = 0;
      for (unsigned step = 0; step < 6000; ++step) {
        const u64 address = any_address();
        const u64 value = any_value();
        const u64 what = below(100);
        if (what < 70) {
          const auto outcome = [&](ShadowMachine& m) -> std::pair<u64, u64> {
            const auto tell = [](const auto& result, u64 good) -> std::pair<u64, u64> {
              if (result.ok()) return {1, good};
              return {2, result.error().error_code};
            };
            const LinearAddr linear(address);
            if (what < 50) {
              const auto got = m.mmu.read<u32>(linear);
              return tell(got, got.ok() ? got.value() : 0);
            }
            if (what < 58) return tell(m.mmu.write<u32>(linear, static_cast<u32>(value)), 0);
            if (what < 62) return tell(m.mmu.write<u64>(linear - 1, value << 8), 0);
            if (what < 65) {
              const auto page = m.mmu.fetch_page(linear);
              return tell(page, page.ok() ? page.value().page.value : 0);
            }
            const LinearAddr over(linear.page() + 0xffc);
            return tell(m.mmu.write<u64>(over, value), 0);
          };
          const auto wanted = outcome(nested);
          CHECK(outcome(shadow) == wanted);
          CHECK(outcome(check) == wanted);
          successes += wanted.first == 1;
        } else if (what < 76) {
          const u64 where = any_entry();
          all([&](ShadowMachine& m) { m.put(where, value, m.width()); });
        } else if (what < 84) {
          const u64 root = kPool + (below(3) << 12);
          // Tables with entries of 4 bytes become tables with entries of 8, and back.
          const bool other_mode = mode <= PagingMode::Pae && chance(20);
          all([&](ShadowMachine& m) {
            if (other_mode) m.context.cr4 ^= cr4::PAE;
            m.switch_to(root);
          });
        } else if (what < 95) {
          const bool user = chance(50);
          const bool ac = chance(50);
          all([&](ShadowMachine& m) { m.mmu.set_privilege(user, ac); });
        } else if (what < 99) {
          const u64 which = below(5);
          all([&](ShadowMachine& m) {
            if (which == 0) m.context.cr0 ^= cr0::WP;
            if (which == 1) m.context.cr4 ^= cr4::SMAP;
            if (which == 2) m.context.cr4 ^= cr4::PGE;
            if (which == 3 && mode != PagingMode::Bits32) m.context.efer ^= efer::NXE;
            if (which == 4 && mode >= PagingMode::Level4) m.context.cr4 ^= cr4::PKE;
            m.context.pkru = 4;
            m.mmu.set_context(m.context);
          });
        } else {
          all([&](ShadowMachine& m) {
            m.physical.set_a20(!m.physical.a20());
            m.mmu.flush_all();
          });
        }
        // How stale the shadow TLB is may differ: tracked pages have fewer entries in it.
        all([&](ShadowMachine& m) { m.forget(); });
        if (step % 500 == 499) {
          for (u64 at = 0; at < kPages << 12; at += 8) {
            const u64 wanted = nested.get(kPool + at);
            CHECK(shadow.get(kPool + at) == wanted);
            CHECK(check.get(kPool + at) == wanted);
          }
        }
      }
      CHECK(check.mismatches == std::vector<std::string>{});
      CHECK(successes > 500);
      CHECK(shadow.mmu.counters().shadow_hits > 100);
    }
  }
}
