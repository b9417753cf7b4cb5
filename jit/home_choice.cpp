#include "jit/home_choice.h"

#include <algorithm>
#include <array>

#include <Zydis/Zydis.h>

#include "jit/operand_setup.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::OperandKind;

/// A swap costs two loads and two stores.
constexpr int kLeastGain = 4;
/// Loads that a group must save in each round: loops that are left after few rounds pay for what they lend.
constexpr int kLeastGroupGain = 7;

/// How often a block names each register, and which must stay where they are.
struct Uses {
  std::array<int, 16> count{};
  u32 pinned = 1u << RAX | 1u << RCX | 1u << RDX;  // Implied by many opcodes.

  void add(u8 guest) {
    if (guest < 16) ++count[guest];
  }
  void pin(u8 guest) { pinned |= 1u << guest; }
};

/// Handlers find all registers in the CpuState.
bool can_move(const BlockPlan& plan) {
  return std::none_of(plan.instructions.begin(), plan.instructions.end(), [](const PlannedInstruction& planned) {
    return calls_out(planned.treatment);
  });
}

/// Most blocks have no use for a swap.
bool names_homeless(std::span<const Instruction> block) {
  const auto is_homeless = [](unsigned guest) { return guest < 16 && kHome[guest] == kNoHome; };
  return std::any_of(block.begin(), block.end(), [&](const Instruction& insn) {
    return std::any_of(std::begin(insn.operand), std::end(insn.operand), [&](const cpu::Operand& operand) {
      if (operand.kind == OperandKind::Memory) return is_homeless(insn.base / 8) || is_homeless(insn.index / 8);
      return operand.kind == OperandKind::Gpr && is_homeless(operand.reg / 8);
    });
  });
}

Uses uses_of(std::span<const Instruction> block, const BlockPlan& plan) {
  Uses uses;
  for (size_t i = 0; i < plan.instructions.size(); ++i) {
    const Instruction& insn = block[i];
    const PlannedInstruction& planned = plan.instructions[i];
    for (const cpu::Operand& operand : insn.operand) {
      if (operand.kind == OperandKind::Memory) {
        uses.add(insn.base / 8);
        uses.add(insn.index / 8);
      }
      if (operand.kind != OperandKind::Gpr) continue;
      uses.add(operand.reg / 8);
      const bool is_high_byte = operand.reg % 8 == 1;
      if (is_high_byte || operand.field == cpu::OperandField::None) uses.pin(operand.reg / 8);
    }
    switch (planned.treatment) {
      case Treatment::Leave:
        uses.pin(RBP);
        [[fallthrough]];
      case Treatment::Push:
      case Treatment::PushFlags:
      case Treatment::Pop:
      case Treatment::Call:
      case Treatment::Return:
        uses.pin(RSP);
        break;
      case Treatment::String:
        uses.pin(RSI);
        uses.pin(RDI);
        break;
      default:
        break;
    }
    if (insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B || insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B) uses.pin(RBX);
  }
  return uses;
}

bool can_be_expressed(std::span<const Instruction> block, const BlockPlan& plan, const Homes& homes) {
  for (size_t i = 0; i < plan.instructions.size(); ++i) {
    if (plan.instructions[i].treatment == Treatment::Identical && !set_up_operands(block[i], homes)) return false;
  }
  return true;
}

}  // namespace

HomeSwaps choose_homes(std::span<const Instruction> block, const BlockPlan& plan, bool repeats) {
  HomeSwaps swaps;
  if (!names_homeless(block) || !can_move(plan)) return swaps;
  const Uses uses = uses_of(block, plan);
  boost::container::static_vector<u8, 16> homeless;
  boost::container::static_vector<u8, 16> lenders;
  for (u8 guest = 0; guest < 16; ++guest) {
    if (kHome[guest] == kNoHome) {
      if (uses.count[guest] != 0) homeless.push_back(guest);
    } else if ((uses.pinned >> guest & 1) == 0) {
      lenders.push_back(guest);
    }
  }
  std::stable_sort(homeless.begin(), homeless.end(), [&](u8 a, u8 b) { return uses.count[a] > uses.count[b]; });
  std::stable_sort(lenders.begin(), lenders.end(), [&](u8 a, u8 b) { return uses.count[a] < uses.count[b]; });
  const int least = repeats ? 1 : kLeastGain;
  for (size_t i = 0; i < std::min(homeless.size(), lenders.size()) && swaps.size() < swaps.capacity(); ++i) {
    if (uses.count[homeless[i]] - uses.count[lenders[i]] < least) break;
    swaps.push_back({homeless[i], lenders[i], kHome[lenders[i]]});
    if (uses.count[lenders[i]] != 0 && !can_be_expressed(block, plan, homes_with(swaps))) {
      swaps.pop_back();
      break;
    }
  }
  return swaps;
}

GroupHomes choose_group_homes(std::span<const Instruction> block, const BlockPlan& plan, const HomeSwaps& swaps, Mode mode,
                              bool repeats) {
  GroupHomes chosen;
  if (!can_move(plan)) return chosen;
  boost::container::static_vector<u8, 16> groups;
  for (u8 i = 0; i < plan.groups.size(); ++i) {
    if (plan.groups[i].returns != 0) groups.push_back(i);
  }
  if (groups.empty()) return chosen;
  std::stable_sort(groups.begin(), groups.end(), [&](u8 a, u8 b) { return plan.groups[a].returns > plan.groups[b].returns; });
  const Uses uses = uses_of(block, plan);
  const auto is_free = [&](u8 guest) {
    const bool is_swapped = std::any_of(swaps.begin(), swaps.end(), [&](const HomeSwap& swap) { return swap.leaves == guest; });
    return kHome[guest] != kNoHome && uses.count[guest] == 0 && (uses.pinned >> guest & 1) == 0 && !is_swapped;
  };
  // Those that cost nothing first.
  boost::container::static_vector<u8, 16> lenders;
  for (u8 guest = 0; guest < 16; ++guest) {
    if (is_free(guest)) lenders.push_back(guest);
  }
  std::stable_partition(lenders.begin(), lenders.end(), [&](u8 guest) { return is_nobodys(guest, mode); });
  for (size_t i = 0; i < std::min(groups.size(), lenders.size()) && chosen.size() < chosen.capacity(); ++i) {
    const bool pays = repeats && plan.groups[groups[i]].returns >= kLeastGroupGain;
    if (!pays && !is_nobodys(lenders[i], mode)) break;
    chosen.push_back({groups[i], lenders[i], kHome[lenders[i]]});
  }
  return chosen;
}

Homes homes_with(const HomeSwaps& swaps, const GroupHomes& groups) {
  Homes homes = kHome;
  for (const GroupHome& home : groups) homes[home.leaves] = kNoHome;
  for (const HomeSwap& swap : swaps) {
    homes[swap.comes] = swap.host;
    homes[swap.leaves] = kNoHome;
  }
  return homes;
}

}  // namespace doppel::jit
