#include "jit/access_groups.h"

#include <algorithm>
#include <bit>

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;

constexpr i64 kGroupReach = 512;

/// Where a base register stands: which value it holds, and how far it has moved since.
struct Track {
  u32 version = 0;
  i64 moved = 0;
};

class Grouping {
 public:
  Grouping(std::span<const Instruction> block, Mode mode, BlockPlan& plan)
      : block_(block), mode_(mode), plan_(plan) {}

  void run() {
    for (u8 i = 0; i < plan_.instructions.size(); ++i) {
      const PlannedInstruction& planned = plan_.instructions[i];
      // A handler may change what is behind an address.
      if (calls_out(planned.treatment)) {
        for (Candidate& candidate : candidates_) candidate.is_open = false;
      }
      for (u8 u = 0; u < planned.uses.size(); ++u) place(i, u);
      follow(block_[i], planned.treatment);
    }
    settle();
    find_kept();
  }

 private:
  struct Member {
    u8 instruction, use;
    i64 at;
  };
  struct Candidate {
    AddressForm form;
    u32 version = 0;
    u32 index_version = 0;
    i64 low = 0, high = 0;
    i64 moved_at_first = 0;
    bool is_open = true;
    bool other_access = false;
    bool write = false, reads_first = false;
    boost::container::static_vector<Member, 2 * kMaxBlockInstructions> members;
  };

  u8 natural_bytes() const { return mode_.code64() ? 8 : 4; }
  bool is_groupable(const AddressForm& form) const {
    if (form.base >= 16 || form.bytes != natural_bytes() || form.bit_index != cpu::kZeroRegister) return false;
    // Distances within a group must fit a displacement.
    constexpr i64 kFar = i64{1} << 30;
    if (form.displacement < -kFar || form.displacement > kFar) return false;
    return mode_.code64() || mode_.shape(form.segment) != SegmentShape::Small;
  }

  void place(u8 i, u8 u) {
    const MemoryUse& use = plan_.instructions[i].uses[u];
    if (!is_groupable(use.form)) return;
    const Track& track = tracks_[use.form.base];
    const bool has_index = use.form.index != cpu::kZeroRegister;
    const Track index = has_index ? tracks_[use.form.index] : Track{};
    const i64 moved = track.moved + index.moved * (i64{1} << use.form.scale);
    const i64 at = moved + use.form.displacement;
    const bool other_access = plan_.instructions[i].other_access;
    for (Candidate& candidate : candidates_) {
      if (!candidate.is_open || candidate.other_access != other_access || candidate.form.base != use.form.base ||
          candidate.version != track.version || candidate.form.segment != use.form.segment) {
        continue;
      }
      if (candidate.form.index != use.form.index || candidate.form.scale != use.form.scale ||
          candidate.index_version != index.version) {
        continue;
      }
      const i64 low = std::min(candidate.low, at);
      const i64 high = std::max(candidate.high, at + use.size);
      if (high - low > kGroupReach) continue;
      candidate.low = low;
      candidate.high = high;
      candidate.members.push_back({i, u, at});
      if (use.write && !candidate.write) candidate.write = candidate.reads_first = true;
      return;
    }
    if (candidates_.size() == candidates_.capacity()) return;
    Candidate candidate;
    candidate.form = use.form;
    candidate.version = track.version;
    candidate.index_version = index.version;
    candidate.low = at;
    candidate.high = at + use.size;
    candidate.moved_at_first = moved;
    candidate.other_access = other_access;
    candidate.write = use.write;
    candidate.members.push_back({i, u, at});
    candidates_.push_back(candidate);
  }

  void move(unsigned reg, i64 distance) { tracks_[reg].moved += distance; }
  void replace(unsigned reg) {
    ++tracks_[reg].version;
    tracks_[reg].moved = 0;
  }

  void follow(const Instruction& insn, Treatment treatment) {
    if (treatment == Treatment::Push || treatment == Treatment::PushFlags) {
      move(RSP, -i64{insn.stack_width});
      return;
    }
    if (treatment == Treatment::Call || treatment == Treatment::Return) {
      const i64 released = i64{insn.width} + static_cast<i64>(insn.immediate & 0xffff);
      move(RSP, treatment == Treatment::Call ? -i64{insn.width} : released);
      return;
    }
    if (treatment == Treatment::Pop) {
      move(RSP, insn.stack_width);
      if (insn.operand[0].kind == OperandKind::Gpr) replace(insn.operand[0].reg / 8);
      return;
    }
    // A register that moves by a constant keeps its groups.
    const std::optional<ConstantMove> by_constant = calls_out(treatment) ? std::nullopt : constant_move(insn, natural_bytes());
    if (by_constant) return move(by_constant->reg, by_constant->distance);
    for (u32 written = registers_written(insn, treatment); written != 0; written &= written - 1) {
      replace(static_cast<unsigned>(std::countr_zero(written)));
    }
  }

  void settle() {
    for (const Candidate& candidate : candidates_) {
      if (candidate.members.size() < 2 || plan_.groups.size() == plan_.groups.capacity()) continue;
      Group group;
      group.low_from_base = static_cast<i32>(candidate.low - candidate.moved_at_first);
      group.span = static_cast<u16>(candidate.high - candidate.low);
      group.write = candidate.write;
      group.reads_first = candidate.reads_first;
      for (const Member& member : candidate.members) {
        MemoryUse& use = plan_.instructions[member.instruction].uses[member.use];
        use.group = static_cast<i8>(plan_.groups.size());
        use.offset = static_cast<i32>(member.at - candidate.low);
      }
      plan_.groups.push_back(group);
    }
  }

  /// Which members the first one checks for, and how often groups find another address in the register when a later one comes.
  void find_kept() {
    i8 present = -1;
    for (PlannedInstruction& planned : plan_.instructions) {
      for (MemoryUse& use : planned.uses) {
        if (use.group >= 0) {
          Group& group = plan_.groups[static_cast<size_t>(use.group)];
          use.is_checked = group.is_begun;
          if (present != use.group && group.is_begun) ++group.returns;
          group.is_begun = true;
        }
        present = use.group;
      }
    }
  }

  std::span<const Instruction> block_;
  const Mode mode_;
  BlockPlan& plan_;
  std::array<Track, 16> tracks_{};
  boost::container::static_vector<Candidate, 16> candidates_;
};

}  // namespace

void find_groups(std::span<const Instruction> block, Mode mode, BlockPlan& plan) { Grouping(block, mode, plan).run(); }

}  // namespace doppel::jit
