#include "mmu/machine_memory.h"

#include <set>

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

TEST_CASE("machine_memory: rounds up to a run and hands runs out aligned to 2 MiB") {
  auto made = MachineMemory::create(1);
  REQUIRE(made.ok());
  MachineMemory memory = made.take();
  CHECK(memory.total_frames() == 512);
  const FrameNumber run = memory.allocate_run();
  REQUIRE(run.valid());
  CHECK(run.value % 512 == 0);
  CHECK(reinterpret_cast<u64>(memory.data(run)) % (2 << 20) == 0);
  CHECK(memory.free_frames() == 0);
  CHECK_FALSE(memory.allocate_run().valid());
  CHECK_FALSE(memory.allocate_frame().valid());
}

TEST_CASE("machine_memory: refuses nothing and more than frame numbers can name") {
  CHECK_FALSE(MachineMemory::create(0).ok());
  CHECK_FALSE(MachineMemory::create(u64{1} << 45).ok());
}

TEST_CASE("machine_memory: no frame is handed out twice, and the count follows") {
  MachineMemory memory = MachineMemory::create(4 << 20).take();
  std::set<u32> seen;
  for (unsigned i = 0; i < 1024; ++i) {
    const FrameNumber frame = memory.allocate_frame();
    REQUIRE(frame.valid());
    CHECK(seen.insert(frame.value).second);
  }
  CHECK(memory.free_frames() == 0);
  CHECK_FALSE(memory.allocate_frame().valid());
}

TEST_CASE("machine_memory: a released frame comes back as zeros") {
  MachineMemory memory = MachineMemory::create(2 << 20).take();
  const FrameNumber frame = memory.allocate_frame();
  memory.data(frame)[100] = 7;
  memory.release(frame);
  CHECK(memory.free_frames() == 512);
  const FrameNumber again = memory.allocate_frame();
  CHECK(again == frame);
  CHECK(memory.data(again)[100] == 0);
}

TEST_CASE("machine_memory: frames released one by one make whole runs again") {
  MachineMemory memory = MachineMemory::create(4 << 20).take();
  std::vector<FrameNumber> frames;
  for (unsigned i = 0; i < 1024; ++i) frames.push_back(memory.allocate_frame());
  for (const FrameNumber frame : frames) {
    if (frame != frames[700]) memory.release(frame);
  }
  CHECK(memory.allocate_run().valid());
  CHECK_FALSE(memory.allocate_run().valid());
  CHECK(memory.free_frames() == 511);
  memory.release(frames[700]);
  CHECK(memory.allocate_run().valid());
  CHECK(memory.free_frames() == 0);
  CHECK_FALSE(memory.allocate_frame().valid());
}

TEST_CASE("machine_memory: a run with one frame in use is not collected") {
  MachineMemory memory = MachineMemory::create(2 << 20).take();
  const FrameNumber frame = memory.allocate_frame();
  memory.release(frame);  // The run is whole again, and then broken again.
  CHECK(memory.allocate_frame() == frame);
  CHECK_FALSE(memory.allocate_run().valid());
  CHECK(memory.free_frames() == 511);
  memory.release(frame);
  CHECK(memory.allocate_run().valid());
  CHECK_FALSE(memory.allocate_frame().valid());
  CHECK(memory.free_frames() == 0);
}

TEST_CASE("machine_memory: moves take the pool along") {
  MachineMemory first = MachineMemory::create(2 << 20).take();
  const FrameNumber frame = first.allocate_frame();
  first.data(frame)[0] = 42;
  MachineMemory second = std::move(first);
  CHECK(second.data(frame)[0] == 42);
  CHECK(second.free_frames() == 511);
}
