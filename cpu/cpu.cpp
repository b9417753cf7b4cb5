#include "cpu/cpu.h"

#include <algorithm>

namespace doppel::cpu {
namespace {

unsigned index_of(Seg segment) { return static_cast<unsigned>(segment); }

/// kReadable and kWritable. System calls load many segments, of kinds in turn: nothing here is for a branch to guess.
/// @see SegmentRegister::readable, writable
unsigned rights_of(const SegmentRegister& s) {
  constexpr u8 kRights[] = {0, 0, 0, 0,                    // Not present.
                            segment_kind::kReadable,       // Data,
                            segment_kind::kReadable | segment_kind::kWritable,
                            0, segment_kind::kReadable};   // code.
  const unsigned attributes = s.attributes;
  return kRights[(attributes & attr::P) / attr::P * 4 + (attributes & attr::CODE) / attr::CODE * 2 +
                 (attributes & attr::RW) / attr::RW];
}

/// What generated code may know of a segment. Most loads of a segment register leave it as it was.
u8 kind_of(const SegmentRegister& s, unsigned rights) {
  using namespace segment_kind;
  return static_cast<u8>(rights | unsigned{s.base == 0} * kBaseIsZero | unsigned{s.low == 0} * kFromZero |
                         unsigned{s.high == 0xffff'ffff} * kTo4GiB | unsigned{s.high == 0xffff} * kTo64KiB);
}

/// See SegmentFacts. Offsets in 4 GiB wrap: no byte is beyond.
u64 bound_of(u8 kind, u64 high) {
  using namespace segment_kind;
  constexpr u64 kNegative = u64{1} << 63;
  constexpr unsigned kPlain = kWritable | kFromZero;
  if ((kind & kPlain) != kPlain) return kNegative;
  return (kind & kTo4GiB) != 0 ? 0 : kNegative - 1 - high;
}

}  // namespace

void SegmentFacts::learn(const SegmentRegister& segment) {
  const unsigned rights = rights_of(segment);
  kind = kind_of(segment, rights);
  bound = bound_of(kind, segment.high);
  readable = (rights & segment_kind::kReadable) != 0;
  writable = (rights & segment_kind::kWritable) != 0;
}

Cpu::Cpu(const CpuModel& model, mmu::PhysicalMemory& memory, Environment& env)
    : mmu(memory), environment(env), model_(model) {
  mmu.set_attention(&attention);
  segment_loads_.null.facts.learn(SegmentRegister{});
  mmu.walker().set_gigabyte_pages(has(Feature::pdpe1gb));
  reset();
}

/// @source Intel SDM Vol. 3A, "Processor State Following Power-up, Reset, or INIT"
void Cpu::reset() {
  const u64 retired = state.retired;
  const u64 random = state.random;
  state = CpuState{};
  state.retired = retired;  // The machine's clock runs on.
  state.random = random;
  nmi_ = false;
  init_ = false;
  init();
  init_ = false;
  mmu.start_anew();
}

void Cpu::init() {
  std::fill(std::begin(state.gpr), std::end(state.gpr), 0);
  state.gpr[RDX] = (model_.family << 8) | (model_.model & 0xf) << 4 | (model_.model >> 4) << 16 |
                   model_.stepping;
  state.flags.set(0);
  state.system_flags = rflags::FIXED;
  for (SegmentRegister& segment : state.seg) {
    segment = SegmentRegister{};
    segment.limit = 0xffff;
    segment.attributes = attr::P | attr::S | attr::RW | attr::A;
    segment.update_window();
  }
  state.segment(Seg::CS).selector = 0xf000;
  state.segment(Seg::CS).base = 0xffff'0000;
  state.rip() = 0xfff0;
  state.ldtr = SegmentRegister{};
  state.ldtr.limit = 0xffff;
  state.ldtr.attributes = attr::P | static_cast<u16>(SystemType::Ldt);
  state.ldtr.update_window();
  state.tr = SegmentRegister{};
  state.tr.limit = 0xffff;
  state.tr.attributes = attr::P | static_cast<u16>(SystemType::TssBusy);
  state.tr.update_window();
  state.gdtr = TableRegister{0, 0xffff};
  state.idtr = TableRegister{0, 0xffff};
  state.cpl = 0;
  state.cr0 = cr0::ET | cr0::CD | cr0::NW;
  state.cr2 = state.cr3 = state.cr4 = state.efer = 0;
  std::fill(std::begin(state.dr), std::end(state.dr), 0);
  state.dr[6] = 0xffff'0ff0;
  state.dr[7] = dr7::kFixedOnes;
  state.halted = state.shutdown = false;
  state.interrupt_shadow = state.mov_ss_shadow = state.nmi_blocked = state.repeating = false;
  init_ = false;
  fault_chain_.clear();
  pdpte = {};
  update_paging();
  update_mode();
  attention = true;
}

Result<LinearAddr> Cpu::linear_slow(Seg segment, u64 offset, size_t size, Access access) {
  const SegmentRegister& s = state.segment(segment);
  const SegmentFacts& facts = segment_facts_[index_of(segment)];
  const bool allowed = access == Access::Write ? facts.writable : facts.readable;
  const u64 last = offset + size - 1;
  if (!s.usable() || !allowed || offset < s.low) return segment_fault(segment);
  if (last <= s.high) return LinearAddr((s.base + offset) & 0xffff'ffff);
  // A 4 GiB expand-up segment has no end to run over: the access wraps, as current processors have it.
  if (s.low == 0 && s.high == 0xffff'ffff) return LinearAddr((s.base + offset) & 0xffff'ffff);
  return segment_fault(segment);
}

Result<void> Cpu::load_bytes(Seg segment, u64 offset, void* out, size_t size) {
  DOPPEL_TRY(LinearAddr address, linear(segment, offset, size, Access::Read));
  const Result<void> result = mmu.read_bytes(address, out, size);
  if (!result.ok()) return data_fault(segment, result.error());
  return {};
}

Result<void> Cpu::store_bytes(Seg segment, u64 offset, const void* bytes, size_t size) {
  DOPPEL_TRY(LinearAddr address, linear(segment, offset, size, Access::Write));
  const Result<void> result = mmu.write_bytes(address, bytes, size);
  if (!result.ok()) return data_fault(segment, result.error());
  return {};
}

Result<void> Cpu::branch_to(u64 target) {
  if (code64_) {
    if (!is_canonical(target, mmu.linear_bits())) return gp();
  } else if (target > state.segment(Seg::CS).limit) {
    return gp();
  }
  state.rip() = target;
  return {};
}

void Cpu::update_mode() {
  update_code_size();
  for (unsigned i = 0; i < kSegCount; ++i) update_segment(static_cast<Seg>(i));
  update_level();
}

/// System calls and faults are many, and leave four segments alone.
void Cpu::update_code_and_stack() {
  const bool was_code64 = code64_;
  update_code_size();
  // What is known of segments in 64-bit code is not kept up to date outside it, nor the other way round.
  if (code64_ != was_code64) return update_mode();
  update_segment(Seg::CS);
  update_segment(Seg::SS);
  update_level();
}

void Cpu::update_code_size() {
  code64_ = state.code64();
  // Outside 64-bit code the upper halves are undefined, and translated code counts on these.
  // @source Intel SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode"
  if (!code64_) {
    for (unsigned i = 0; i < 8; ++i) state.gpr[i] &= 0xffff'ffff;
  }
  const SegmentRegister& cs = state.segment(Seg::CS);
  const u32 size = code64_ ? 2 : cs.big() ? 1 : 0;
  mode_key_ = size | (state.real_or_v86() ? 4u : 0u);
  stack_mask_ = code64_                          ? ~u64{0}
                : state.segment(Seg::SS).big() ? 0xffff'ffff
                                               : 0xffff;
}

void Cpu::update_level() {
  set_cpl(state.cpl);
  update_slow_mode();
  // Most changes of mode happen with debug registers off.
  if ((state.dr[7] & 0xff) != 0 || watches_data_) update_breakpoints();
}

void Cpu::update_slow_mode() {
  slow_mode_ = state.test(rflags::TF) || state.test(rflags::RF) || (state.dr[7] & 0xff) != 0;
}

/// Tells the MMU which data addresses are watched. @source Intel SDM Vol. 3B, "Debug Control Register (DR7)"
void Cpu::update_breakpoints() {
  std::array<mmu::DataBreakpoint, 4> slots{};
  watches_data_ = false;
  for (unsigned i = 0; i < 4; ++i) {
    const u64 kind = bit_field(state.dr[7], 17 + i * 4, 16 + i * 4);
    const u64 length = bit_field(state.dr[7], 19 + i * 4, 18 + i * 4);
    const bool enabled = bit_field(state.dr[7], i * 2 + 1, i * 2) != 0;
    if (!enabled || kind == 0 || kind == 2) continue;
    constexpr u8 kLengths[] = {1, 2, 8, 4};
    slots[i] = {LinearAddr(align_down(state.dr[i], kLengths[length])), kLengths[length], kind == 3};
    watches_data_ = true;
  }
  mmu.set_data_breakpoints(slots);
}

void Cpu::update_segment(Seg segment) {
  const unsigned i = index_of(segment);
  const SegmentRegister& s = state.seg[i];
  flat_base_[i] = (segment == Seg::FS || segment == Seg::GS) ? s.base : 0;
  const u8 kind = segment_facts_[i].kind;
  segment_facts_[i].learn(s);
  if (code64_ || kind == segment_facts_[i].kind) return;
  // Generated 32-bit code looks at the bounds of these two itself.
  const bool is_seen = (segment == Seg::FS || segment == Seg::GS) && (mode_key_ & 3) == 1;
  if (!is_seen) ++translation_epoch_;
}

void Cpu::set_cpl(unsigned cpl) {
  state.cpl = static_cast<u8>(cpl);
  ++mode_epoch_;
  update_privilege();
}

void Cpu::update_privilege() {
  ++translation_epoch_;
  const bool user = state.cpl == 3;
  const bool ac = state.test(rflags::AC);
  mmu.set_privilege(user, ac);
  mmu.set_alignment_check(user && ac && (state.cr0 & cr0::AM) != 0);
}

void Cpu::update_paging(bool keep_translations) {
  PagingContext context;
  context.cr0 = state.cr0;
  context.cr3 = state.cr3;
  context.cr4 = state.cr4;
  context.efer = state.efer;
  context.pkru = state.pkru;
  std::copy(pdpte.begin(), pdpte.end(), context.pdpte);
  mmu.set_context(context, keep_translations);
  mmu.set_linear_bits((state.cr4 & cr4::LA57) != 0 ? 57 : 48);
}

void Cpu::write_flags(u64 value, u64 mask) {
  const u64 before = state.system_flags;
  const u64 after = (before & ~mask) | (value & mask & rflags::kDefined & ~rflags::kArithmetic) | rflags::FIXED;
  // CLI and its like have no business with the arithmetic flags, which cost more to compute.
  const u64 arithmetic = mask & rflags::kArithmetic;
  if (arithmetic != 0) state.flags.set((state.flags.get() & ~arithmetic) | (value & arithmetic));
  state.system_flags = after;
  const u64 changed = before ^ after;
  if ((changed & rflags::VM) != 0) update_mode();
  if ((changed & rflags::AC) != 0) update_privilege();
  if ((changed & (rflags::TF | rflags::RF)) != 0) update_slow_mode();
  if ((changed & after & (rflags::IF | rflags::VIF)) != 0 && intr_) attention = true;
}

std::vector<BranchRecord> Cpu::last_branches() const {
  std::vector<BranchRecord> records;
  const u64 count = std::min<u64>(branch_count_, branches_.size());
  for (u64 i = branch_count_ - count; i < branch_count_; ++i) {
    records.push_back(branches_[i % branches_.size()]);
  }
  return records;
}

void Cpu::serialize(Archive& archive) {
  archive(state, pdpte, intr_, nmi_, init_);
  if (!archive.is_loading()) return;
  fault_chain_.clear();
  update_paging();
  update_mode();
  mmu.flush_all();
  attention = true;
}

}  // namespace doppel::cpu
