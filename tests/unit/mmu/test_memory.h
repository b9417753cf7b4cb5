#pragma once

// A small machine for tests: 16 MiB of RAM, nothing else.

#include <vector>

#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"

namespace doppel::mmu {

struct TestMemory {
  static constexpr u64 kRamBytes = 16 << 20;

  explicit TestMemory(u64 pool_bytes = 64 << 20, u64 quota_frames = 1 << 20)
      : machine(MachineMemory::create(pool_bytes).take()),
        pmap(machine, quota_frames),
        physical(pmap, mmio) {
    pmap.add_ram(PhysAddr(0), kRamBytes);
  }

  u64 get(u64 address, Width width = Width::Qword) {
    return physical.read(PhysAddr(address), width);
  }
  void put(u64 address, u64 value, Width width = Width::Qword) {
    physical.write(PhysAddr(address), width, value);
  }

  MachineMemory machine;
  Pmap pmap;
  IoMap mmio;
  PhysicalMemory physical;
};

/// Writes down what reaches it; reads give the offset in every byte.
class RecordingHandler final : public IoHandler {
 public:
  struct Seen {
    bool is_write;
    u64 offset;
    unsigned bytes;
    u64 value;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  u64 read(u64 offset, Width width) override {
    seen.push_back({false, offset, bytes(width), 0});
    u64 value = 0;
    for (unsigned i = 0; i < bytes(width); ++i) value |= ((offset + i) & 0xff) << (8 * i);
    return value;
  }
  void write(u64 offset, Width width, u64 value) override {
    seen.push_back({true, offset, bytes(width), value});
  }

  std::vector<Seen> seen;
};

}  // namespace doppel::mmu
