#pragma once

// A processor: state, its MMU, and events waiting to be taken. Both engines drive one of these.
//
// Instruction handlers (cpu/interpreter) and the monitor (cpu/monitor_*.cpp) are written against
// this class. The rule for all of them: what may fault happens first, what the guest can see
// changes after. An instruction completes or leaves no trace.

#include <array>
#include <optional>
#include <string>

#include "cpu/arch/exception.h"
#include "cpu/base/archive.h"
#include "cpu/cpu_model.h"
#include "cpu/environment.h"
#include "cpu/instruction.h"
#include "cpu/state.h"
#include "cpu/trace_sink.h"
#include "mmu/mmu.h"

namespace doppel::cpu {

/// How an exception or interrupt came to be; decides privilege checks, error codes and EXT.
enum class EventSource : u8 {
  Exception,          ///< A fault or trap the processor raised.
  SoftwareInterrupt,  ///< INT n: gate DPL is checked.
  SoftwareException,  ///< INT3, INTO: checked as INT n, without VME redirection.
  PrivilegedSoftwareException,  ///< INT1
  External,           ///< INTR
  Nmi,
};

/// One link of a chain of exceptions that ended in a shutdown; for the report of a dead guest.
struct FaultRecord {
  u8 vector = 0;
  u32 error_code = 0;
  u64 cr2 = 0;
  u64 rip = 0;
  u16 cs = 0;
  /// Why delivery failed ("IDT entry 14 at 0x... is not present"), empty if it did not.
  std::string failure;
};

/// Where control went: the last taken branches, oldest overwritten first. For reports.
struct BranchRecord {
  u64 from = 0;
  u64 to = 0;
};

/// Room for an engine's own variables, within reach of the register that points at the state.
struct EngineArea {
  static constexpr size_t kWords = 128;
  static constexpr size_t kCounters = 4096;
  static constexpr size_t kTables = 16;
  static constexpr size_t kTableEntries = 4096;
  alignas(64) u64 words[kWords] = {};
  /// What is left to count. Void until it is set.
  u64 counters[kCounters];
  /// Where indirect branches lead, by the low bits of their target; one table a mode. Void until its mode is met.
  alignas(64) u64 tables[kTables][kTableEntries];
};

/// Bits of Cpu::segment_kind.
namespace segment_kind {
inline constexpr u8 kReadable = 1, kWritable = 2, kBaseIsZero = 4, kFromZero = 8, kTo4GiB = 16, kTo64KiB = 32;
inline constexpr size_t kCount = 64;
}  // namespace segment_kind

/// What follows from a segment register.
struct SegmentFacts {
  /// For generated code: the sum of this and the offset of a last byte is negative if the byte may not be written.
  u64 bound = 0;
  u8 kind = 0;  ///< segment_kind:: bits.
  bool readable = false, writable = false;
  void learn(const SegmentRegister& segment);
};

class Cpu {
 public:
  /// References must outlive the processor.
  Cpu(const CpuModel& model, mmu::PhysicalMemory& memory, Environment& environment);
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  CpuState state;
  EngineArea engine_area;
  mmu::Mmu mmu;
  Environment& environment;
  TraceSink* trace = nullptr;

  const CpuModel& model() const { return model_; }
  bool has(Feature feature) const { return model_.has(feature); }

  /// RESET: "Processor State Following Reset". INIT keeps FPU/SSE state, MSRs and TSC.
  void reset();
  void init();

  // ---- memory through segments -----------------------------------------------------------------

  /// Effective address of the memory operand (offset in its segment).
  u64 effective_address(const Instruction& insn) const {
    const u64 base = state.at<u64>(insn.base);
    const u64 index = state.at<u64>(insn.index);
    return (base + (index << insn.scale) + insn.displacement) & insn.address_mask;
  }

  /// The linear address of `size` bytes at `offset`, after the segment's checks.
  /// @errors #GP(0) or #SS(0): limit, rights, unusable segment. In 64-bit code only FS and GS have
  ///         a base and only canonicality counts, which the MMU checks (see `load`).
  Result<LinearAddr> linear(Seg segment, u64 offset, size_t size, Access access) {
    if (code64_) [[likely]] {
      // ES, CS, SS and DS have base 0 here: `flat_base_` says so without a branch.
      return LinearAddr(offset + flat_base_[static_cast<unsigned>(segment)]);
    }
    const SegmentRegister& s = state.segment(segment);
    const bool allowed = access == Access::Write ? segment_facts_[static_cast<unsigned>(segment)].writable
                                                 : segment_facts_[static_cast<unsigned>(segment)].readable;
    if (offset >= s.low && offset + size - 1 <= s.high && allowed) [[likely]] {
      return LinearAddr((s.base + offset) & 0xffff'ffff);
    }
    return linear_slow(segment, offset, size, access);
  }

  template <class T>
  Result<T> load(Seg segment, u64 offset) {
    DOPPEL_TRY(LinearAddr address, linear(segment, offset, sizeof(T), Access::Read));
    Result<T> result = mmu.read<T>(address);
    if (!result.ok()) [[unlikely]] return data_fault(segment, result.error());
    return result;
  }
  template <class T>
  Result<void> store(Seg segment, u64 offset, const T& value) {
    DOPPEL_TRY(LinearAddr address, linear(segment, offset, sizeof(T), Access::Write));
    Result<void> result = mmu.write<T>(address, value);
    if (!result.ok()) [[unlikely]] return data_fault(segment, result.error());
    return result;
  }
  /// Reads, with write access already granted: past this line the store cannot fault.
  template <class T>
  Result<mmu::UpdateSlot> open_for_update(Seg segment, u64 offset, T& value) {
    DOPPEL_TRY(LinearAddr address, linear(segment, offset, sizeof(T), Access::Write));
    if (!code64_ && !segment_facts_[static_cast<unsigned>(segment)].readable) [[unlikely]] {
      return segment_fault(segment);
    }
    Result<mmu::UpdateSlot> result = mmu.open_for_update<T>(address, value);
    if (!result.ok()) [[unlikely]] return data_fault(segment, result.error());
    return result;
  }
  template <class T>
  void close_update(const mmu::UpdateSlot& slot, const T& value) { mmu.close_update<T>(slot, value); }

  /// Any size (x87 images, vectors, FXSAVE): all or nothing.
  Result<void> load_bytes(Seg segment, u64 offset, void* out, size_t size);
  Result<void> store_bytes(Seg segment, u64 offset, const void* bytes, size_t size);

  // The memory operand of an instruction.
  template <class T>
  Result<T> load_operand(const Instruction& insn) { return load<T>(insn.segment, effective_address(insn)); }
  template <class T>
  Result<void> store_operand(const Instruction& insn, const T& value) {
    return store<T>(insn.segment, effective_address(insn), value);
  }

  // ---- the stack ---------------------------------------------------------------------------------

  /// Mask of the stack pointer: 64-bit code, else SS.B.
  u64 stack_mask() const { return stack_mask_; }
  u64 stack_pointer() const { return state.gpr[RSP] & stack_mask_; }
  /// Writes SP, ESP or RSP. A 32-bit stack pointer clears the upper half only in compatibility code (as hardware).
  void set_stack_pointer(u64 value) {
    state.gpr[RSP] = (stack_mask_ == 0xffff) ? (state.gpr[RSP] & ~u64{0xffff}) | (value & 0xffff)
                                             : value & stack_mask_;
  }
  /// Pushes T. Nothing changed on a fault.
  template <class T>
  Result<void> push(T value) {
    const u64 sp = (state.gpr[RSP] - sizeof(T)) & stack_mask_;
    DOPPEL_TRY(store<T>(Seg::SS, sp, value));
    set_stack_pointer(sp);
    return {};
  }
  template <class T>
  Result<T> pop() {
    const u64 sp = stack_pointer();
    DOPPEL_TRY(T value, load<T>(Seg::SS, sp));
    set_stack_pointer(sp + sizeof(T));
    return value;
  }

  // ---- branches ----------------------------------------------------------------------------------

  /// Checks a near branch target (limit in legacy modes, canonical in 64-bit code) and goes there.
  /// @errors #GP(0); RIP is then unchanged.
  Result<void> branch_to(u64 target);

  // ---- mode --------------------------------------------------------------------------------------

  bool code64() const { return code64_; }
  /// Recomputes everything derived from state: call after changing CS, SS, CR0, CR4, EFER, CPL,
  /// RFLAGS.VM/AC, any segment register's hidden part, or DR7.
  void update_mode();
  /// As update_mode, where nothing changed but CS, SS, CPL and RFLAGS.
  void update_code_and_stack();
  /// Grows with every update_mode(): CS, CPL or the mode may have changed.
  u64 mode_epoch() const { return mode_epoch_; }
  /// Grows with whatever generated code may have built in: the mode, the privilege class, the kinds of
  /// the segments outside 64-bit code (their bases count only as 0 or not).
  u64 translation_epoch() const { return translation_epoch_; }
  /// As update_mode, for a segment register other than CS and SS.
  void update_segment(Seg segment);
  /// What generated code may know of a segment outside 64-bit code, bits of the namespace of that name.
  u8 segment_kind(unsigned index) const { return segment_facts_[index].kind; }
  /// CPL alone and what depends on it.
  void set_cpl(unsigned cpl);
  /// Bits that decide how bytes decode and what decoded blocks may assume; part of a block's key.
  u32 mode_key() const { return mode_key_; }
  /// Writes RFLAGS bits of `mask` from `value`, with what follows (AC -> MMU, TF/RF -> slow mode, IF -> attention).
  void write_flags(u64 value, u64 mask);
  bool interrupts_enabled() const { return state.test(rflags::IF); }

  // ---- events ------------------------------------------------------------------------------------

  void set_intr(bool level) { intr_ = level; attention = attention || level; }
  void raise_nmi() { nmi_ = true; attention = true; }
  void raise_init() { init_ = true; attention = true; }
  bool intr() const { return intr_; }
  bool nmi_pending() const { return nmi_; }
  /// Set by whatever the engine must look at before the next instruction; see Interpreter::run.
  bool attention = false;

  /// Delivers an exception raised by the instruction at `state.rip()` (RIP is its first byte).
  /// Handles benign/contributory/page-fault combinations: double fault, and triple fault = shutdown.
  void raise(const Fault& fault);
  /// Delivers through the IDT / IVT / VME bitmap; `next_rip` semantics: RIP is what gets pushed.
  /// @errors the exception that delivery itself raised.
  Result<void> deliver(u8 vector, EventSource source, u32 error_code);
  /// Takes what is pending and allowed before the next instruction (INIT, NMI, INTR; debug traps).
  /// True if something was delivered.
  bool take_pending_events();
  /// Single-step and data-breakpoint traps after an instruction; `traps` are DR6 bits.
  void raise_debug_trap(u64 dr6_bits);
  /// Bits of DR6 for an instruction breakpoint at this linear address, or 0.
  u64 instruction_breakpoints(LinearAddr address) const;
  /// Events delivered so far. Delivery clears TF: an instruction that caused one is not stepped.
  u64 deliveries() const { return deliveries_; }
  void note_delivery(u64 from) {
    ++deliveries_;
    note_branch(from, state.rip());
  }
  /// TF, enabled breakpoints, or a shadow: instructions must be looked at one by one.
  bool needs_slow_mode() const { return slow_mode_; }

  /// The chain that led to a shutdown, first fault first; empty while the guest lives.
  const std::vector<FaultRecord>& fault_chain() const { return fault_chain_; }
  void note_branch(u64 from, u64 to) { branches_[branch_count_++ % branches_.size()] = {from, to}; }
  /// Oldest first.
  std::vector<BranchRecord> last_branches() const;

  void serialize(Archive& archive);

  // ---- for cpu/*.cpp ------------------------------------------------------------------------------

  /// Turns the MMU's #GP(0) for a non-canonical address into #SS(0) where the segment was SS.
  static Fault data_fault(Seg segment, Fault fault) {
    if (segment == Seg::SS && fault.vector == Vector::GP) fault.vector = Vector::SS;
    return fault;
  }
  static Fault segment_fault(Seg segment) {
    return Fault::make(segment == Seg::SS ? Vector::SS : Vector::GP, 0);
  }
  /// Generated code reads the one, and keeps the other with the base of FS or GS.
  const bool* interrupt_line() const { return &intr_; }
  const u64* flat_base(Seg segment) const { return &flat_base_[static_cast<unsigned>(segment)]; }
  const SegmentFacts* segment_facts(Seg segment) const { return &segment_facts_[static_cast<unsigned>(segment)]; }
  /// Hands CR0, CR3, CR4, EFER, PKRU and the PDPTEs to the MMU.
  void update_paging(bool keep_translations = false);
  std::array<u64, 4> pdpte{};  ///< PAE page-directory-pointer registers.

  /// What came of loading a data segment. 32-bit kernels load the same few on each way in and out; nothing but the descriptor,
  /// the selector and CPL decides it.
  struct SegmentLoad {
    u64 descriptor = 0;  ///< As it was in memory, in the GDT, accessed already.
    u16 selector = 0;    ///< Null: no load is known.
    u8 cpl = 0;
    SegmentRegister segment;
    SegmentFacts facts;
  };
  struct SegmentLoads {
    SegmentLoad null;  ///< Of a null selector.
    std::array<SegmentLoad, 16> known;
    SegmentLoad& of(u16 selector) { return known[selector / 8 % known.size()]; }
  };
  SegmentLoads& segment_loads() { return segment_loads_; }
  const SegmentLoads& segment_loads() const { return segment_loads_; }

 private:
  void update_code_size();
  void update_level();
  void update_privilege();
  void update_breakpoints();
  void update_slow_mode();
  Result<LinearAddr> linear_slow(Seg segment, u64 offset, size_t size, Access access) __attribute__((noinline));

  const CpuModel model_;
  bool code64_ = false;
  bool slow_mode_ = false;
  bool intr_ = false;
  bool nmi_ = false;
  bool init_ = false;
  u32 mode_key_ = 0;
  u64 mode_epoch_ = 0;
  u64 translation_epoch_ = 0;
  u64 stack_mask_ = 0xffff;
  u64 flat_base_[kSegCount] = {};
  SegmentFacts segment_facts_[kSegCount];
  SegmentLoads segment_loads_;
  std::vector<FaultRecord> fault_chain_;
  std::array<BranchRecord, 16> branches_{};
  u64 branch_count_ = 0;
  u64 deliveries_ = 0;
  bool watches_data_ = false;  ///< The MMU was given data breakpoints.
};

}  // namespace doppel::cpu
