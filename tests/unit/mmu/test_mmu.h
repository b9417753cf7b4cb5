#pragma once

// An Mmu over guest page tables made by a test, and a device to reach through it.

#include <doctest/doctest.h>

#include "mmu/mmu.h"
#include "tests/unit/mmu/test_paging.h"

namespace doppel::mmu {

struct TestMmu : TestPaging {
  static constexpr u64 kDevice = 0xfee0'0000;

  explicit TestMmu(PagingMode mode_wanted) : TestPaging(mode_wanted), mmu(physical) {
    REQUIRE(mmio.add(kDevice, 0x2000, device));
    mmu.set_attention(&attention);
    physical.tracking().set_protect_hook([this](PhysAddr page) { mmu.page_became_tracked(page); });
    mmu.set_context(context);
  }
  template <class T = u32>
  T read(u64 address) {
    const auto value = mmu.read<T>(LinearAddr(address));
    CHECK(value.ok());
    return value.value();
  }
  template <class T = u32>
  Fault read_fault(u64 address) {
    const auto value = mmu.read<T>(LinearAddr(address));
    CHECK_FALSE(value.ok());
    return value.error();
  }
  template <class T = u32>
  Fault write_fault(u64 address, T value = {}) {
    return mmu.write<T>(LinearAddr(address), value).error();
  }

  RecordingHandler device;
  bool attention = false;
  Mmu mmu;
};

}  // namespace doppel::mmu
