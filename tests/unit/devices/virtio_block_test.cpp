#include "devices/virtio_block.h"

#include <doctest/doctest.h>

#include "tests/support/ide_rig.h"
#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::FakeMedium;
using test::VirtioRig;

enum Type : u32 { kIn = 0, kOut = 1, kFlush = 4, kGetId = 8, kDiscard = 11, kWriteZeroes = 13 };
enum Status : u8 { kOk = 0, kIoError = 1, kUnsupported = 2, kNotDone = 0xee };

constexpr u64 kHeaders = 0x6'0000;   // 16 bytes for each request.
constexpr u64 kStatuses = 0x7'0000;  // A byte for each.
constexpr u64 kData = 0x8'0000;

struct System : VirtioRig {
  FakeMedium medium{10'000};
  VirtioBlock& disk = plug<VirtioBlock>(std::string("disk.done"), static_cast<BlockBackend&>(medium),
                                        std::string("SERIAL-9"), memory, clock.scheduler);

  System() { start(); }

  u64 header(u16 slot) const { return kHeaders + 16u * slot; }
  u8 result(u16 slot) { return byte_at(kStatuses + slot); }
  u16 issue(u32 type, u64 sector, std::vector<Piece> data, u16 slot = 0) {
    memory.write(PhysAddr(header(slot)), Width::Dword, type);
    memory.write(PhysAddr(header(slot) + 4), Width::Dword, 0);
    memory.write(PhysAddr(header(slot) + 8), Width::Qword, sector);
    memory.write(PhysAddr(kStatuses + slot), Width::Byte, kNotDone);
    data.insert(data.begin(), {header(slot), 16, false});
    data.push_back({kStatuses + slot, 1, true});
    const u16 head = offer(0, data);
    kick(0);
    return head;
  }
  void finish() { clock.run_for(100'000'000); }
  /// Issues one, waits, and gives its status.
  u8 ask(u32 type, u64 sector, std::vector<Piece> data = {}) {
    issue(type, sector, std::move(data));
    finish();
    return result(0);
  }
  void put_extent(u64 at, u64 sector, u32 count, u32 flags) {
    memory.write(PhysAddr(at), Width::Qword, sector);
    memory.write(PhysAddr(at + 8), Width::Dword, count);
    memory.write(PhysAddr(at + 12), Width::Dword, flags);
  }
};

TEST_CASE("virtio_block: the configuration tells capacity and limits") {
  System s;
  CHECK(s.card->read_config(0, 4) == 0x1042'1af4);
  CHECK(s.config(0, Width::Qword) == 10'000);
  CHECK(s.config(12, Width::Dword) == 254);  // seg_max
  CHECK(s.config(20, Width::Dword) == 512);  // blk_size
  CHECK(s.config(32, Width::Byte) == 1);     // writeback
  CHECK(s.config(0x100, Width::Dword) == 0);
  CHECK((s.offered_features() & (1u << 5 | 1u << 9)) == 1u << 9);  // Writable, with flushes.
}

TEST_CASE("virtio_block: sectors are read into the pieces, after a delay, with an interrupt") {
  System s;
  const u16 head = s.issue(kIn, 0x1234 % 10'000, {{kData, 512, true}, {kData + 0x1000, 512, true}});
  CHECK(s.result(0) == kNotDone);
  CHECK(s.take_isr() == 0);
  s.finish();
  CHECK(s.result(0) == kOk);
  CHECK(s.used(0) == std::vector<VirtioRig::Used>{{head, 1025}});
  CHECK(s.take_isr() == 1);
  CHECK(s.byte_at(kData + 1) == FakeMedium::blank(0x1234, 1));
  CHECK(s.byte_at(kData + 0x1000) == FakeMedium::blank(0x1235, 0));
  CHECK(s.disk.sectors_moved() == 2);
}

TEST_CASE("virtio_block: what is written is read again, however it is cut") {
  System s;
  std::string text(1024, 'a');
  text[511] = 'b';
  text[512] = 'c';
  s.put(kData, text);
  CHECK(s.ask(kOut, 50, {{kData, 100, false}, {kData + 100, 924, false}}) == kOk);
  CHECK(s.medium.at(50, 511) == 'b');
  CHECK(s.medium.at(51, 0) == 'c');
  CHECK(s.ask(kIn, 50, {{kData + 0x1000, 1023, true}, {kData + 0x3000, 1, true}}) == kOk);
  CHECK(s.text(kData + 0x1000, 1023) == text.substr(0, 1023));
  CHECK_FALSE(s.medium.misused);
}

TEST_CASE("virtio_block: header and status may share pieces with the data") {
  System s;
  s.put(kHeaders, std::string(528, 'x'));
  s.memory.write(PhysAddr(kHeaders), Width::Qword, kOut);
  s.memory.write(PhysAddr(kHeaders + 8), Width::Qword, 3);
  s.offer(0, {{kHeaders, 528, false}, {kStatuses, 1, true}});
  s.memory.write(PhysAddr(kStatuses), Width::Byte, kNotDone);
  s.kick(0);
  s.finish();
  CHECK(s.result(0) == kOk);
  CHECK(s.medium.at(3, 511) == 'x');
}

TEST_CASE("virtio_block: several requests are under way, and end in order in one virtual time each") {
  System s;
  for (u16 i = 0; i < 4; ++i) s.issue(kIn, i, {{kData + 0x1000u * i, 4096, true}}, i);
  CHECK(s.used(0).empty());
  std::vector<u64> moments;
  while (s.clock.scheduler.next_deadline_ns() != Scheduler::kNever) {
    s.clock.run_until(s.clock.scheduler.next_deadline_ns());
    moments.push_back(s.clock.scheduler.now_ns());
    CHECK(s.used(0).size() == 1);
  }
  CHECK(moments.size() == 4);
  CHECK(moments[3] < 100'000);
  for (u16 i = 0; i < 4; ++i) CHECK(s.result(i) == kOk);
}

TEST_CASE("virtio_block: sectors beyond the end, bad ones and half ones are errors") {
  System s;
  CHECK(s.ask(kIn, 9'999, {{kData, 512, true}}) == kOk);
  CHECK(s.ask(kIn, 9'999, {{kData, 1024, true}}) == kIoError);
  CHECK(s.ask(kIn, ~u64{0}, {{kData, 512, true}}) == kIoError);
  CHECK(s.ask(kOut, 10'000, {{kData, 512, false}}) == kIoError);
  CHECK(s.ask(kIn, 0, {{kData, 100, true}}) == kIoError);
  s.medium.bad.insert(77);
  CHECK(s.ask(kIn, 77, {{kData, 512, true}}) == kIoError);
  CHECK(s.ask(kIn, 78, {{kData, 512, true}}) == kOk);
  CHECK(s.ask(99, 0) == kUnsupported);
  CHECK_FALSE(s.medium.misused);
  CHECK((s.status() & 0x40) == 0);
}

TEST_CASE("virtio_block: flushes reach the medium; without write-back each write is one") {
  System s;
  CHECK(s.ask(kFlush, 0) == kOk);
  CHECK(s.medium.flushes == 1);
  CHECK(s.ask(kOut, 0, {{kData, 512, false}}) == kOk);
  CHECK(s.medium.flushes == 1);
  s.set(VirtioPci::kDevice + 32, 0, Width::Byte);  // Not agreed on: nothing changes.
  CHECK(s.config(32, Width::Byte) == 1);
  s.start(u64{1} << 11);
  s.set(VirtioPci::kDevice + 32, 0, Width::Byte);
  CHECK(s.config(32, Width::Byte) == 0);
  CHECK(s.ask(kOut, 0, {{kData, 512, false}}) == kOk);
  CHECK(s.medium.flushes == 2);
}

TEST_CASE("virtio_block: the serial number fills twenty bytes") {
  System s;
  s.put(kData, std::string(20, '?'));
  CHECK(s.ask(kGetId, 0, {{kData, 20, true}}) == kOk);
  CHECK(s.text(kData, 20) == std::string("SERIAL-9") + std::string(12, '\0'));
  CHECK(s.ask(kGetId, 0, {{kData, 19, true}}) == kIoError);
}

TEST_CASE("virtio_block: extents are discarded or zeroed, all or none") {
  System s;
  s.put(kData + 0x1000, std::string(512, 'z'));
  CHECK(s.ask(kOut, 9, {{kData + 0x1000, 512, false}}) == kOk);
  s.put_extent(kData, 8, 16, 0);
  s.put_extent(kData + 16, 100, 8, 0);
  CHECK(s.ask(kDiscard, 0, {{kData, 32, false}}) == kOk);
  CHECK(s.medium.discarded == std::vector<std::pair<u64, u64>>{{8, 16}, {100, 8}});
  CHECK(s.ask(kWriteZeroes, 0, {{kData, 16, false}}) == kOk);
  CHECK(s.medium.at(9, 0) == 0);
  CHECK(s.medium.at(23, 511) == 0);
  s.put_extent(kData, 8, 16, 0);
  s.put_extent(kData + 16, 9'999, 2, 0);
  CHECK(s.ask(kDiscard, 0, {{kData, 32, false}}) == kIoError);
  CHECK(s.medium.discarded.size() == 2);
  s.put_extent(kData, 8, 16, 1);  // Unmap means nothing to a discard.
  CHECK(s.ask(kDiscard, 0, {{kData, 16, false}}) == kUnsupported);
  CHECK(s.ask(kWriteZeroes, 0, {{kData, 16, false}}) == kOk);
  CHECK(s.ask(kDiscard, 0, {{kData, 15, false}}) == kUnsupported);
  CHECK_FALSE(s.medium.misused);
}

TEST_CASE("virtio_block: a medium that is read-only says so and takes no writes") {
  System s;
  s.medium.read_only = true;
  CHECK((s.offered_features() >> 5 & 1) == 1);
  CHECK((s.offered_features() >> 13 & 3) == 0);
  CHECK(s.ask(kOut, 0, {{kData, 512, false}}) == kIoError);
  s.put_extent(kData, 0, 1, 0);
  CHECK(s.ask(kWriteZeroes, 0, {{kData, 16, false}}) == kIoError);
  CHECK(s.ask(kIn, 0, {{kData, 512, true}}) == kOk);
  CHECK_FALSE(s.medium.misused);
}

TEST_CASE("virtio_block: a request without header or status, or too many of them, break the queue") {
  System s;
  s.offer(0, {{kHeaders, 15, false}, {kStatuses, 1, true}});
  s.kick(0);
  s.finish();
  CHECK((s.status() & 0x40) != 0);
  s.start();
  s.offer(0, {{kHeaders, 16, false}});
  s.kick(0);
  s.finish();
  CHECK((s.status() & 0x40) != 0);
  s.start();
  for (unsigned i = 0; i < 17; ++i) s.issue(kFlush, 0, {});
  CHECK((s.status() & 0x40) != 0);
  s.finish();
  CHECK(s.used(0).empty());
}

TEST_CASE("virtio_block: a reset forgets what is under way") {
  System s;
  s.issue(kOut, 5, {{kData, 512, false}});
  s.set_status(0);
  s.finish();
  CHECK(s.medium.written.empty());
  CHECK(s.result(0) == kNotDone);
  s.start();
  CHECK(s.ask(kIn, 5, {{kData, 512, true}}) == kOk);
}

TEST_CASE("virtio_block: what is under way is saved and ends in the loaded machine") {
  System s;
  s.issue(kIn, 40, {{kData, 512, true}});
  s.issue(kIn, 41, {{kData + 512, 512, true}}, 1);
  const auto all = [](System& system) {
    struct All {
      System& system;
      void serialize(Archive& archive) {
        archive(system.clock.retired);
        system.clock.scheduler.serialize(archive);
        system.card->serialize(archive);
        system.memory.serialize(archive);
      }
    };
    return All{system};
  };
  auto from = all(s);
  const std::vector<u8> bytes = test::saved(from);
  System other;
  auto to = all(other);
  REQUIRE(test::load(to, bytes));
  other.finish();
  CHECK(other.result(0) == kOk);
  CHECK(other.result(1) == kOk);
  CHECK(other.byte_at(kData + 512) == FakeMedium::blank(41, 0));
  CHECK(other.take_isr() == 1);
}

}  // namespace
}  // namespace doppel::devices
