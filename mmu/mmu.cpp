// The slow path of an access.
//
// Every access goes through the same three steps: *check* (canonical, aligned), *translate* each
// page it touches (a refill if the table of the privilege class has no entry), *transfer*. All
// pages are translated before the first byte moves, so that a fault leaves no trace. What may be
// touched directly is a host address; everything else (registers, ROM, tracked pages) goes through
// PhysicalMemory, which knows who wants to hear of it.

#include "mmu/mmu.h"

#include <algorithm>

#include "cpu/base/bits.h"
#include "cpu/base/check.h"
#include "mmu/shadow_page_table.h"

namespace doppel::mmu {

namespace {

constexpr size_t kMaxAccessBytes = 64 * 1024;

// Bytes of a part that goes to registers in one piece: the whole if it is a register's width,
// else the largest naturally aligned piece at its beginning.
Width piece_of(PhysAddr address, size_t size) {
  if (size == 1 || size == 2 || size == 4 || size == 8) return static_cast<Width>(size);
  const size_t fitting = std::bit_floor(std::min<size_t>(size, 8));
  const size_t aligned = size_t{1} << std::countr_zero(address.value | 8);
  return static_cast<Width>(std::min(fitting, aligned));
}

size_t bytes_left_in_page(LinearAddr address) { return kPageSize - address.page_offset(); }

}  // namespace

Mmu::Mmu(PhysicalMemory& memory, unsigned linear_bits)
    : memory_(memory), walker_(memory), linear_bits_(linear_bits) {
  select_table();
}

Mmu::~Mmu() { set_paging_scheme(PagingScheme::Nested); }

// ---- checks -------------------------------------------------------------------------------------

// What comes before paging: #GP for a non-canonical address, then #AC.
// 10-byte operands are checked as 8 bytes (the manual's row for extended precision).
//
// Simplified: 16 bytes or more are not checked: aligned SIMD forms check themselves, with #GP.
// Simplified: in compatibility mode an access that runs past 4 GiB goes on above it.
Result<void> Mmu::check(LinearAddr address, size_t size, bool explicit_access) const {
  if (is_long()) {
    const u64 last = address.value + size - 1;
    const bool is_low_end_canonical = is_canonical(address.value, linear_bits_);
    if (!is_low_end_canonical || !is_canonical(last, linear_bits_)) return gp();
  }
  if (explicit_access && alignment_check_ && user_) {
    const size_t alignment = size == 10 ? 8 : size;
    const bool is_checked = alignment == 2 || alignment == 4 || alignment == 8;
    if (is_checked && (address.value & (alignment - 1)) != 0) return Fault::make(Vector::AC, 0);
  }
  return {};
}

void Mmu::note_breakpoints(LinearAddr address, size_t size, bool stores) {
  for (unsigned i = 0; i < breakpoints_.size(); ++i) {
    const DataBreakpoint& slot = breakpoints_[i];
    if (slot.length == 0 || (!stores && !slot.on_read)) continue;
    // The processor ignores the low address bits that the length covers.
    const u64 first = slot.address.value & ~u64{slot.length - 1u};
    const bool overlaps = address.value < first + slot.length && first < address.value + size;
    if (overlaps) breakpoint_hits_ |= 1u << i;
  }
}

// ---- translation --------------------------------------------------------------------------------

Result<Mmu::Target> Mmu::translate(LinearAddr address, Access access, PrivilegeClass rights,
                                   bool implicit) {
  if (u8* host = table_of(rights).find(access, address, 1)) return Target{host, PhysAddr(), true};
  return refill(address, access, rights, implicit);
}

Result<Mmu::Target> Mmu::refill(LinearAddr address, Access access, PrivilegeClass rights,
                                bool implicit) {
  if (index_is_poor_) [[unlikely]] change_index();
  const LinearAddr page = address.page();
  // Loads and stores of one page stand apart: video memory is often read and written in turn.
  const u64 offset = static_cast<u64>(access) * (kSlowPages / 4);
  SlowPage& slow = slow_pages_[(page.page_number() + offset) % kSlowPages];
  if (slow.linear == page && slow.generation == generation_ && slow.access == access &&
      slow.rights == rights) {
    const PhysicalMemory::HostPage host = memory_.host_page(slow.page);
    // If it can be reached directly by now, the walk below fills the table.
    const bool is_direct = host.data != nullptr && (access != Access::Write || host.writable);
    if (!is_direct) return Target{nullptr, slow.page + address.page_offset(), host.data != nullptr};
  }

  WalkRequest request{access, rights == PrivilegeClass::User ? Privilege::User : Privilege::Supervisor,
                      rights == PrivilegeClass::SupervisorAc};
  if (implicit) request.privilege = Privilege::Implicit;
  auto walked = look_up(address, request);
  if (!walked.ok()) [[unlikely]] {
    if (walked.error().vector == Vector::PF) ++counters_.true_faults;
    return walked.error();
  }
  const Translation& found = walked.value();
  const u64 frames_before = memory_.pmap().frames_in_use();
  const PhysicalMemory::HostPage host = memory_.host_page(found.page);
  if (memory_.pmap().frames_in_use() != frames_before) ++counters_.hidden_faults;
  const PhysAddr physical = memory_.apply_a20(found.page);

  Target target{nullptr, physical + address.page_offset(), host.data != nullptr};
  ShadowTlb& own = table_of(rights);
  u64 evicted = TlbConflicts::kNone;
  const auto fill = [&](Access kind) {
    const u64 tag = own.fill(kind, page, host.data, found.global);
    if (tag != ShadowTlb::kInvalid) evicted = -tag << kPageShift;
    ++counters_.refills;
  };
  if (host.data != nullptr) {
    if (found.page_size != kPageSize) note_large_page(page, found.page_size);
    const bool direct_store = host.writable && found.dirty;
    switch (access) {
      case Access::Read: {
        fill(Access::Read);
        WalkRequest store = request;
        store.access = Access::Write;
        if (direct_store && PageWalker::permits(context_, found, store)) fill(Access::Write);
        break;
      }
      case Access::Write:
        fill(Access::Read);  // Every page that may be written may be read.
        if (direct_store) fill(Access::Write);
        break;
      case Access::Fetch:
        own.fill_fetch(page, host.data, found.global, physical, fetch_id(page, physical));
        ++counters_.refills;
        break;
    }
    if (access != Access::Fetch && conflicts_.note(page.value, evicted)) index_is_poor_ = true;
    if (access != Access::Write || direct_store) target.host = host.data + address.page_offset();
  }
  if (target.host == nullptr) slow = {page, generation_, physical, access, rights};
  return target;
}

Result<void> Mmu::translate_each(LinearAddr address, size_t size, Access access,
                                 PrivilegeClass rights, bool implicit, Targets& targets) {
  while (size != 0) {
    address = wrap(address);
    DOPPEL_TRY(const Target target, translate(address, access, rights, implicit));
    targets.push_back(target);
    const size_t count = std::min(size, bytes_left_in_page(address));
    address = address + count;
    size -= count;
  }
  return {};
}

Result<void> Mmu::translate_all(LinearAddr address, size_t size, Access access,
                                PrivilegeClass rights, bool implicit, Targets& targets) {
  const u64 trackings = pages_tracked();
  DOPPEL_TRY(translate_each(address, size, access, rights, implicit, targets));
  if (pages_tracked() == trackings || targets.size() < 2) return {};
  // The walk for one page may have made another one a tracked page table, which must not be stored
  // to directly: once more, and nothing becomes tracked this time.
  targets.clear();
  const bool may_track = std::exchange(may_track_, false);
  const Result<void> again = translate_each(address, size, access, rights, implicit, targets);
  may_track_ = may_track;
  return again;
}

// ---- transfer -----------------------------------------------------------------------------------

void Mmu::reached_device() {
  ++counters_.mmio;
  if (attention_ != nullptr) *attention_ = true;
}

void Mmu::load(const Target& target, u8* out, size_t size) {
  if (target.host != nullptr) [[likely]] {
    std::memcpy(out, target.host, size);
    return;
  }
  if (target.is_memory) {
    memory_.read_bytes(target.physical, {out, size});
    return;
  }
  for (size_t done = 0; done < size;) {
    const PhysAddr address = target.physical + done;
    const Width width = piece_of(address, size - done);
    const u64 value = memory_.read(address, width);
    std::memcpy(out + done, &value, bytes(width));
    done += bytes(width);
  }
  reached_device();
}

void Mmu::store(const Target& target, const u8* in, size_t size) {
  if (target.host != nullptr) [[likely]] {
    std::memcpy(target.host, in, size);
    return;
  }
  if (target.is_memory) {
    const WriteTracking& tracking = memory_.tracking();
    if (tracking.is_tracked(target.physical)) ++counters_.tracked_stores;
    if (tracking.touches_code(target.physical, size) && attention_ != nullptr) *attention_ = true;
    memory_.write_bytes(target.physical, {in, size});
    return;
  }
  for (size_t done = 0; done < size;) {
    const PhysAddr address = target.physical + done;
    const Width width = piece_of(address, size - done);
    u64 value = 0;
    std::memcpy(&value, in + done, bytes(width));
    memory_.write(address, width, value);
    done += bytes(width);
  }
  reached_device();
}

// Exactly one of `out` and `in` is set, or neither for a probe.
Result<void> Mmu::access_pages(LinearAddr address, u8* out, const u8* in, size_t size,
                               Access access, PrivilegeClass rights, bool implicit) {
  DOPPEL_CHECK(size <= kMaxAccessBytes, "an access of more than 64 KiB");
  if (size == 0) return {};
  address = wrap(address);
  DOPPEL_TRY(check(address, size, !implicit));
  Targets targets;
  DOPPEL_TRY(translate_all(address, size, access, rights, implicit, targets));
  if (out == nullptr && in == nullptr) return {};
  if (!implicit && has_checks()) note_breakpoints(address, size, access == Access::Write);
  size_t done = 0;
  for (const Target& target : targets) {
    const size_t count = std::min(size - done, bytes_left_in_page(address + done));
    if (out != nullptr) load(target, out + done, count);
    if (in != nullptr) store(target, in + done, count);
    done += count;
  }
  return {};
}

Result<void> Mmu::read_slow(LinearAddr address, void* out, size_t size) {
  ++counters_.misses;
  // The plain refill: one page, nothing to check.
  if (address.page_offset() + size <= kPageSize && !has_checks()) [[likely]] {
    address = wrap(address);
    DOPPEL_TRY(check(address, size, true));
    DOPPEL_TRY(const Target target, translate(address, Access::Read, class_, false));
    load(target, static_cast<u8*>(out), size);
    return {};
  }
  return access_pages(address, static_cast<u8*>(out), nullptr, size, Access::Read, class_, false);
}

Result<void> Mmu::write_slow(LinearAddr address, const void* in, size_t size) {
  ++counters_.misses;
  if (address.page_offset() + size <= kPageSize && !has_checks()) [[likely]] {
    address = wrap(address);
    DOPPEL_TRY(check(address, size, true));
    DOPPEL_TRY(const Target target, translate(address, Access::Write, class_, false));
    store(target, static_cast<const u8*>(in), size);
    return {};
  }
  return access_pages(address, nullptr, static_cast<const u8*>(in), size, Access::Write, class_,
                      false);
}

Result<UpdateSlot> Mmu::open_slow(LinearAddr address, void* value, size_t size) {
  ++counters_.misses;
  address = wrap(address);
  DOPPEL_TRY(check(address, size, true));
  Targets targets;
  DOPPEL_TRY(translate_all(address, size, Access::Write, class_, false, targets));
  if (has_checks()) note_breakpoints(address, size, true);
  u8* out = static_cast<u8*>(value);
  if (targets.size() == 1) {
    load(targets[0], out, size);
    return UpdateSlot{targets[0].host, address};
  }
  const size_t first = bytes_left_in_page(address);
  load(targets[0], out, first);
  load(targets[1], out + first, size - first);
  return UpdateSlot{nullptr, address};
}

// The store half of an update: open_slow has found that it is permitted. Only a device that changes
// the guest's page tables while its register is read can make it fail now; then the store is lost.
void Mmu::store_checked(LinearAddr address, const void* in, size_t size) {
  ++counters_.misses;
  Targets targets;
  const u8* bytes = static_cast<const u8*>(in);
  if (!translate_all(address, size, Access::Write, class_, false, targets).ok()) return;
  size_t done = 0;
  for (const Target& target : targets) {
    const size_t count = std::min(size - done, bytes_left_in_page(address + done));
    store(target, bytes + done, count);
    done += count;
  }
}

Result<void> Mmu::read_bytes(LinearAddr address, void* out, size_t size) {
  return access_pages(address, static_cast<u8*>(out), nullptr, size, Access::Read, class_, false);
}

Result<void> Mmu::write_bytes(LinearAddr address, const void* bytes, size_t size) {
  return access_pages(address, nullptr, static_cast<const u8*>(bytes), size, Access::Write, class_,
                      false);
}

Result<void> Mmu::probe(LinearAddr address, size_t size, Access access) {
  return access_pages(address, nullptr, nullptr, size, access, class_, false);
}

u8* Mmu::direct_span(LinearAddr address, size_t size, Access access) {
  address = wrap(address);
  if (size == 0 || has_checks() || address.page_offset() + size > kPageSize) return nullptr;
  if (u8* host = active_->find(access, address, 1)) return host;
  if (!check(address, size, true).ok()) return nullptr;
  const u64 true_faults = counters_.true_faults;
  // The caller may hold a span for stores from the call before.
  const bool may_track = std::exchange(may_track_, false);
  const auto target = translate(address, access, class_, false);
  may_track_ = may_track;
  counters_.true_faults = true_faults;  // A fault here is not delivered: the access itself follows.
  if (!target.ok()) return nullptr;
  if (target.value().host != nullptr || access != Access::Write) return target.value().host;
  return span_over_code(target.value(), size);
}

/// Host address of the target's page, if code is the one reason why it is not stored to directly.
u8* Mmu::page_with_code(const Target& target) {
  if (!target.is_memory || !memory_.tracking().is_tracked_for_code_alone(target.physical)) return nullptr;
  if (memory_.pmap().lookup(target.physical).state != PageState::Present) return nullptr;
  return memory_.pmap().resolve_for_store(target.physical);
}

// All of the span will be stored to: what was made of the code there goes first, once, and the rest of
// the page's code is not concerned. Clearing a page that was full of code is frequent.
u8* Mmu::span_over_code(const Target& target, size_t size) {
  WriteTracking& tracking = memory_.tracking();
  u8* const page = page_with_code(target);
  if (page == nullptr) return nullptr;
  if (tracking.touches_code(target.physical, size)) {
    if (attention_ != nullptr) *attention_ = true;
    tracking.notify(target.physical, size);
  }
  ++counters_.tracked_stores;
  return page + target.physical.page_offset();
}

u8* Mmu::span_beside_code(const Target& target, size_t size) {
  u8* const page = page_with_code(target);
  if (page == nullptr || !memory_.tracking().passes_beside_code(target.physical, size)) return nullptr;
  ++counters_.tracked_stores;
  return page + target.physical.page_offset();
}

u64 Mmu::gather(PrivilegeClass rights, Access access, LinearAddr address, size_t most_pages) {
  const std::vector<u8*> pages = table(rights).neighbours(access, address, most_pages);
  if (pages.size() > 1) {
    const FrameMoves moves = memory_.pmap().gathering().gather(pages);
    if (!moves.empty()) {
      for (ShadowTlb& each : tables_) each.follow(moves);
    }
  }
  return table(rights).join(access, address);
}

DirectAccess Mmu::make_direct(LinearAddr address, size_t size, Access access, bool reads_first,
                              std::span<const u64> held) {
  ++counters_.misses;
  if (size == 0 || has_checks() || address.page_offset() + size > kPageSize) return {};
  if (address != wrap(address) || !check(address, size, true).ok()) return {};
  const u64 true_faults = counters_.true_faults;
  const u64 indexes = counters_.index_changes;
  const u64 trackings = pages_tracked();
  active_->evicted_host = 0;
  const auto target = translate(address, reads_first ? Access::Read : access, class_, false);
  counters_.true_faults = true_faults;
  if (!target.ok()) return {};
  DirectAccess found;
  found.hits = active_->find(access, address, size) != nullptr;
  if (!found.hits) {
    const bool is_plain_store = access == Access::Write && !reads_first && target.value().host == nullptr;
    if (is_plain_store) found.once = span_beside_code(target.value(), size);
    if (found.once == nullptr) return {};
  }
  if (held.empty()) return found;
  if (counters_.index_changes != indexes || pages_tracked() != trackings) return {};
  const u64 evicted = active_->evicted_host;
  // What is held may reach into the page behind.
  const bool is_held = evicted != 0 && std::any_of(held.begin(), held.end(), [evicted](u64 host) {
    return evicted - (host & kPageMask) <= kPageSize;
  });
  return is_held ? DirectAccess{} : found;
}

// Simplified: data breakpoints do not see the processor's own accesses.
Result<void> Mmu::system_access(LinearAddr address, void* data, size_t size, Access access) {
  u8* bytes = static_cast<u8*>(data);
  const bool stores = access == Access::Write;
  return access_pages(address, stores ? nullptr : bytes, stores ? bytes : nullptr, size, access,
                      PrivilegeClass::Supervisor, true);
}

Result<void> Mmu::probe_system(LinearAddr address, size_t size, Access access) {
  return access_pages(address, nullptr, nullptr, size, access, PrivilegeClass::Supervisor, true);
}

Result<Mmu::FetchPage> Mmu::fetch_slow(LinearAddr address) {
  ++counters_.misses;
  address = wrap(address);
  DOPPEL_TRY(check(address, 1, false));
  DOPPEL_TRY(const Target target, refill(address, Access::Fetch, class_, false));
  const u8* host = target.host != nullptr ? target.host - address.page_offset() : nullptr;
  return FetchPage{host, target.physical.page()};
}

}  // namespace doppel::mmu
