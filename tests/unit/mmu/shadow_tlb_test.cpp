#include "mmu/shadow_tlb.h"

#include <memory>

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

namespace {

// Host pages are never touched here; any page-aligned address does.
u8* host(u64 number) { return reinterpret_cast<u8*>(0x7f00'0000'0000 + (number << kPageShift)); }

bool hits(const ShadowTlb& tlb, Access access, u64 address, size_t size = 1) {
  return tlb.slot(access, LinearAddr(address)).tag == ShadowTlb::tag_for(LinearAddr(address), size);
}

}  // namespace

TEST_CASE("shadow_tlb: neighbouring pages never share a slot, the last and the first included") {
  // An access that starts in one page is tagged by the next: sharing a slot would make it a hit.
  for (const u64 page : {u64{0}, u64{0x7fe}, u64{0x7ff}, u64{0xfff}, u64{0x1000}, u64{0xfffff},
                         u64{0xffffff}, ~u64{0} >> 12, (u64{1} << 51) - 1}) {
    CAPTURE(page);
    const LinearAddr first(page << 12);
    CHECK(ShadowTlb::index(first) != ShadowTlb::index(first + kPageSize));
  }
}

TEST_CASE("shadow_tlb: a hit is for one kind of access, within the page only") {
  auto tlb = std::make_unique<ShadowTlb>();
  CHECK_FALSE(hits(*tlb, Access::Read, 0));
  tlb->fill(Access::Read, LinearAddr(0x5000), host(3), false);
  CHECK(hits(*tlb, Access::Read, 0x5ffc, 4));
  CHECK_FALSE(hits(*tlb, Access::Read, 0x5ffd, 4));
  CHECK_FALSE(hits(*tlb, Access::Write, 0x5000));
  CHECK_FALSE(hits(*tlb, Access::Fetch, 0x5000));
  CHECK(0x5123 + tlb->slot(Access::Read, LinearAddr(0x5123)).addend ==
        reinterpret_cast<u64>(host(3)) + 0x123);
}

TEST_CASE("shadow_tlb: buffers a table size apart do not share a slot") {
  const u64 apart = ShadowTlb::kEntries << kPageShift;
  CHECK(ShadowTlb::index(LinearAddr(0)) != ShadowTlb::index(LinearAddr(apart)));
  CHECK(ShadowTlb::index(LinearAddr(apart)) != ShadowTlb::index(LinearAddr(2 * apart)));
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
  CHECK(tlb->filled() <= 3 * ShadowTlb::kEntries);
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
    tlb->fill(Access::Fetch, LinearAddr(0x4000'0000 + size - 0x1000), host(4), false);
    tlb->fill(Access::Read, LinearAddr(0x4000'1000 + size), host(5), false);
    tlb->flush_range(LinearAddr(0x4000'0000), size);
    CHECK(hits(*tlb, Access::Read, 0x3fff'f000));
    CHECK_FALSE(hits(*tlb, Access::Read, 0x4000'0000));
    CHECK_FALSE(hits(*tlb, Access::Write, 0x4000'5000));
    CHECK_FALSE(hits(*tlb, Access::Fetch, 0x4000'0000 + size - 0x1000));
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

TEST_CASE("shadow_tlb: fetch entries remember their physical page") {
  auto tlb = std::make_unique<ShadowTlb>();
  tlb->fill(Access::Fetch, LinearAddr(0x1000), host(7), false, PhysAddr(0x9000));
  tlb->fill(Access::Read, LinearAddr(0x1000), host(7), false, PhysAddr(0xa000));
  CHECK(tlb->fetch_page(LinearAddr(0x1abc)) == PhysAddr(0x9000));
}
