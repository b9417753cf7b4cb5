#pragma once

// Which guest registers have a home while one block runs.
//
// Ten of sixteen have one wherever a block begins or is left. One without passes through memory at each use,
// and waits there for its own last store. So a block that uses such a register much, and another hardly
// or not at all, lends it the other's place: loaded where the block begins, put back where it is left.
// In loops, places that are left over are lent to host addresses of groups that would be loaded again and again; in all traces
// outside 64-bit code, those of R8 and R9, which nobody uses there.

#include <span>

#include <boost/container/static_vector.hpp>

#include "jit/block_plan.h"
#include "jit/layout.h"

namespace doppel::jit {

struct HomeSwap {
  u8 comes = 0;   ///< Guest register without a home elsewhere.
  u8 leaves = 0;  ///< Whose place it takes; it stands in the CpuState meanwhile.
  u8 host = 0;
};
using HomeSwaps = boost::container::static_vector<HomeSwap, 6>;

struct GroupHome {
  u8 group = 0;   ///< Index into BlockPlan::groups.
  u8 leaves = 0;  ///< A guest register that the block does not name; it stands in the CpuState meanwhile.
  u8 host = 0;
};
using GroupHomes = boost::container::static_vector<GroupHome, 8>;

/// What pays for this block. `repeats`: it goes round in itself, so that moving costs nearly nothing.
HomeSwaps choose_homes(std::span<const cpu::Instruction> block, const BlockPlan& plan, bool repeats);

/// R8 to R15 outside 64-bit code: what stands in the CpuState is true all the time.
inline bool is_nobodys(u8 guest, Mode mode) { return guest >= R8 && !mode.code64(); }

/// As above, for groups, beside these swaps.
GroupHomes choose_group_homes(std::span<const cpu::Instruction> block, const BlockPlan& plan, const HomeSwaps& swaps, Mode mode,
                              bool repeats);

/// kHome with these changes.
Homes homes_with(const HomeSwaps& swaps, const GroupHomes& groups = {});

}  // namespace doppel::jit
