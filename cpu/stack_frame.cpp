#include "cpu/stack_frame.h"

#include <cstring>

#include "cpu/segmentation.h"

namespace doppel::cpu {
namespace {

/// Lets memory be accessed with another privilege than the running program's, for a while.
class AtPrivilege {
 public:
  AtPrivilege(Cpu& cpu, unsigned cpl) : cpu_(cpu), changed_((cpl == 3) != (cpu.state.cpl == 3)) {
    if (changed_) select(cpl);
  }
  ~AtPrivilege() {
    if (changed_) select(cpu_.state.cpl);
  }
  AtPrivilege(const AtPrivilege&) = delete;
  AtPrivilege& operator=(const AtPrivilege&) = delete;

 private:
  void select(unsigned cpl) {
    const bool ac = cpu_.state.test(rflags::AC);
    cpu_.mmu.set_privilege(cpl == 3, ac);
    cpu_.mmu.set_alignment_check(cpl == 3 && ac && (cpu_.state.cr0 & cr0::AM) != 0);
  }

  Cpu& cpu_;
  bool changed_;
};

/// A non-canonical stack address is #SS, not #GP.
Fault stack_fault(const Fault& fault, u32 error_code) {
  return fault.vector == Vector::GP ? Fault::make(Vector::SS, error_code) : fault;
}

}  // namespace

StackFrame::StackFrame(Cpu& cpu, unsigned width)
    : cpu_(cpu),
      ss_(cpu.state.segment(Seg::SS)),
      pointer_(cpu.stack_pointer()),
      mask_(cpu.stack_mask()),
      width_(width),
      cpl_(cpu.state.cpl),
      flat_(cpu.code64()) {}

StackFrame::StackFrame(Cpu& cpu, unsigned width, const SegmentRegister& ss, u64 pointer,
                       unsigned cpl, bool flat)
    : cpu_(cpu),
      ss_(ss),
      pointer_(pointer),
      mask_(flat       ? ~u64{0}
            : ss.big() ? 0xffff'ffff
                       : 0xffff),
      width_(width),
      cpl_(cpl),
      flat_(flat) {}

LinearAddr StackFrame::address_of(u64 offset) const {
  return LinearAddr(flat_ ? offset : (ss_.base + offset) & 0xffff'ffff);
}

Result<void> StackFrame::write(u32 ss_error_code) {
  const u64 size = u64{count_} * width_;
  const u64 start = pointer_ & mask_;
  const u64 low = (start - size) & mask_;
  const bool wraps = start < size && start != 0;
  const bool inside = flat_ || (low >= ss_.low && low + size - 1 <= ss_.high);
  const LinearAddr address = address_of(low);
  // Alignment is checked value by value.
  const bool checks_alignment = cpl_ == 3 && cpu_.state.test(rflags::AC) && (cpu_.state.cr0 & cr0::AM) != 0;
  if (wraps || !inside || checks_alignment || (!flat_ && address.value + size > u64{1} << 32)) {
    return write_pieces(ss_error_code);
  }
  u8 bytes[40 * 8];
  for (unsigned i = 0; i < count_; ++i) {
    std::memcpy(bytes + (count_ - 1 - i) * width_, &values_[i], width_);
  }
  const AtPrivilege privilege(cpu_, cpl_);
  if (u8* host = cpu_.mmu.direct_span(address, size, Access::Write)) {
    std::memcpy(host, bytes, size);
    return {};
  }
  const Result<void> written = cpu_.mmu.write_bytes(address, bytes, size);
  if (!written.ok()) return stack_fault(written.error(), ss_error_code);
  return {};
}

/// The frame wraps around the end of its segment, or one of its values lies outside.
Result<void> StackFrame::write_pieces(u32 ss_error_code) {
  const AtPrivilege privilege(cpu_, cpl_);
  u64 offset = pointer_;
  for (unsigned i = 0; i < count_; ++i) {
    offset = (offset - width_) & mask_;
    if (!flat_ && (offset < ss_.low || offset + width_ - 1 > ss_.high)) {
      return Fault::make(Vector::SS, ss_error_code);
    }
    const Result<void> probed = cpu_.mmu.probe(address_of(offset), width_, Access::Write);
    if (!probed.ok()) return stack_fault(probed.error(), ss_error_code);
  }
  offset = pointer_;
  for (unsigned i = 0; i < count_; ++i) {
    offset = (offset - width_) & mask_;
    const Result<void> written = cpu_.mmu.write_bytes(address_of(offset), &values_[i], width_);
    if (!written.ok()) return stack_fault(written.error(), ss_error_code);
  }
  return {};
}

Result<u64> StackReader::pop() {
  const u64 offset = pointer();
  pointer_ += width_;
  switch (width_) {
    case 2: {
      DOPPEL_TRY(const u16 value, cpu_.load<u16>(Seg::SS, offset));
      return u64{value};
    }
    case 4: {
      DOPPEL_TRY(const u32 value, cpu_.load<u32>(Seg::SS, offset));
      return u64{value};
    }
    default:
      return cpu_.load<u64>(Seg::SS, offset);
  }
}

Result<InnerStack> inner_stack(Cpu& cpu, unsigned level, u32 external) {
  const SegmentRegister& tr = cpu.state.tr;
  const Fault short_tss = Fault::make(Vector::TS, Selector{tr.selector}.error_code() | external);
  const bool is_32 = (tr.attributes & 8) != 0;
  const u32 first = is_32 ? 4 + level * 8 : 2 + level * 4;
  const u32 size = is_32 ? 6 : 4;
  if (!tr.usable() || first + size - 1 > tr.limit) return short_tss;
  const auto at = [&](u32 offset) { return LinearAddr((tr.base + offset) & 0xffff'ffff); };

  InnerStack stack;
  Selector selector;
  if (is_32) {
    DOPPEL_TRY(stack.pointer, cpu.mmu.read_system<u32>(at(first)));
    DOPPEL_TRY(selector.value, cpu.mmu.read_system<u16>(at(first + 4)));
  } else {
    DOPPEL_TRY(stack.pointer, cpu.mmu.read_system<u16>(at(first)));
    DOPPEL_TRY(selector.value, cpu.mmu.read_system<u16>(at(first + 2)));
  }
  const Fault bad_ss = Fault::make(Vector::TS, selector.error_code() | external);
  if (selector.is_null()) return Fault::make(Vector::TS, external);
  const Result<DescriptorRef> found = read_descriptor(cpu, selector, Vector::TS);
  if (!found.ok()) {
    Fault fault = found.error();
    if (fault.vector == Vector::TS) fault.error_code |= external;
    return fault;
  }
  const Descriptor& descriptor = found.value().descriptor;
  if (selector.rpl() != level || descriptor.dpl() != level || !descriptor.is_writable()) return bad_ss;
  if (!descriptor.present()) return Fault::make(Vector::SS, selector.error_code() | external);
  DOPPEL_TRY(mark_accessed(cpu, found.value()));
  stack.ss = make_segment(selector, descriptor);
  return stack;
}

Result<InnerStack> inner_stack64(Cpu& cpu, unsigned level, unsigned ist, u32 external) {
  const SegmentRegister& tr = cpu.state.tr;
  const u32 offset = ist != 0 ? 36 + (ist - 1) * 8 : 4 + level * 8;
  if (!tr.usable() || offset + 7 > tr.limit) {
    return Fault::make(Vector::TS, Selector{tr.selector}.error_code() | external);
  }
  InnerStack stack;
  DOPPEL_TRY(stack.pointer, cpu.mmu.read_system<u64>(LinearAddr(tr.base + offset)));
  if (!is_canonical(stack.pointer, cpu.mmu.linear_bits())) return Fault::make(Vector::SS, external);
  // A null SS whose RPL is the new level; unusable, which 64-bit code does not mind.
  stack.ss.selector = static_cast<u16>(level);
  stack.ss.update_window();
  return stack;
}

}  // namespace doppel::cpu
