#include "mmu/mmu.h"

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_mmu.h"

using namespace doppel;
using namespace doppel::mmu;
using Seen = RecordingHandler::Seen;

TEST_CASE("mmu: stores are loaded again, and only the first access to a page misses") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.mmu.write<u32>(LinearAddr(0x40'0010), 0x1234).ok());
  const u64 misses = m.mmu.counters().misses;
  CHECK(m.read(0x40'0010) == 0x1234);
  CHECK(m.mmu.write<u64>(LinearAddr(0x40'0ff8), 1).ok());
  CHECK(m.mmu.counters().misses == misses);
  CHECK(m.get(0x7010, Width::Dword) == 0x1234);
  CHECK_FALSE(m.attention);
}

TEST_CASE(
    "mmu: a load does not open a clean page for stores, so that D is set by the first store") {
  TestMmu m(PagingMode::Level4);
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.read(0x40'0000) == 0);
  CHECK((m.get(slot) & pte::D) == 0);
  CHECK(m.mmu.write<u8>(LinearAddr(0x40'0000), 1).ok());
  CHECK((m.get(slot) & pte::D) != 0);
}

TEST_CASE("mmu: entries live until flushed: INVLPG for one page, CR3 for all but global ones") {
  TestMmu m(PagingMode::Level4);
  m.context.cr4 |= cr4::PGE;
  m.mmu.set_context(m.context);
  const u64 slots[] = {m.map(0x40'0000, 0x7000 | kAll), m.map(0x40'1000, 0x8000 | kAll),
                       m.map(0x40'2000, 0x9000 | kAll | pte::G)};
  for (u64 page = 0; page < 3; ++page) CHECK(m.read(0x40'0000 + (page << 12)) == 0);
  for (const u64 slot : slots) m.put(slot, 0);
  for (u64 page = 0; page < 3; ++page) CHECK(m.read(0x40'0000 + (page << 12)) == 0);
  m.mmu.flush_page(LinearAddr(0x40'0abc));
  CHECK(m.read_fault(0x40'0000).vector == Vector::PF);
  CHECK(m.read(0x40'1000) == 0);
  m.mmu.set_context(m.context);  // MOV CR3 with the same value.
  CHECK(m.read_fault(0x40'1000).vector == Vector::PF);
  CHECK(m.read(0x40'2000) == 0);
  m.mmu.flush_page(LinearAddr(0x40'2000));
  CHECK(m.read_fault(0x40'2000).vector == Vector::PF);
}

TEST_CASE("mmu: each change of paging that the manual lists forgets global entries too") {
  const auto flushes = [](auto&& change) {
    TestMmu m(PagingMode::Level4);
    m.context.cr4 |= cr4::PGE;
    m.mmu.set_context(m.context);
    m.map(0x40'0000, 0x7000 | pte::P | pte::W | pte::G);
    CHECK(m.read(0x40'0000) == 0);
    m.map(0x40'0000, 0);
    change(m.context);
    m.mmu.set_context(m.context);
    return !m.mmu.read<u32>(LinearAddr(0x40'0000)).ok();
  };
  CHECK(flushes([](PagingContext& c) { c.cr0 ^= cr0::WP; }));
  CHECK(flushes([](PagingContext& c) { c.cr4 ^= cr4::PGE; }));
  CHECK(flushes([](PagingContext& c) { c.cr4 ^= cr4::SMEP; }));
  CHECK(flushes([](PagingContext& c) { c.cr4 ^= cr4::SMAP; }));
  CHECK(flushes([](PagingContext& c) { c.cr4 ^= cr4::PSE; }));
  CHECK(flushes([](PagingContext& c) { c.cr4 ^= cr4::PKE; }));
  CHECK(flushes([](PagingContext& c) { c.efer ^= efer::NXE; }));
  CHECK_FALSE(flushes([](PagingContext& c) { c.cr0 ^= cr0::TS; }));
  CHECK_FALSE(flushes([](PagingContext&) {}));
  CHECK_FALSE(flushes([](PagingContext& c) { c.cr3 += 0x1000'0000; }));
}

TEST_CASE("mmu: without paging, the way to protected mode and back forgets nothing") {
  TestMmu m(PagingMode::None);
  CHECK(m.read(0x7000) == 0);
  const u64 misses = m.mmu.counters().misses;
  const u64 flushes = m.mmu.counters().flushes;
  for (unsigned i = 0; i < 2; ++i) {
    m.context.cr0 ^= cr0::PE;
    m.mmu.set_context(m.context);
    CHECK(m.read(0x7000) == 0);
  }
  CHECK(m.mmu.counters().misses == misses);
  CHECK(m.mmu.counters().flushes == flushes);
}

TEST_CASE("mmu: TS and kept translations forget nothing, another PCID everything not global") {
  TestMmu m(PagingMode::Level4);
  m.context.cr4 |= cr4::PCIDE;
  m.mmu.set_context(m.context);
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.read(0x40'0000) == 0);
  m.map(0x40'0000, 0);
  m.context.cr0 |= cr0::TS;
  m.mmu.set_context(m.context);
  CHECK(m.read(0x40'0000) == 0);
  m.mmu.set_context(m.context, true);
  CHECK(m.read(0x40'0000) == 0);
  m.context.cr3 |= 5;
  m.mmu.set_context(m.context, true);
  CHECK(m.read_fault(0x40'0000).vector == Vector::PF);
}

TEST_CASE("mmu: PKRU takes rights away from pages already seen") {
  TestMmu m(PagingMode::Level4);
  m.context.cr4 |= cr4::PKE;
  m.mmu.set_context(m.context);
  m.map(0x40'0000, 0x7000 | kAll | u64{3} << pte::kKeyShift);
  CHECK_FALSE(m.write_fault(0x40'0000).present);
  m.context.pkru = 2u << 6;
  m.mmu.set_context(m.context);
  CHECK(m.write_fault(0x40'0000).error_code == (pf::P | pf::W | pf::PK));
  CHECK(m.read(0x40'0000) == 0);
  CHECK(m.write_fault(0x40'0000).error_code == (pf::P | pf::W | pf::PK));
}

TEST_CASE("mmu: INVLPG of any address in a large page drops all of it") {
  TestMmu m(PagingMode::Level4);
  for (const auto& [linear, level] : {std::pair<u64, unsigned>{0x0060'0000, 2}, {0x4000'0000, 3}}) {
    m.map(linear, kAll | pte::PS, level);
    m.put(0x3000, 0x11, Width::Dword);
    m.put(0x5000, 0x22, Width::Dword);
    CHECK(m.read(linear + 0x3000) == 0x11);
    CHECK(m.read(linear + 0x5000) == 0x22);
    m.map(linear, 0, level);
    m.mmu.flush_page(LinearAddr(linear + 0x1f'0000));
    CHECK(m.read_fault(linear + 0x3000).vector == Vector::PF);
    CHECK(m.read_fault(linear + 0x5000).vector == Vector::PF);
  }
}

TEST_CASE("mmu: classes of privilege do not see each other's entries") {
  TestMmu m(PagingMode::Level4);
  m.context.cr4 |= cr4::SMAP;
  m.mmu.set_context(m.context);
  m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x40'1000, 0x8000 | pte::P | pte::W);
  CHECK(m.read(0x40'1000) == 0);
  CHECK(m.read_fault(0x40'0000).error_code == pf::P);
  m.mmu.set_privilege(false, true);
  CHECK(m.read(0x40'0000) == 0);
  m.mmu.set_privilege(true, false);
  CHECK(m.read(0x40'0000) == 0);
  CHECK(m.read_fault(0x40'1000).error_code == (pf::P | pf::U));
  CHECK(m.mmu.read_system<u32>(LinearAddr(0x40'1000)).ok());
  CHECK(m.mmu.read_system<u32>(LinearAddr(0x40'0000)).error().error_code == pf::P);
  CHECK(m.mmu.write_system<u16>(LinearAddr(0x40'1ffe), 0xabcd).ok());
  CHECK(m.get(0x8ffe, Width::Word) == 0xabcd);
  CHECK(m.mmu.probe_system(LinearAddr(0x40'1000), 0x1000, Access::Read).ok());
  CHECK_FALSE(m.mmu.probe_system(LinearAddr(0x40'1000), 0x1001, Access::Read).ok());
  m.mmu.set_privilege(false, false);
  CHECK(m.read_fault(0x40'0000).error_code == pf::P);
}

TEST_CASE(
    "mmu: an access over two pages happens whole or not at all, and names the right address") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x40'1000, 0x9000 | pte::P);
  m.put(0x7ff8, 0x8877665544332211);
  m.put(0x9000, 0xffeeddccbbaa9988);
  CHECK(m.read<u64>(0x40'0ffd) == 0xccbb'aa99'8888'7766);
  const Fault fault = m.write_fault<u64>(0x40'0ffd, 0);
  CHECK(fault.error_code == (pf::P | pf::W));
  CHECK(fault.address == 0x40'1000);
  CHECK(m.get(0x7ff8) == 0x8877665544332211);
  u64 value = 0;
  CHECK_FALSE(m.mmu.open_for_update(LinearAddr(0x40'0ffd), value).ok());
  CHECK(m.read_fault<u64>(0x40'1ffc).address == 0x40'2000);
  m.map(0x40'1000, 0x9000 | kAll);
  m.mmu.flush_page(LinearAddr(0x40'1000));
  CHECK_FALSE(m.write_fault<u64>(0x40'0ffd, 0x0807060504030201).present);
  CHECK(m.get(0x7ffd, Width::Byte) == 1);
  CHECK(m.get(0x9000, Width::Dword) == 0x07060504);
}

TEST_CASE("mmu: an update over two pages, and one within a page") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x40'1000, 0x9000 | kAll);
  for (const u64 address : {u64{0x40'0ffe}, u64{0x40'0100}}) {
    m.mmu.flush_all();
    CHECK(m.mmu.write<u32>(LinearAddr(address), 41).ok());
    u32 value = 0;
    const auto slot = m.mmu.open_for_update(LinearAddr(address), value);
    REQUIRE(slot.ok());
    CHECK(value == 41);
    m.mmu.close_update(slot.value(), value + 1);
    CHECK(m.read(address) == 42);
  }
}

TEST_CASE("mmu: long spans are all or nothing") {
  TestMmu m(PagingMode::Level4);
  for (u64 page = 0; page < 16; ++page)
    m.map(0x40'0000 + (page << 12), (0x10'0000 + (page << 13)) | kAll);
  std::vector<u8> in(0xf800), out(0xf800);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<u8>(i % 251);
  CHECK(m.mmu.write_bytes(LinearAddr(0x40'0800), in.data(), in.size()).ok());
  CHECK(m.mmu.read_bytes(LinearAddr(0x40'0800), out.data(), out.size()).ok());
  CHECK(in == out);
  CHECK(m.get(0x10'2000, Width::Byte) == in[0x800]);
  const std::vector<u8> zeros(0x10000);
  CHECK_FALSE(m.mmu.write_bytes(LinearAddr(0x40'0801), zeros.data(), zeros.size()).ok());
  CHECK(m.mmu.read_bytes(LinearAddr(0x40'0800), out.data(), out.size()).ok());
  CHECK(in == out);
  CHECK(m.mmu.probe(LinearAddr(0x40'0000), 0x10000, Access::Write).ok());
  CHECK(m.mmu.probe(LinearAddr(0x40'0000), 0x10000, Access::Write).ok());
  CHECK_FALSE(m.mmu.probe(LinearAddr(0x40'0fff), 0x10000, Access::Read).ok());
  CHECK(m.mmu.probe(LinearAddr(0x99'0000), 0, Access::Read).ok());
}

TEST_CASE("mmu: registers get the access's own width, odd sizes in fitting pieces") {
  TestMmu m(PagingMode::None);
  CHECK(m.read(TestMmu::kDevice + 0x11) == 0x14131211);
  CHECK(m.attention);
  CHECK_FALSE(m.write_fault<u64>(TestMmu::kDevice + 0x20, 7).present);
  CHECK(m.device.seen == std::vector<Seen>{{false, 0x11, 4, 0}, {true, 0x20, 8, 7}});
  CHECK(m.mmu.counters().mmio == 2);
  m.device.seen.clear();
  std::array<u8, 16> wide;
  CHECK(m.mmu.read_bytes(LinearAddr(TestMmu::kDevice + 0x31), wide.data(), 16).ok());
  CHECK(wide[15] == 0x40);
  CHECK(m.device.seen == std::vector<Seen>{{false, 0x31, 1, 0},
                                           {false, 0x32, 2, 0},
                                           {false, 0x34, 4, 0},
                                           {false, 0x38, 8, 0},
                                           {false, 0x40, 1, 0}});
  m.device.seen.clear();
  CHECK_FALSE(m.write_fault<u32>(TestMmu::kDevice + 0xffd, 0x04030201).present);
  CHECK(m.device.seen ==
        std::vector<Seen>{{true, 0xffd, 1, 1}, {true, 0xffe, 2, 0x0302}, {true, 0x1000, 1, 4}});
}

TEST_CASE("mmu: an update of a register reads and writes it once, through the slow path") {
  TestMmu m(PagingMode::None);
  u16 value = 0;
  const auto slot = m.mmu.open_for_update(LinearAddr(TestMmu::kDevice + 0x40), value);
  REQUIRE(slot.ok());
  CHECK(slot.value().host == nullptr);
  CHECK(value == 0x4140);
  m.mmu.close_update<u16>(slot.value(), 0x1234);
  CHECK(m.device.seen == std::vector<Seen>{{false, 0x40, 2, 0}, {true, 0x40, 2, 0x1234}});
}

TEST_CASE("mmu: pages of registers are walked once, until flushed") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, TestMmu::kDevice | kAll);
  CHECK(m.read(0x40'0004) == 0x07060504);
  const u64 walks = m.mmu.counters().walks;
  CHECK(m.read(0x40'0008) == 0x0b0a0908);
  CHECK(m.mmu.counters().walks == walks);
  m.mmu.set_privilege(true, false);
  m.map(0x40'0000, 0);
  CHECK(m.read_fault(0x40'0004).error_code == pf::U);
  m.mmu.set_privilege(false, false);
  CHECK(m.read(0x40'0004) == 0x07060504);
  m.mmu.flush_page(LinearAddr(0x40'0000));
  CHECK(m.read_fault(0x40'0004).error_code == 0);
}

TEST_CASE("mmu: stores to ROM are dropped and loads from it are direct") {
  TestMmu m(PagingMode::None);
  const u8 rom[] = {1, 2, 3, 4};
  REQUIRE(m.pmap.add_rom(PhysAddr(0xffff'f000), rom, sizeof rom).ok());
  CHECK(m.read(0xffff'f000) == 0x04030201);
  CHECK_FALSE(m.write_fault<u32>(0xffff'f000, 0).present);
  CHECK(m.read(0xffff'f000) == 0x04030201);
  CHECK_FALSE(m.attention);
  CHECK(m.mmu.direct_span(LinearAddr(0xffff'f000), 4, Access::Read) != nullptr);
  CHECK(m.mmu.direct_span(LinearAddr(0xffff'f000), 4, Access::Write) == nullptr);
}

TEST_CASE(
    "mmu: a page that becomes tracked loses its store entries in every class, and gets them back") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x80'0000, 0x7000 | kAll);
  CHECK_FALSE(m.write_fault(0x40'0000).present);
  m.mmu.set_privilege(true, false);
  CHECK_FALSE(m.write_fault(0x80'0000).present);
  std::vector<u64> told;
  m.physical.tracking().set_observer(TrackReason::Code,
                                     [&](PhysAddr address, u64) { told.push_back(address.value); });
  m.physical.tracking().track_code(PhysAddr(0x7040), 64);
  CHECK_FALSE(m.write_fault<u32>(0x80'0044, 5).present);
  CHECK(told == std::vector<u64>{0x7044});
  CHECK(m.attention);
  m.attention = false;
  m.mmu.set_privilege(false, false);
  CHECK_FALSE(m.write_fault<u32>(0x40'0000, 6).present);  // Data beside code.
  CHECK(told.size() == 1);
  CHECK_FALSE(m.attention);
  CHECK(m.get(0x7044, Width::Dword) == 5);
  CHECK(m.get(0x7000, Width::Dword) == 6);
  u8 byte = 0;
  const auto slot = m.mmu.open_for_update(LinearAddr(0x40'007f), byte);
  m.mmu.close_update<u8>(slot.value(), 1);
  CHECK(told.size() == 2);
  CHECK(m.mmu.counters().tracked_stores == 3);
  m.physical.tracking().untrack_code(PhysAddr(0x7000));
  CHECK_FALSE(m.write_fault<u32>(0x40'0040, 7).present);
  CHECK(m.mmu.direct_span(LinearAddr(0x40'0000), 8, Access::Write) != nullptr);
  CHECK(told.size() == 2);
}

TEST_CASE("mmu: non-canonical addresses are #GP, with 57 bits where LA57 is on") {
  TestMmu four(PagingMode::Level4);
  CHECK(four.read_fault(0x8000'0000'0000).vector == Vector::GP);
  CHECK(four.read_fault(0x7fff'ffff'fffe).vector == Vector::GP);  // The last bytes are beyond.
  CHECK(four.read_fault(0x7fff'ffff'fffc).vector == Vector::PF);
  CHECK(four.read_fault(0xffff'8000'0000'0000).vector == Vector::PF);
  CHECK(four.write_fault(0xffff'7fff'ffff'fffe).vector == Vector::GP);
  CHECK(four.mmu.fetch_page(LinearAddr(0x8000'0000'0000)).error().vector == Vector::GP);
  TestMmu five(PagingMode::Level5);
  CHECK(five.read_fault(0x8000'0000'0000).vector == Vector::PF);
  CHECK(five.read_fault(0x0100'0000'0000'0000).vector == Vector::GP);
}

TEST_CASE("mmu: outside long mode an access past 4 GiB goes on at zero") {
  TestMmu m(PagingMode::Bits32);
  m.map(0xffff'f000, 0x7000 | kAll);
  m.map(0, 0x9000 | kAll);
  CHECK_FALSE(m.write_fault<u32>(0xffff'fffe, 0x44332211).present);
  CHECK(m.get(0x7ffe, Width::Word) == 0x2211);
  CHECK(m.get(0x9000, Width::Word) == 0x4433);
  CHECK(m.read(0xffff'fffe) == 0x44332211);
}

TEST_CASE("mmu: alignment checks are for user mode, after #GP and before #PF") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  m.mmu.set_alignment_check(true);
  CHECK(m.read(0x40'0001) == 0);  // Supervisor.
  m.mmu.set_privilege(true, false);
  CHECK(m.read_fault<u32>(0x40'0001).vector == Vector::AC);
  CHECK(m.read_fault<u16>(0x99'0001).vector == Vector::AC);
  CHECK(m.write_fault<u64>(0x8000'0000'0001).vector == Vector::GP);
  CHECK(m.write_fault<u64>(0x40'0004).vector == Vector::AC);
  CHECK(m.read<u8>(0x40'0001) == 0);
  CHECK(m.read<u32>(0x40'0004) == 0);
  CHECK(m.mmu.read_system<u32>(LinearAddr(0x40'0001)).ok());
  m.mmu.set_alignment_check(false);
  CHECK(m.read<u32>(0x40'0001) == 0);
}

TEST_CASE(
    "mmu: data breakpoints are hit by what overlaps them, and only by accesses that complete") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK_FALSE(m.write_fault(0x40'0100).present);  // Entries made before must not hide hits.
  const DataBreakpoint slots[] = {
      {LinearAddr(0x40'0100), 4, false}, {}, {LinearAddr(0x40'0108), 8, true}};
  m.mmu.set_data_breakpoints(slots);
  CHECK(m.read(0x40'0100) == 0);
  CHECK(m.mmu.take_breakpoint_hits() == 0);
  CHECK_FALSE(m.write_fault<u8>(0x40'0103).present);
  CHECK(m.mmu.take_breakpoint_hits() == 1);
  CHECK(m.mmu.take_breakpoint_hits() == 0);
  CHECK_FALSE(m.write_fault<u8>(0x40'0104).present);
  CHECK(m.mmu.take_breakpoint_hits() == 0);
  CHECK(m.read<u64>(0x40'0101) == 0);
  CHECK(m.mmu.take_breakpoint_hits() == 4);
  u64 value = 0;
  const auto slot = m.mmu.open_for_update(LinearAddr(0x40'0101), value);
  m.mmu.close_update<u64>(slot.value(), 1);
  CHECK(m.mmu.take_breakpoint_hits() == 5);
  CHECK(m.mmu.direct_span(LinearAddr(0x40'0000), 8, Access::Read) == nullptr);
  const DataBreakpoint at_end[] = {{LinearAddr(0x40'0ffc), 4, true}};
  m.mmu.set_data_breakpoints(at_end);
  CHECK(m.read_fault<u64>(0x40'0ffc).vector == Vector::PF);
  CHECK(m.mmu.take_breakpoint_hits() == 0);
  m.mmu.set_data_breakpoints({});
  CHECK(m.read<u32>(0x40'0ffc) == 0);
  CHECK(m.mmu.take_breakpoint_hits() == 0);
  CHECK(m.mmu.direct_span(LinearAddr(0x40'0000), 8, Access::Read) != nullptr);
}

TEST_CASE("mmu: instructions come from the page behind A20, with its physical address") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x10'7000 | kAll);
  m.physical.set_a20(false);
  m.put(0x7123, 0x90, Width::Byte);
  for (unsigned i = 0; i < 2; ++i) {
    const auto page = m.mmu.fetch_page(LinearAddr(0x40'0123));
    REQUIRE(page.ok());
    CHECK(page.value().page == PhysAddr(0x7000));
    CHECK(page.value().host[0x123] == 0x90);
  }
  CHECK(m.mmu.counters().misses == 1);
  m.map(0x40'1000, TestMmu::kDevice | kAll);
  const auto device_page = m.mmu.fetch_page(LinearAddr(0x40'1010));
  CHECK(device_page.value().host == nullptr);
  CHECK(device_page.value().page == PhysAddr(TestMmu::kDevice & ~u64{0x10'0000}));
  m.map(0x40'2000, 0x7000 | kAll | pte::NX);
  CHECK(m.mmu.fetch_page(LinearAddr(0x40'2000)).error().error_code == (pf::P | pf::I));
}

TEST_CASE("mmu: A20 changes what addresses mean once the machine flushed") {
  TestMmu m(PagingMode::None);
  m.put(0x1000, 0xaa, Width::Byte);
  m.put(0x10'1000, 0xbb, Width::Byte);
  CHECK(m.read<u8>(0x10'1000) == 0xbb);
  m.physical.set_a20(false);
  m.mmu.flush_all();
  CHECK(m.read<u8>(0x10'1000) == 0xaa);
}

TEST_CASE("mmu: a direct span stays in a page, and a fault there is not counted or reported") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  u8* span = m.mmu.direct_span(LinearAddr(0x40'0800), 0x800, Access::Write);
  REQUIRE(span != nullptr);
  span[0] = 0x5a;
  CHECK(m.get(0x7800, Width::Byte) == 0x5a);
  CHECK(m.mmu.direct_span(LinearAddr(0x40'0800), 0x801, Access::Write) == nullptr);
  CHECK(m.mmu.direct_span(LinearAddr(0x99'0000), 4, Access::Read) == nullptr);
  CHECK(m.mmu.direct_span(LinearAddr(0x8000'0000'0000), 4, Access::Read) == nullptr);
  CHECK(m.mmu.counters().true_faults == 0);
  CHECK(m.read_fault(0x99'0000).present);
  CHECK(m.mmu.counters().true_faults == 1);
}

TEST_CASE("mmu: shadowing a ROM is seen after page_frame_changed") {
  TestMmu m(PagingMode::None);
  const u8 rom[] = {1, 2, 3, 4};
  REQUIRE(m.pmap.add_rom(PhysAddr(0xffff'f000), rom, sizeof rom).ok());
  CHECK(m.read(0xffff'f000) == 0x04030201);
  REQUIRE(m.pmap.set_rom_shadow(PhysAddr(0xffff'f000), 0x1000, RomShadow::Ram));
  m.mmu.page_frame_changed(PhysAddr(0xffff'f000));
  CHECK_FALSE(m.write_fault<u32>(0xffff'f000, 9).present);
  CHECK(m.read(0xffff'f000) == 9);
}

TEST_CASE("mmu: with no frame left a guest's loads give zeros and its stores vanish") {
  MachineMemory machine = MachineMemory::create(2 << 20).take();
  Pmap pmap(machine, 1);
  IoMap mmio;
  PhysicalMemory physical(pmap, mmio);
  REQUIRE(pmap.add_ram(PhysAddr(0), 1 << 20));
  Mmu mmu(physical);
  CHECK(mmu.write<u32>(LinearAddr(0x1000), 1).ok());
  CHECK(mmu.write<u32>(LinearAddr(0x2000), 1).ok());
  CHECK(mmu.read<u32>(LinearAddr(0x2000)).value() == 0);
  CHECK(pmap.out_of_memory());
}

TEST_CASE("mmu: make_direct leaves what a load or store of these bytes leaves, and says if it helped") {
  TestMmu m(PagingMode::Level4);
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  m.map(0x40'1000, 0x8000 | pte::P | pte::U);
  m.map(0x40'2000, TestMmu::kDevice | kAll);
  const LinearAddr page(0x40'0100);
  // A read-modify-write: the load is made, the page stays clean, the store cannot be direct yet.
  CHECK_FALSE(m.mmu.make_direct(page, 8, Access::Write, true).hits);
  CHECK((m.get(slot) & (pte::A | pte::D)) == pte::A);
  CHECK(m.mmu.make_direct(page, 8, Access::Read, false).hits);
  CHECK(m.mmu.active().find(Access::Read, page, 8) != nullptr);
  CHECK(m.mmu.active().find(Access::Write, page, 8) == nullptr);
  CHECK(m.mmu.make_direct(page, 8, Access::Write, false).hits);
  CHECK((m.get(slot) & pte::D) != 0);
  CHECK(m.mmu.active().find(Access::Write, page, 8) != nullptr);
  m.mmu.flush_all();
  CHECK(m.mmu.make_direct(page, 8, Access::Write, true).hits);

  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x40'0ffd), 4, Access::Read, false).hits);
  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x40'1000), 4, Access::Write, false).hits);
  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x40'2000), 4, Access::Read, false).hits);
  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x99'0000), 4, Access::Read, false).hits);
  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x8000'0000'0000), 4, Access::Read, false).hits);
  CHECK(m.mmu.counters().true_faults == 0);
  CHECK(m.device.seen.empty());
  m.physical.tracking().track(PhysAddr(0x7000), TrackReason::DirtyLog);
  CHECK_FALSE(m.mmu.make_direct(page, 8, Access::Write, false).hits);
  CHECK(m.mmu.make_direct(page, 8, Access::Read, false).hits);
}

TEST_CASE("mmu: a store beside code may be made once, though the page stays tracked") {
  TestMmu m(PagingMode::Level4);
  const u64 slot = m.map(0x40'0000, 0x7000 | kAll);
  m.physical.tracking().track_code(PhysAddr(0x7040), 16);
  const LinearAddr beside(0x40'0080);
  // The load of an update comes first: its store is not made yet, and the page stays clean.
  CHECK(m.mmu.make_direct(beside, 8, Access::Write, true).once == nullptr);
  CHECK((m.get(slot) & pte::D) == 0);
  const DirectAccess found = m.mmu.make_direct(beside, 8, Access::Write, false);
  CHECK_FALSE(found.hits);
  REQUIRE(found.once != nullptr);
  CHECK((m.get(slot) & pte::D) != 0);
  *found.once = 0x5a;
  CHECK(m.get(0x7080) == 0x5a);
  CHECK(m.mmu.active().find(Access::Write, beside, 8) == nullptr);
  CHECK(m.mmu.make_direct(LinearAddr(0x40'0048), 8, Access::Write, false).once == nullptr);
  CHECK(m.mmu.make_direct(LinearAddr(0x40'0ffd), 8, Access::Write, false).once == nullptr);
  // Whoever holds the page of a group must not be led past an entry that went.
  const u64 held[] = {reinterpret_cast<u64>(found.once)};
  CHECK(m.mmu.make_direct(beside, 8, Access::Write, false, held).once != nullptr);
  m.physical.tracking().track(PhysAddr(0x7000), TrackReason::Watchpoint);
  CHECK(m.mmu.make_direct(beside, 8, Access::Write, false).once == nullptr);
}

TEST_CASE("mmu: nothing is direct while every access must be looked at") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  CHECK(m.mmu.active_class() == Mmu::PrivilegeClass::Supervisor);
  CHECK(&m.mmu.active() == &m.mmu.table(Mmu::PrivilegeClass::Supervisor));
  const DataBreakpoint slots[] = {{LinearAddr(0x1000), 4, false}};
  m.mmu.set_data_breakpoints(slots);
  CHECK(m.mmu.active_class() == Mmu::PrivilegeClass::NeverFilled);
  CHECK_FALSE(m.mmu.make_direct(LinearAddr(0x40'0000), 4, Access::Read, false).hits);
  CHECK(m.read(0x40'0000) == 0);
  CHECK(m.mmu.active().find(Access::Read, LinearAddr(0x40'0000), 4) == nullptr);
  m.mmu.set_data_breakpoints({});
  m.mmu.set_privilege(true, false);
  CHECK(m.mmu.active_class() == Mmu::PrivilegeClass::User);
}

TEST_CASE("mmu: tables stand within the Mmu, where generated code finds them") {
  TestMmu m(PagingMode::None);
  const u8* const start = reinterpret_cast<const u8*>(&m.mmu);
  for (size_t i = 0; i < Mmu::kPrivilegeClasses; ++i) {
    const u8* table = reinterpret_cast<const u8*>(&m.mmu.table(static_cast<Mmu::PrivilegeClass>(i)));
    CHECK(table > start);
    CHECK(table + sizeof(ShadowTlb) <= start + sizeof(Mmu));
  }
}

TEST_CASE("mmu: a fetch slot has the number of its pair of pages") {
  TestMmu m(PagingMode::Level4);
  m.map(0x40'0000, 0x7000 | kAll);
  const size_t slot = ShadowTlb::fetch_slot(LinearAddr(0x40'0000));
  CHECK(m.mmu.active().fetch_ids[slot] == 0);
  CHECK(m.mmu.fetch_page(LinearAddr(0x40'0123)).ok());
  const u32 first = m.mmu.active().fetch_ids[slot];
  CHECK(first != 0);
  CHECK(first == m.mmu.fetch_id(LinearAddr(0x40'0000), PhysAddr(0x7000)));
  m.map(0x40'0000, 0x9000 | kAll);
  m.mmu.flush_page(LinearAddr(0x40'0000));
  CHECK(m.mmu.active().fetch_ids[slot] == 0);
  CHECK(m.mmu.fetch_page(LinearAddr(0x40'0123)).ok());
  CHECK(m.mmu.active().fetch_ids[slot] != first);
  m.map(0x40'0000, 0x7000 | kAll);
  m.mmu.flush_page(LinearAddr(0x40'0000));
  CHECK(m.mmu.fetch_page(LinearAddr(0x40'0123)).ok());
  CHECK(m.mmu.active().fetch_ids[slot] == first);
}
