#include "mmu/shadow_tlb.h"

#include <bit>
#include <memory>

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

namespace {

// Host pages are never touched here; any page-aligned address does.
u8* host(u64 number) { return reinterpret_cast<u8*>(0x7f00'0000'0000 + (number << kPageShift)); }

bool hits(const ShadowTlb& tlb, Access access, u64 address, size_t size = 1) {
  return tlb.find(access, LinearAddr(address), size) != nullptr;
}

bool fetches(const ShadowTlb& tlb, u64 address) {
  const size_t slot = ShadowTlb::fetch_slot(LinearAddr(address));
  const bool found = tlb.fetch_pages[slot] == LinearAddr(address).page().value;
  CHECK(found == (tlb.fetch_ids[slot] != 0));
  return found;
}

}  // namespace

TEST_CASE("shadow_tlb: neighbouring pages never share a slot, the last and the first included") {
  // An access that starts in one page is tagged by the next: sharing a slot would make it a hit.
  for (const u64 page : {u64{0}, u64{0x7fe}, u64{0x7ff}, u64{0xfff}, u64{0x1000}, u64{0xfffff},
                         u64{0xffffff}, ~u64{0} >> 12, (u64{1} << 51) - 1}) {
    CAPTURE(page);
    const LinearAddr first(page << 12);
    CHECK(ShadowTlb::fetch_slot(first) != ShadowTlb::fetch_slot(first + kPageSize));
    for (const TlbIndex index : {TlbIndex{}, TlbIndex{11, 26}, TlbIndex{8, 60}}) {
      CHECK(index.slot(first.value) != index.slot((first + kPageSize).value));
    }
  }
}

TEST_CASE("shadow_tlb: a hit is for one kind of access, within the page only") {
  auto tlb = std::make_unique<ShadowTlb>();
  CHECK_FALSE(hits(*tlb, Access::Read, 0));
  tlb->fill(Access::Read, LinearAddr(0x5000), host(3), false);
  CHECK(hits(*tlb, Access::Read, 0x5ffc, 4));
  CHECK_FALSE(hits(*tlb, Access::Read, 0x5ffd, 4));
  CHECK_FALSE(hits(*tlb, Access::Write, 0x5000));
  CHECK_FALSE(fetches(*tlb, 0x5000));
  CHECK(tlb->find(Access::Read, LinearAddr(0x5123), 1) == host(3) + 0x123);
}

TEST_CASE("shadow_tlb: what generated code computes is what C++ computes") {
  auto tlb = std::make_unique<ShadowTlb>();
  for (const TlbIndex index : {TlbIndex{}, TlbIndex{11, 30}, TlbIndex{9, 21}}) {
    tlb->set_index(index);
    CHECK(std::popcount(tlb->index_mask) == 12);
    CHECK((tlb->index_mask & kPageSize) != 0);
    for (const u64 address : {u64{0x1234'5678'9abc}, u64{0x7fff'f7ff'e000}, ~u64{0xfff}}) {
      size_t picked = 0;  // As PEXT does.
      unsigned count = 0;
      for (unsigned bit = 0; bit < 64; ++bit) {
        if ((tlb->index_mask >> bit & 1) != 0) picked |= (address >> bit & 1) << count++;
      }
      CHECK(picked == index.slot(address));
      CHECK(picked == tlb->slot(LinearAddr(address)));
      tlb->fill(Access::Read, LinearAddr(address), host(5), false);
      CHECK(tlb->read_tags[picked] + (address >> kPageShift) == 0);
      CHECK(address + tlb->addends[picked] ==
            reinterpret_cast<u64>(host(5)) + LinearAddr(address).page_offset());
    }
  }
}

TEST_CASE("shadow_tlb: fetches of programs a table size apart do not share a slot") {
  const u64 apart = ShadowTlb::kEntries << kPageShift;
  CHECK(ShadowTlb::fetch_slot(LinearAddr(0)) != ShadowTlb::fetch_slot(LinearAddr(apart)));
  CHECK(ShadowTlb::fetch_slot(LinearAddr(apart)) != ShadowTlb::fetch_slot(LinearAddr(2 * apart)));
}

TEST_CASE("shadow_tlb: a page that takes a slot takes it for loads and stores, and says from whom") {
  auto tlb = std::make_unique<ShadowTlb>();
  const LinearAddr one(0x5000);
  const LinearAddr other(0x5000 + (ShadowTlb::kEntries << kPageShift));
  CHECK(tlb->fill(Access::Read, one, host(1), false) == ShadowTlb::kInvalid);
  CHECK(tlb->fill(Access::Write, one, host(1), false) == ShadowTlb::kInvalid);
  CHECK(tlb->fill(Access::Read, other, host(2), false) == ShadowTlb::tag_for(one, 1));
  CHECK_FALSE(hits(*tlb, Access::Read, 0x5000));
  CHECK_FALSE(hits(*tlb, Access::Write, 0x5000));
  CHECK(tlb->find(Access::Read, other, 8) == host(2));
  CHECK_FALSE(hits(*tlb, Access::Write, other.value));
  CHECK(tlb->fill(Access::Write, one, host(1), false) == ShadowTlb::tag_for(other, 1));
  CHECK_FALSE(hits(*tlb, Access::Read, other.value));
  CHECK(tlb->find(Access::Write, one, 8) == host(1));
}

TEST_CASE("shadow_tlb: a page that leads elsewhere now keeps no right to store from before") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Write, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Read, LinearAddr(0x5000), host(2), false);
  CHECK_FALSE(hits(*tlb, Access::Write, 0x5000));
  CHECK(tlb->find(Access::Read, LinearAddr(0x5000), 1) == host(2));
}

namespace {

// As the stub of a site does; even sites are for loads.
void copy(ShadowTlb& tlb, u32 site, u64 address) {
  const LinearAddr page = LinearAddr(address).page();
  const size_t slot = tlb.slot(page);
  REQUIRE((site % 2 == 0 ? tlb.read_tags : tlb.write_tags)[slot] == ShadowTlb::tag_for(page, 1));
  tlb.sites[site].minus_begin = -page.value;
  tlb.sites[site].addend = tlb.addends[slot];
  tlb.sites[site].chain = static_cast<u16>(slot);
  const u64 number = ++tlb.copies_made;
  tlb.copies[number % ShadowTlb::kCopies] = {site * static_cast<u32>(sizeof(ShadowTlb::Site)), tlb.newest_copy[slot]};
  tlb.newest_copy[slot] = static_cast<u32>(number);
}

bool is_filled(const ShadowTlb& tlb, u32 site) { return tlb.sites[site].minus_begin != ShadowTlb::kNoSite; }

// As the stub of a site for runs does.
void copy_run(ShadowTlb& tlb, u32 site, u64 address) {
  const u16 number = tlb.run_of[site % 2][tlb.slot(LinearAddr(address))];
  REQUIRE(number != 0);
  const size_t chain = ShadowTlb::kEntries + number;
  tlb.sites[site].minus_begin = tlb.runs[number].minus_begin;
  tlb.sites[site].addend = tlb.addends[tlb.slot(LinearAddr(address))];
  tlb.sites[site].chain = static_cast<u16>(chain);
  const u64 copy = ++tlb.copies_made;
  tlb.copies[copy % ShadowTlb::kCopies] = {site * static_cast<u32>(sizeof(ShadowTlb::Site)), tlb.newest_copy[chain]};
  tlb.newest_copy[chain] = static_cast<u32>(copy);
}

constexpr u64 kApart = ShadowTlb::kEntries << kPageShift;
constexpr u32 kForRun = ShadowTlb::kPageSites;

// Pages from 5000h on, for loads and stores, which follow each other on the host.
std::unique_ptr<ShadowTlb> with_pages(u64 count, bool global = false) {
  auto tlb = std::make_unique<ShadowTlb>();
  for (u64 i = 0; i < count; ++i) {
    tlb->fill(Access::Read, LinearAddr(0x5000 + i * kPageSize), host(10 + i), global);
    tlb->fill(Access::Write, LinearAddr(0x5000 + i * kPageSize), host(10 + i), global);
  }
  return tlb;
}

}  // namespace

TEST_CASE("shadow_tlb: copies of an entry go when another page takes its slot, others stay") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Write, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Read, LinearAddr(0x6000), host(2), false);
  copy(*tlb, 2, 0x6000);
  copy(*tlb, 2, 0x5000);
  copy(*tlb, 4, 0x6000);
  copy(*tlb, 7, 0x5000);
  copy(*tlb, 8, 0x5000);
  copy(*tlb, 8, 0x6000);
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  CHECK(is_filled(*tlb, 2));
  tlb->fill(Access::Read, LinearAddr(0x5000 + kApart), host(3), false);
  CHECK_FALSE(is_filled(*tlb, 2));
  CHECK_FALSE(is_filled(*tlb, 7));
  CHECK(is_filled(*tlb, 4));
  CHECK(is_filled(*tlb, 8));
  tlb->fill(Access::Read, LinearAddr(0x6000), host(9), false);  // Leads elsewhere.
  CHECK_FALSE(is_filled(*tlb, 4));
  CHECK_FALSE(is_filled(*tlb, 8));
}

TEST_CASE("shadow_tlb: copies go with their entry when the ring of copies has been overrun") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Read, LinearAddr(0x6000), host(2), false);
  copy(*tlb, 2, 0x5000);
  for (unsigned i = 0; i <= ShadowTlb::kCopies; ++i) copy(*tlb, 4, 0x6000);
  tlb->fill(Access::Read, LinearAddr(0x5000 + kApart), host(3), false);
  CHECK_FALSE(is_filled(*tlb, 2));
  copy(*tlb, 2, 0x5000 + kApart);
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  CHECK_FALSE(is_filled(*tlb, 2));
}

TEST_CASE("shadow_tlb: copies of global entries outlive a change of address space and go with the entry") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), true);
  tlb->fill(Access::Read, LinearAddr(0x6000), host(2), false);
  for (unsigned i = 0; i < 3; ++i) {
    copy(*tlb, 4, 0x6000);
    copy(*tlb, 2, 0x5000);
    tlb->flush(true);
    CHECK(is_filled(*tlb, 2));
    CHECK_FALSE(is_filled(*tlb, 4));
    tlb->fill(Access::Read, LinearAddr(0x6000), host(2), false);
  }
  tlb->fill(Access::Read, LinearAddr(0x5000 + kApart), host(3), false);
  CHECK_FALSE(is_filled(*tlb, 2));
}

TEST_CASE("shadow_tlb: copies of global entries are known after many changes of address space") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), true);
  tlb->fill(Access::Read, LinearAddr(0x7000), host(3), true);
  copy(*tlb, 2, 0x5000);
  // More than the ring has room for.
  for (unsigned i = 0; i < ShadowTlb::kCopies; ++i) {
    tlb->fill(Access::Read, LinearAddr(0x6000), host(2), false);
    copy(*tlb, 4, 0x6000);
    copy(*tlb, 6, 0x5000);
    copy(*tlb, 8, 0x7000);
    tlb->flush(true);
    REQUIRE_FALSE(is_filled(*tlb, 4));
    REQUIRE(is_filled(*tlb, 2));
  }
  tlb->fill(Access::Read, LinearAddr(0x5000 + kApart), host(3), false);
  CHECK_FALSE(is_filled(*tlb, 2));
  CHECK_FALSE(is_filled(*tlb, 6));
  CHECK(is_filled(*tlb, 8));
}

TEST_CASE("shadow_tlb: an entry that is global no longer goes with the address space, and so do its copies") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), true);
  copy(*tlb, 2, 0x5000);
  tlb->flush(true);
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  tlb->flush(true);
  CHECK_FALSE(is_filled(*tlb, 2));
}

TEST_CASE("shadow_tlb: a page that becomes tracked loses copies for stores, a flushed one all") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Write, LinearAddr(0x5000), host(1), false);
  copy(*tlb, 2, 0x5000);
  copy(*tlb, 3, 0x5000);
  tlb->revoke_writes(host(1));
  CHECK(is_filled(*tlb, 2));
  CHECK_FALSE(is_filled(*tlb, 3));
  tlb->flush_range(LinearAddr(0x5000), kPageSize);
  CHECK_FALSE(is_filled(*tlb, 2));
}

TEST_CASE("shadow_tlb: a new index forgets data, global entries and copies too, and keeps fetches") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Write, LinearAddr(0x5000), host(1), true);
  tlb->fill_fetch(LinearAddr(0x5000), host(1), true, PhysAddr(0x9000), 4);
  copy(*tlb, 3, 0x5000);
  tlb->set_index({11, 24});
  CHECK_FALSE(hits(*tlb, Access::Write, 0x5000));
  CHECK_FALSE(is_filled(*tlb, 3));
  CHECK(fetches(*tlb, 0x5000));
  tlb->fill(Access::Read, LinearAddr(0x5000), host(1), false);
  tlb->fill(Access::Read, LinearAddr(0x100'5000), host(2), false);
  CHECK(hits(*tlb, Access::Read, 0x5000));
  CHECK(hits(*tlb, Access::Read, 0x100'5000));
}

TEST_CASE("shadow_tlb: a flush keeps global entries if asked to") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Read, LinearAddr(0x1000), host(1), false);
  tlb->fill(Access::Read, LinearAddr(0x2000), host(2), true);
  tlb->flush(true);
  CHECK_FALSE(hits(*tlb, Access::Read, 0x1000));
  CHECK(hits(*tlb, Access::Read, 0x2000));
  tlb->flush(false);
  CHECK_FALSE(hits(*tlb, Access::Read, 0x2000));
  CHECK(tlb->filled() == 0);
}

TEST_CASE("shadow_tlb: a slot follows its last fill, whichever of global and not it was before") {
  auto tlb = std::make_unique<ShadowTlb>();
  const LinearAddr page(0x1000);
  tlb->fill(Access::Read, page, host(1), true);
  tlb->fill(Access::Read, page, host(1), false);
  tlb->flush(true);
  CHECK_FALSE(hits(*tlb, Access::Read, 0x1000));
  tlb->fill(Access::Read, page, host(1), false);
  tlb->fill(Access::Read, page, host(1), true);
  tlb->flush(true);
  CHECK(hits(*tlb, Access::Read, 0x1000));
  tlb->flush_range(page, kPageSize);
  tlb->fill(Access::Read, page, host(1), false);
  tlb->flush(true);
  CHECK_FALSE(hits(*tlb, Access::Read, 0x1000));
}

TEST_CASE("shadow_tlb: filling and dropping one slot for ever stays bounded and right") {
  auto tlb = std::make_unique<ShadowTlb>();
  for (unsigned i = 0; i < 100'000; ++i) {
    tlb->fill(Access::Write, LinearAddr(0x1000), host(1), false);
    tlb->flush_range(LinearAddr(0x1000), kPageSize);
  }
  CHECK(tlb->filled() == 1);
  tlb->fill(Access::Write, LinearAddr(0x1000), host(1), false);
  tlb->flush(true);
  CHECK_FALSE(hits(*tlb, Access::Write, 0x1000));
}

TEST_CASE("shadow_tlb: a range drops its pages of all kinds and no others") {
  auto tlb = std::make_unique<ShadowTlb>();
  for (const u64 size : {u64{2} << 20, u64{1} << 30}) {
    tlb->fill(Access::Read, LinearAddr(0x3fff'f000), host(1), false);
    tlb->fill(Access::Read, LinearAddr(0x4000'0000), host(2), false);
    tlb->fill(Access::Write, LinearAddr(0x4000'5000), host(3), true);
    tlb->fill_fetch(LinearAddr(0x4000'0000 + size - 0x1000), host(4), false, PhysAddr(0), 9);
    tlb->fill(Access::Read, LinearAddr(0x4000'1000 + size), host(5), false);
    tlb->flush_range(LinearAddr(0x4000'0000), size);
    CHECK(hits(*tlb, Access::Read, 0x3fff'f000));
    CHECK_FALSE(hits(*tlb, Access::Read, 0x4000'0000));
    CHECK_FALSE(hits(*tlb, Access::Write, 0x4000'5000));
    CHECK_FALSE(fetches(*tlb, 0x4000'0000 + size - 0x1000));
    CHECK(hits(*tlb, Access::Read, 0x4000'1000 + size));
  }
}

TEST_CASE("shadow_tlb: revoking writes finds every alias of a host page and leaves loads") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Write, LinearAddr(0x1000), host(7), false);
  tlb->fill(Access::Write, LinearAddr(0xffff'8880'0000'2000), host(7), true);
  tlb->fill(Access::Read, LinearAddr(0x1000), host(7), false);
  tlb->fill(Access::Write, LinearAddr(0x3000), host(8), false);
  tlb->revoke_writes(host(7));
  CHECK_FALSE(hits(*tlb, Access::Write, 0x1000));
  CHECK_FALSE(hits(*tlb, Access::Write, 0xffff'8880'0000'2000));
  CHECK(hits(*tlb, Access::Read, 0x1000));
  CHECK(hits(*tlb, Access::Write, 0x3000));
}

TEST_CASE("shadow_tlb: an entry that is global for loads only goes with the others") {
  auto tlb = std::make_unique<ShadowTlb>();
  for (const bool first : {false, true}) {
    tlb->fill(Access::Read, LinearAddr(0x1000), host(1), first);
    tlb->fill(Access::Write, LinearAddr(0x1000), host(1), !first);
    tlb->flush(true);
    CHECK_FALSE(hits(*tlb, Access::Read, 0x1000));
    CHECK_FALSE(hits(*tlb, Access::Write, 0x1000));
  }
}

TEST_CASE("shadow_tlb: fetch entries remember host, physical page and number") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill_fetch(LinearAddr(0x1000), host(7), false, PhysAddr(0x9000), 12);
  tlb->fill(Access::Read, LinearAddr(0x1000), host(8), false);
  const size_t slot = ShadowTlb::fetch_slot(LinearAddr(0x1abc));
  CHECK(fetches(*tlb, 0x1abc));
  CHECK(tlb->fetch_hosts[slot] == host(7));
  CHECK(tlb->fetch_physical[slot] == 0x9000);
  CHECK(tlb->fetch_ids[slot] == 12);
  tlb->flush(true);
  CHECK_FALSE(fetches(*tlb, 0x1000));
}

TEST_CASE("shadow_tlb: pages that follow each other, on the host as well, are a run") {
  auto tlb = with_pages(5);
  CHECK(tlb->join(Access::Read, LinearAddr(0x20000)) == 0);
  CHECK(tlb->join(Access::Read, LinearAddr(0x7123)) == 5 * kPageSize);
  CHECK(tlb->bytes_around(Access::Read, LinearAddr(0x9000)) == 5 * kPageSize);
  CHECK(tlb->bytes_around(Access::Write, LinearAddr(0x9000)) == kPageSize);
  const ShadowTlb::Run& run = tlb->runs[tlb->run_of[0][tlb->slot(LinearAddr(0x5000))]];
  CHECK(run.minus_begin == -u64{0x5000});
  CHECK(run.mask == -(4 * kPageSize));
  CHECK(run.minus_tail == -u64{0x6000});
  // A page that is elsewhere on the host, or is not there for stores, is no part of it.
  tlb->fill(Access::Read, LinearAddr(0x7000), host(30), false);
  CHECK(tlb->bytes_around(Access::Read, LinearAddr(0x9000)) == kPageSize);
  CHECK(tlb->join(Access::Read, LinearAddr(0x7000)) == kPageSize);
  CHECK(tlb->join(Access::Read, LinearAddr(0x9000)) == 2 * kPageSize);
  CHECK(tlb->join(Access::Write, LinearAddr(0x5000)) == 2 * kPageSize);
}

TEST_CASE("shadow_tlb: the first page and the last of all addresses are no neighbours") {
  auto tlb = std::make_unique<ShadowTlb>();
  const u64 last = u64{0} - kPageSize;
  tlb->fill(Access::Read, LinearAddr(last), host(3), false);
  tlb->fill(Access::Read, LinearAddr(0), host(4), false);
  CHECK(tlb->join(Access::Read, LinearAddr(last)) == kPageSize);
  CHECK(tlb->join(Access::Read, LinearAddr(0)) == kPageSize);
}

TEST_CASE("shadow_tlb: copies of a run go with any of its entries, those for stores only if that is for stores") {
  const auto ends = [](auto&& change) {
    auto tlb = with_pages(4);
    tlb->join(Access::Read, LinearAddr(0x5000));
    tlb->join(Access::Write, LinearAddr(0x5000));
    copy_run(*tlb, kForRun + 2, 0x6000);
    copy_run(*tlb, kForRun + 3, 0x6000);
    copy(*tlb, 2, 0x5000);
    change(*tlb);
    CHECK(is_filled(*tlb, 2));
    CHECK(tlb->bytes_around(Access::Write, LinearAddr(0x5000)) == kPageSize);
    CHECK_FALSE(is_filled(*tlb, kForRun + 3));
    CHECK(is_filled(*tlb, kForRun + 2) == (tlb->bytes_around(Access::Read, LinearAddr(0x5000)) == 4 * kPageSize));
    return !is_filled(*tlb, kForRun + 2);
  };
  CHECK(ends([](ShadowTlb& tlb) { tlb.flush_range(LinearAddr(0x8000), kPageSize); }));
  CHECK(ends([](ShadowTlb& tlb) { tlb.fill(Access::Read, LinearAddr(0x7000 + kApart), host(99), false); }));
  CHECK(ends([](ShadowTlb& tlb) { tlb.fill(Access::Write, LinearAddr(0x7000), host(99), false); }));
  CHECK_FALSE(ends([](ShadowTlb& tlb) { tlb.revoke_writes(host(12)); }));
}

TEST_CASE("shadow_tlb: a run of which one page goes with the address space goes as a whole") {
  for (const u64 local : {0, 1, 2}) {
    CAPTURE(local);
    auto tlb = with_pages(3, true);
    tlb->flush_range(LinearAddr(0x5000 + local * kPageSize), kPageSize);
    tlb->fill(Access::Read, LinearAddr(0x5000 + local * kPageSize), host(10 + local), false);
    CHECK(tlb->join(Access::Read, LinearAddr(0x5000)) == 3 * kPageSize);
    copy_run(*tlb, kForRun, 0x5000);
    tlb->flush(true);
    CHECK_FALSE(is_filled(*tlb, kForRun));
  }
  auto tlb = with_pages(3, true);
  tlb->join(Access::Read, LinearAddr(0x5000));
  copy_run(*tlb, kForRun, 0x5000);
  tlb->flush(true);
  CHECK(is_filled(*tlb, kForRun));
  tlb->flush(false);
  CHECK_FALSE(is_filled(*tlb, kForRun));
}

TEST_CASE("shadow_tlb: numbers of runs are given anew, and their copies go") {
  auto tlb = with_pages(2);
  tlb->join(Access::Read, LinearAddr(0x5000));
  copy_run(*tlb, kForRun, 0x5000);
  for (u64 i = 1; i < ShadowTlb::kRuns; ++i) {
    const LinearAddr page(0x101'0000 + 4 * i * kPageSize);
    tlb->fill(Access::Read, page, host(100 + 2 * i), false);
    tlb->fill(Access::Read, page + kPageSize, host(101 + 2 * i), false);
    CHECK(is_filled(*tlb, kForRun));
    CHECK(tlb->join(Access::Read, page) == 2 * kPageSize);
  }
  CHECK_FALSE(is_filled(*tlb, kForRun));
  CHECK(tlb->bytes_around(Access::Read, LinearAddr(0x5000)) == kPageSize);
}

TEST_CASE("shadow_tlb: pages of the host that move take entries along, and copies go") {
  auto tlb = with_pages(3);
  tlb->fill_fetch(LinearAddr(0x6000), host(11), false, PhysAddr(0x9000), 4);
  copy(*tlb, 2, 0x6000);
  copy(*tlb, 4, 0x5000);
  FrameMoves moves(host(0), 64);
  moves.add(11, 40);
  tlb->follow(moves);
  CHECK(tlb->find(Access::Read, LinearAddr(0x6123), 1) == host(40) + 0x123);
  CHECK(tlb->find(Access::Write, LinearAddr(0x6123), 1) == host(40) + 0x123);
  CHECK(tlb->find(Access::Read, LinearAddr(0x5000), 1) == host(10));
  CHECK(tlb->fetch_hosts[ShadowTlb::fetch_slot(LinearAddr(0x6000))] == host(40));
  CHECK_FALSE(is_filled(*tlb, 2));
  CHECK(is_filled(*tlb, 4));
  tlb->revoke_writes(host(40));
  CHECK_FALSE(hits(*tlb, Access::Write, 0x6000));
  CHECK(hits(*tlb, Access::Read, 0x6000));
}

TEST_CASE("shadow_tlb: neighbours are pages that are here, each page of the host once") {
  auto tlb = with_pages(3);
  CHECK(tlb->neighbours(Access::Read, LinearAddr(0x6000), 3) == std::vector<u8*>{host(10), host(11), host(12)});
  tlb->fill(Access::Read, LinearAddr(0x8000), host(11), false);
  tlb->fill(Access::Read, LinearAddr(0x9000), host(20), false);
  CHECK(tlb->neighbours(Access::Read, LinearAddr(0x6000), 3) == std::vector<u8*>{host(10), host(11), host(12)});
  CHECK(tlb->neighbours(Access::Read, LinearAddr(0x9000), 3) == std::vector<u8*>{host(12), host(11), host(20)});
  CHECK(tlb->neighbours(Access::Write, LinearAddr(0x8000), 3).empty());
  CHECK(tlb->neighbours(Access::Read, LinearAddr(0x6000), 2).empty());
}
