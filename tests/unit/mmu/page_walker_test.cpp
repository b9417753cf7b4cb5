#include "mmu/page_walker.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_paging.h"

using namespace doppel;
using namespace doppel::mmu;

namespace {

constexpr WalkRequest kRead{Access::Read, Privilege::Supervisor, false};
constexpr WalkRequest kWrite{Access::Write, Privilege::Supervisor, false};
constexpr WalkRequest kFetch{Access::Fetch, Privilege::Supervisor, false};
constexpr WalkRequest kUserRead{Access::Read, Privilege::User, false};
constexpr WalkRequest kUserWrite{Access::Write, Privilege::User, false};
constexpr WalkRequest kUserFetch{Access::Fetch, Privilege::User, false};

constexpr u64 kLinear = 0x1234'5678;

struct Walker : TestPaging {
  explicit Walker(PagingMode mode_wanted) : TestPaging(mode_wanted), walker(physical) {}

  // The physical page, or all ones for a fault.
  u64 page(u64 linear, WalkRequest request = kRead) {
    const auto found = walker.walk(context, LinearAddr(linear), request);
    return found.ok() ? found.value().page.value : ~u64{0};
  }
  // The error code, or all ones if the walk succeeds.
  u32 code(u64 linear, WalkRequest request = kRead) {
    const auto found = walker.walk(context, LinearAddr(linear), request);
    if (found.ok()) return ~0u;
    CHECK(found.error().vector == Vector::PF);
    CHECK(found.error().address == linear);
    return found.error().error_code;
  }
  std::string reason(u64 linear, WalkRequest request, unsigned level) {
    PageWalker::Steps steps;
    CHECK_FALSE(walker.explain(context, LinearAddr(linear), request, steps).ok());
    for (const WalkStep& step : steps) {
      if (step.failure != nullptr) return step.level == level ? step.failure : "at another level";
    }
    return "no reason";
  }

  PageWalker walker;
};

constexpr u32 kFine = ~0u;
constexpr PagingMode kPagedModes[] = {PagingMode::Bits32, PagingMode::Pae, PagingMode::Level4,
                                      PagingMode::Level5};

}  // namespace

TEST_CASE("page_walker: without paging addresses mean themselves and everything is allowed") {
  Walker w(PagingMode::None);
  CHECK(w.page(0xfedc'ba98, kUserWrite) == 0xfedc'b000);
  CHECK(w.page(0x1000, kUserFetch) == 0x1000);
  CHECK(w.walker.walk(w.context, LinearAddr(0), kRead).value().dirty);
}

TEST_CASE("page_walker: each mode finds 4 KiB pages and reports combined rights") {
  for (const PagingMode mode : kPagedModes) {
    CAPTURE(static_cast<int>(mode));
    Walker w(mode);
    w.map(kLinear, 0x7000 | kAll);
    CHECK(w.page(kLinear, kUserWrite) == 0x7000);
    CHECK(w.page(kLinear, kUserFetch) == 0x7000);
    CHECK(w.code(kLinear + 0x1000) == 0);
    const auto found = w.walker.walk(w.context, LinearAddr(kLinear), kRead);
    CHECK(found.value().writable);
    CHECK(found.value().user);
    CHECK(found.value().executable);
    CHECK(found.value().page_size == 4096);
  }
}

TEST_CASE("page_walker: user and write rights are combined over all levels") {
  for (const PagingMode mode : kPagedModes) {
    const unsigned top = mode == PagingMode::Bits32 || mode == PagingMode::Pae ? 2
                         : mode == PagingMode::Level4                          ? 4
                                                                               : 5;
    for (unsigned level = 1; level <= top; ++level) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(level);
      Walker w(mode);
      w.map(kLinear, 0x7000 | kAll);
      const u64 slot = w.entry(kLinear, level);
      const u64 full = w.get(slot, w.width());
      w.put(slot, full & ~pte::W, w.width());
      CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U));
      CHECK(w.reason(kLinear, kUserWrite, level) == "W=0");
      CHECK(w.code(kLinear, kUserRead) == kFine);
      w.put(slot, full & ~pte::U, w.width());
      CHECK(w.code(kLinear, kUserRead) == (pf::P | pf::U));
      CHECK(w.reason(kLinear, kUserRead, level) == "U=0");
      CHECK(w.code(kLinear, kRead) == kFine);
      w.put(slot, full & ~pte::P, w.width());
      CHECK(w.code(kLinear, kUserWrite) == (pf::W | pf::U));
      CHECK(w.reason(kLinear, kUserWrite, level) == "P=0");
    }
  }
}

TEST_CASE("page_walker: CR0.WP decides whether the supervisor obeys R/W") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | pte::P | pte::U);
  CHECK(w.code(kLinear, kWrite) == (pf::P | pf::W));
  w.context.cr0 &= ~cr0::WP;
  CHECK(w.code(kLinear, kWrite) == kFine);
  CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U));
}

TEST_CASE("page_walker: accessed on every level, dirty on the leaf for stores only") {
  for (const PagingMode mode : kPagedModes) {
    CAPTURE(static_cast<int>(mode));
    Walker w(mode);
    w.map(kLinear, 0x7000 | kAll);
    const unsigned top = mode == PagingMode::Pae ? 2 : w.top();
    CHECK_FALSE(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().dirty);
    for (unsigned level = 1; level <= top; ++level) {
      CHECK((w.get(w.entry(kLinear, level), w.width()) & (pte::A | pte::D)) == pte::A);
    }
    CHECK(w.walker.walk(w.context, LinearAddr(kLinear), kWrite).value().dirty);
    CHECK((w.get(w.entry(kLinear, 1), w.width()) & pte::D) != 0);
    CHECK((w.get(w.entry(kLinear, 2), w.width()) & pte::D) == 0);
    CHECK(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().dirty);
  }
}

TEST_CASE("page_walker: a refused access and a question leave no accessed or dirty bits") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | pte::P);
  CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U));
  PageWalker::Steps steps;
  CHECK(w.walker.explain(w.context, LinearAddr(kLinear), kRead, steps).ok());
  CHECK(steps.size() == 4);
  CHECK(steps[0].level == 4);
  CHECK(steps[3].entry_address.value == w.entry(kLinear, 1));
  for (unsigned level = 1; level <= 4; ++level) {
    CHECK((w.get(w.entry(kLinear, level)) & (pte::A | pte::D)) == 0);
  }
}

TEST_CASE("page_walker: 32-bit large pages exist with CR4.PSE only") {
  Walker w(PagingMode::Bits32);
  w.map(0x0080'0000, 0x0040'0000 | kAll | pte::PS, 2);
  CHECK(w.page(0x0080'0000 + 0x12'3456) == 0x0052'3000);
  CHECK(w.walker.walk(w.context, LinearAddr(0x0080'0000), kRead).value().page_size == 4 << 20);
  w.context.cr4 &= ~cr4::PSE;
  w.put(0x0040'0000 + 4 * 0x123, 0x9000 | kAll, Width::Dword);
  CHECK(w.page(0x0080'0000 + 0x12'3456) == 0x9000);
}

TEST_CASE("page_walker: PSE-36 takes address bits 39-32 from bits 20-13, and bit 21 is reserved") {
  Walker w(PagingMode::Bits32);
  w.map(0x0080'0000, 0x0040'0000 | kAll | pte::PS | (u64{0xa5} << 13), 2);
  CHECK(w.page(0x0080'1000) == 0xa5'0040'1000);
  w.map(0x0080'0000, 0x0040'0000 | kAll | pte::PS | (1u << 12), 2);  // PAT
  CHECK(w.page(0x0080'1000) == 0x0040'1000);
  w.map(0x0080'0000, 0x0040'0000 | kAll | pte::PS | (1u << 21), 2);
  CHECK(w.code(0x0080'1000, kUserWrite) == (pf::P | pf::RSVD | pf::W | pf::U));
  CHECK(w.reason(0x0080'1000, kRead, 2) == "reserved bit 21 set");
}

TEST_CASE("page_walker: 2 MiB pages in PAE, 4- and 5-level, 1 GiB pages in the latter") {
  for (const PagingMode mode : {PagingMode::Pae, PagingMode::Level4, PagingMode::Level5}) {
    CAPTURE(static_cast<int>(mode));
    Walker w(mode);
    w.map(kLinear, 0x0060'0000 | kAll | pte::PS | (1u << 12), 2);
    CHECK(w.page(kLinear) == 0x0060'0000 + ((kLinear & 0x1f'ffff) & kPageMask));
    for (unsigned number = 13; number <= 20; ++number) {
      w.map(kLinear, 0x0060'0000 | kAll | pte::PS | (1u << number), 2);
      CHECK(w.code(kLinear) == (pf::P | pf::RSVD));
    }
    if (mode == PagingMode::Pae) continue;
    w.map(kLinear, u64{0x4000'0000} | kAll | pte::PS, 3);
    CHECK(w.page(kLinear, kWrite) == 0x4000'0000 + (kLinear & 0x3fff'f000));
    CHECK((w.get(w.entry(kLinear, 3)) & pte::D) != 0);
    w.map(kLinear, u64{0x4000'0000} | kAll | pte::PS | (1u << 29), 3);
    CHECK(w.code(kLinear) == (pf::P | pf::RSVD));
    CHECK(w.reason(kLinear, kRead, 3) == "reserved bit 29 set");
  }
}

TEST_CASE("page_walker: PS is reserved in entries above the 1 GiB level") {
  Walker four(PagingMode::Level4);
  four.map(kLinear, 0x7000 | kAll);
  const u64 pml4e = four.entry(kLinear, 4);
  four.put(pml4e, four.get(pml4e) | pte::PS);
  CHECK(four.code(kLinear) == (pf::P | pf::RSVD));
  Walker five(PagingMode::Level5);
  five.map(kLinear, 0x7000 | kAll);
  const u64 pml5e = five.entry(kLinear, 5);
  five.put(pml5e, five.get(pml5e) | pte::PS);
  CHECK(five.code(kLinear, kUserFetch) == (pf::P | pf::RSVD | pf::U | pf::I));
  CHECK(five.reason(kLinear, kRead, 5) == "reserved bit 7 set");
}

TEST_CASE("page_walker: address bits from MAXPHYADDR up are reserved, the ignored ones are not") {
  Walker four(PagingMode::Level4);
  for (unsigned number = 40; number <= 51; ++number) {
    four.map(kLinear, 0x7000 | kAll | u64{1} << number);
    CHECK(four.code(kLinear, kWrite) == (pf::P | pf::RSVD | pf::W));
  }
  four.map(kLinear, 0x7000 | kAll | u64{0x7ff} << 52);
  CHECK(four.code(kLinear) == kFine);
  Walker pae(PagingMode::Pae);
  for (unsigned number = 40; number <= 62; ++number) {
    pae.map(kLinear, 0x7000 | kAll | u64{1} << number);
    CHECK(pae.code(kLinear) == (pf::P | pf::RSVD));
  }
}

TEST_CASE("page_walker: NX forbids fetches with EFER.NXE and is a reserved bit without") {
  for (const PagingMode mode : {PagingMode::Pae, PagingMode::Level4, PagingMode::Level5}) {
    CAPTURE(static_cast<int>(mode));
    Walker w(mode);
    w.map(kLinear, 0x7000 | kAll);
    w.put(w.entry(kLinear, 2), w.get(w.entry(kLinear, 2)) | pte::NX);
    CHECK(w.code(kLinear, kUserFetch) == (pf::P | pf::U | pf::I));
    CHECK(w.code(kLinear, kFetch) == (pf::P | pf::I));
    CHECK(w.reason(kLinear, kFetch, 2) == "NX=1");
    CHECK(w.code(kLinear, kRead) == kFine);
    CHECK_FALSE(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().executable);
    w.context.efer &= ~efer::NXE;
    CHECK(w.code(kLinear, kRead) == (pf::P | pf::RSVD));
    CHECK(w.code(kLinear, kFetch) == (pf::P | pf::RSVD));  // No I/D without NXE and SMEP.
  }
}

TEST_CASE("page_walker: I/D is reported with SMEP, or with PAE and NXE together") {
  Walker w(PagingMode::Bits32);
  CHECK(w.code(kLinear, kFetch) == 0);
  w.context.efer |= efer::NXE;
  CHECK(w.code(kLinear, kFetch) == 0);
  w.context.cr4 |= cr4::SMEP;
  CHECK(w.code(kLinear, kFetch) == pf::I);
  Walker pae(PagingMode::Pae);
  CHECK(pae.code(kLinear, kFetch) == pf::I);
}

TEST_CASE("page_walker: SMEP keeps the supervisor from fetching user pages") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | kAll);
  CHECK(w.code(kLinear, kFetch) == kFine);
  w.context.cr4 |= cr4::SMEP;
  CHECK(w.code(kLinear, kFetch) == (pf::P | pf::I));
  CHECK(w.reason(kLinear, kFetch, 1) == "SMEP");
  CHECK(w.code(kLinear, kUserFetch) == kFine);
  w.map(kLinear, 0x7000 | pte::P);
  CHECK(w.code(kLinear, kFetch) == kFine);
}

TEST_CASE("page_walker: SMAP spares explicit accesses under AC and fetches, never implicit ones") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | kAll);
  w.context.cr4 |= cr4::SMAP;
  CHECK(w.code(kLinear, kRead) == pf::P);
  CHECK(w.code(kLinear, kWrite) == (pf::P | pf::W));
  CHECK(w.reason(kLinear, kRead, 1) == "SMAP");
  CHECK(w.code(kLinear, {Access::Read, Privilege::Supervisor, true}) == kFine);
  CHECK(w.code(kLinear, {Access::Read, Privilege::Implicit, true}) == pf::P);
  CHECK(w.code(kLinear, kFetch) == kFine);
  CHECK(w.code(kLinear, kUserRead) == kFine);
}

TEST_CASE("page_walker: protection keys guard data of user pages") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | kAll | u64{5} << pte::kKeyShift);
  w.context.cr4 |= cr4::PKE;
  CHECK(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().key == 5);
  w.context.pkru = 1u << 10;  // AD
  CHECK(w.code(kLinear, kUserRead) == (pf::P | pf::U | pf::PK));
  CHECK(w.code(kLinear, kRead) == (pf::P | pf::PK));
  CHECK(w.reason(kLinear, kRead, 1) == "protection key");
  CHECK(w.code(kLinear, kUserFetch) == kFine);
  w.context.pkru = 1u << 11;  // WD
  CHECK(w.code(kLinear, kUserRead) == kFine);
  CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U | pf::PK));
  CHECK(w.code(kLinear, kWrite) == (pf::P | pf::W | pf::PK));
  w.context.cr0 &= ~cr0::WP;
  CHECK(w.code(kLinear, kWrite) == kFine);
  CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U | pf::PK));
  // Supervisor pages have no key; without PKE the bits mean nothing.
  w.context.pkru = ~0u;
  w.context.cr0 |= cr0::WP;
  w.map(kLinear, 0x7000 | pte::P | pte::W | u64{5} << pte::kKeyShift);
  CHECK(w.code(kLinear, kWrite) == kFine);
  w.map(kLinear, 0x7000 | kAll | u64{5} << pte::kKeyShift);
  w.context.cr4 &= ~cr4::PKE;
  CHECK(w.code(kLinear, kUserWrite) == kFine);
}

TEST_CASE("page_walker: the PK bit is reported beside another reason") {
  Walker w(PagingMode::Level5);
  w.map(kLinear, 0x7000 | pte::P | pte::U);
  w.context.cr4 |= cr4::PKE;
  w.context.pkru = 3;
  CHECK(w.code(kLinear, kUserWrite) == (pf::P | pf::W | pf::U | pf::PK));
  w.map(kLinear, 0);
  CHECK(w.code(kLinear, kUserWrite) == (pf::W | pf::U));
}

TEST_CASE("page_walker: five levels reach addresses beyond 48 bits") {
  Walker w(PagingMode::Level5);
  const u64 high = 0x00ab'cdef'0123'4000;
  w.map(high, 0x9000 | kAll);
  w.map(0xffab'cdef'0123'4000, 0xa000 | kAll);
  CHECK(w.page(high) == 0x9000);
  CHECK(w.page(0xffab'cdef'0123'4000) == 0xa000);
  CHECK(w.page(0x0000'cdef'0123'4000) == ~u64{0});
}

TEST_CASE("page_walker: global needs CR4.PGE") {
  Walker w(PagingMode::Level4);
  w.map(kLinear, 0x7000 | kAll | pte::G);
  CHECK_FALSE(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().global);
  w.context.cr4 |= cr4::PGE;
  CHECK(w.walker.walk(w.context, LinearAddr(kLinear), kRead).value().global);
}

TEST_CASE("page_walker: PAE walks start in the loaded registers, not in memory") {
  Walker w(PagingMode::Pae);
  w.map(kLinear, 0x7000 | kAll);
  w.put(TestPaging::kRoot, 0);
  CHECK(w.page(kLinear) == 0x7000);
  w.context.pdpte[0] = 0;
  CHECK(w.code(kLinear, kWrite) == pf::W);
  CHECK(w.reason(kLinear, kRead, 3) == "P=0");
}

TEST_CASE(
    "page_walker: loading PDPTEs refuses reserved bits of present entries and then keeps the old "
    "ones") {
  Walker w(PagingMode::Pae);
  w.context.cr3 = TestPaging::kRoot + 0x20;
  w.put(TestPaging::kRoot + 0x20, 0x5000 | pte::P);
  w.put(TestPaging::kRoot + 0x28, 0x1e6);  // Not present: anything goes.
  REQUIRE(w.walker.load_pdptes(w.context).ok());
  CHECK(w.context.pdpte[0] == (0x5000 | pte::P));
  for (const unsigned number : {1u, 2u, 5u, 8u, 40u, 63u}) {
    CAPTURE(number);
    w.put(TestPaging::kRoot + 0x20, 0x6000 | pte::P);
    w.put(TestPaging::kRoot + 0x38, 0x5000 | pte::P | u64{1} << number);
    const auto loaded = w.walker.load_pdptes(w.context);
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().vector == Vector::GP);
    CHECK(w.context.pdpte[0] == (0x5000 | pte::P));
  }
  w.put(TestPaging::kRoot + 0x38, 0x5000 | pte::P | pte::PWT | pte::PCD | 0xe00);
  CHECK(w.walker.load_pdptes(w.context).ok());
}

TEST_CASE(
    "page_walker: trackers of a page table hear of accessed bits, and tables are seen through "
    "A20") {
  Walker w(PagingMode::Level4);
  const u64 slot = w.map(kLinear, 0x7000 | kAll);
  unsigned told = 0;
  w.physical.tracking().set_observer(TrackReason::PageTable, [&](PhysAddr address, u64) {
    if (address.value == slot) ++told;
  });
  w.physical.tracking().track(PhysAddr(slot), TrackReason::PageTable);
  CHECK(w.page(kLinear) == 0x7000);
  CHECK(told == 1);
  CHECK(w.page(kLinear) == 0x7000);
  CHECK(told == 1);  // Already set: no store.
  w.context.cr3 |= 0x10'0000;
  CHECK(w.page(kLinear) == ~u64{0});
  w.physical.set_a20(false);
  CHECK(w.page(kLinear) == 0x7000);
}
