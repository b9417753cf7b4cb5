// What the processor tells its Mmu: a new meaning of linear addresses, who runs, what to forget.
//
// A flush may always drop more than the guest asked for, never less. So translations of different
// PCIDs are not kept apart: every change of address space drops what is not global.

#include "cpu/base/bits.h"
#include "mmu/mmu.h"
#include "mmu/shadow_page_table.h"

namespace doppel::mmu {

namespace {

// PE changes only while PG is clear or changes with it: boot loaders go to real mode and back for each BIOS call.
constexpr u64 kFlushingCr0 = cr0::PG | cr0::WP;
constexpr u64 kFlushingCr4 =
    cr4::PSE | cr4::PAE | cr4::PGE | cr4::LA57 | cr4::PCIDE | cr4::SMEP | cr4::SMAP | cr4::PKE;
constexpr u64 kFlushingEfer = efer::NXE | efer::LMA;

// The sizes of large pages: 2 MiB, 4 MiB, 1 GiB.
constexpr unsigned kLargeShifts[] = {21, 22, 30};

bool is_same_space(const PagingContext& a, const PagingContext& b) {
  for (unsigned i = 0; i < 4; ++i) {
    if (a.pdpte[i] != b.pdpte[i]) return false;
  }
  return a.cr3 == b.cr3;
}

}  // namespace

void Mmu::set_context(const PagingContext& context, bool keep_translations) {
  const PagingContext before = context_;
  context_ = context;
  if (shadow_ != nullptr) shadow_->enter(context_);
  linear_bits_ = (context.cr4 & cr4::LA57) != 0 && (context.efer & efer::LMA) != 0 ? 57 : 48;
  select_table();

  const bool modes_changed = ((before.cr0 ^ context.cr0) & kFlushingCr0) != 0 ||
                             ((before.cr4 ^ context.cr4) & kFlushingCr4) != 0 ||
                             ((before.efer ^ context.efer) & kFlushingEfer) != 0;
  // Keys guard user pages from the supervisor too, so no class is exempt.
  const bool keys_changed = before.pkru != context.pkru && (context.cr4 & cr4::PKE) != 0;
  if (modes_changed || keys_changed) {
    flush_translations();
    return;
  }
  if (!is_same_space(before, context)) {
    flush_non_global();
    return;
  }
  // Nothing differs at all: CR3 was written with its own value, which is how guests flush.
  const bool is_cr3_write = before.cr0 == context.cr0 && before.cr4 == context.cr4 &&
                            before.efer == context.efer && before.pkru == context.pkru;
  if (is_cr3_write && !keep_translations) flush_non_global();
}

// Alignment checks and data breakpoints must see every access, so they get a table without entries.
void Mmu::select_table() {
  if (user_) {
    class_ = PrivilegeClass::User;
  } else {
    const bool is_excused = ac_ && (context_.cr4 & cr4::SMAP) != 0;
    class_ = is_excused ? PrivilegeClass::SupervisorAc : PrivilegeClass::Supervisor;
  }
  const bool checked = has_breakpoints_ || (alignment_check_ && user_);
  active_ = &table_of(checked ? PrivilegeClass::NeverFilled : class_);
}

void Mmu::set_data_breakpoints(std::span<const DataBreakpoint> slots) {
  breakpoints_ = {};
  has_breakpoints_ = false;
  for (size_t i = 0; i < slots.size() && i < breakpoints_.size(); ++i) {
    breakpoints_[i] = slots[i];
    has_breakpoints_ = has_breakpoints_ || slots[i].length != 0;
  }
  select_table();
}

unsigned Mmu::take_breakpoint_hits() { return std::exchange(breakpoint_hits_, 0); }

// ---- flushes ------------------------------------------------------------------------------------

void Mmu::flush_all() {
  if (shadow_ != nullptr) {
    shadow_->clear();
    shadow_->enter(context_);
  }
  flush_translations();
}

void Mmu::start_anew() {
  flush_all();
  slow_pages_ = {};
  conflicts_ = {};
  index_is_poor_ = false;
  if (tables_[0].index == TlbIndex()) return;
  ++counters_.index_changes;
  for (auto& table : tables_) table.set_index(TlbIndex());
}

void Mmu::flush_translations() {
  ++counters_.flushes;
  for (auto& table : tables_) table.flush(false);
  large_pages_.fill(0);
  ++generation_;
}

void Mmu::flush_non_global() {
  ++counters_.flushes;
  for (auto& table : tables_) table.flush(true);
  ++generation_;
}

void Mmu::flush_page(LinearAddr address) {
  ++counters_.page_flushes;
  address = wrap(address);
  flush_part(address.page(), kPageSize);
  for (const unsigned shift : kLargeShifts) {
    const size_t bit_number = large_page_bit(address, shift);
    if (!bit(large_pages_[bit_number / 64], bit_number % 64)) continue;
    flush_part(LinearAddr(align_down(address.value, u64{1} << shift)), u64{1} << shift);
  }
  ++generation_;
}

void Mmu::flush_part(LinearAddr first, u64 size) {
  for (auto& table : tables_) table.flush_range(first, size);
}

size_t Mmu::large_page_bit(LinearAddr address, unsigned shift) {
  return ((address.value >> shift) * 64 + shift) * 0x9e37'79b9'7f4a'7c15 >> 52;
}

void Mmu::note_large_page(LinearAddr address, u64 page_size) {
  const size_t bit_number =
      large_page_bit(address, static_cast<unsigned>(std::countr_zero(page_size)));
  large_pages_[bit_number / 64] |= u64{1} << (bit_number % 64);
}

// ---- which slots --------------------------------------------------------------------------------

// Not while an entry is being filled, which would drop it again: before the next one. Nothing changes
// its meaning: what was learnt from a translation still holds.
void Mmu::change_index() {
  index_is_poor_ = false;
  const TlbIndex wanted = conflicts_.choose();
  if (wanted == tables_[0].index) return;
  ++counters_.index_changes;
  for (auto& table : tables_) table.set_index(wanted);
}

// ---- what stands behind a page ------------------------------------------------------------------

void Mmu::page_became_tracked(PhysAddr page) {
  const u8* host = memory_.pmap().peek(page);
  if (host == nullptr) return;  // Untouched: no entry leads there.
  for (auto& table : tables_) table.revoke_writes(host);
}

// Which host addresses stood behind the page before is not known any more, so all entries go.
void Mmu::page_frame_changed(PhysAddr) { flush_all(); }

}  // namespace doppel::mmu
