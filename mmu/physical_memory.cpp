#include "mmu/physical_memory.h"

#include <algorithm>

namespace doppel::mmu {

namespace {

bool crosses_page(PhysAddr address, u64 size) { return address.page_offset() + size > kPageSize; }

}  // namespace

u64 PhysicalMemory::read(PhysAddr address, Width width) {
  if (!crosses_page(address, bytes(width))) [[likely]] {
    return read_within_page(apply_a20(address), width);
  }
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) {
    value |= read_within_page(apply_a20(address + i), Width::Byte) << (8 * i);
  }
  return value;
}

void PhysicalMemory::write(PhysAddr address, Width width, u64 value) {
  if (!crosses_page(address, bytes(width))) [[likely]] {
    write_within_page(apply_a20(address), width, value);
    return;
  }
  for (unsigned i = 0; i < bytes(width); ++i) {
    write_within_page(apply_a20(address + i), Width::Byte, (value >> (8 * i)) & 0xff);
  }
}

u64 PhysicalMemory::read_within_page(PhysAddr address, Width width) {
  const u8* page = pmap_.peek(address);
  if (page == nullptr) [[unlikely]] {
    const bool is_untouched = pmap_.lookup(address).state != PageState::Absent;
    return is_untouched ? 0 : mmio_.read(address.value, width);
  }
  u64 value = 0;
  std::memcpy(&value, page + address.page_offset(), bytes(width));
  return value;
}

void PhysicalMemory::write_within_page(PhysAddr address, Width width, u64 value) {
  if (pmap_.lookup(address).state == PageState::Absent) {
    mmio_.write(address.value, width, value);
    return;
  }
  store(address, &value, bytes(width));
}

// A store to memory inside one page, A20 applied.
void PhysicalMemory::store(PhysAddr address, const void* bytes, u64 size) {
  u8* page = pmap_.resolve_for_store(address);
  if (page == nullptr) return;  // ROM, or no frame left: Pmap::out_of_memory() tells.
  std::memcpy(page + address.page_offset(), bytes, size);
  if (tracking_.is_tracked(address)) tracking_.notify(address, size);
}

void PhysicalMemory::read_bytes(PhysAddr address, std::span<u8> out) {
  while (!out.empty()) {
    const u64 count = std::min<u64>(out.size(), kPageSize - address.page_offset());
    const PhysAddr real = apply_a20(address);
    if (const u8* page = pmap_.peek(real); page != nullptr) {
      std::memcpy(out.data(), page + real.page_offset(), count);
    } else {
      const bool is_nothing = pmap_.lookup(real).state == PageState::Absent;
      std::memset(out.data(), is_nothing ? 0xff : 0, count);
    }
    out = out.subspan(count);
    address = address + count;
  }
}

void PhysicalMemory::write_bytes(PhysAddr address, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    const u64 count = std::min<u64>(bytes.size(), kPageSize - address.page_offset());
    store(apply_a20(address), bytes.data(), count);
    bytes = bytes.subspan(count);
    address = address + count;
  }
}

PhysicalMemory::HostPage PhysicalMemory::host_page(PhysAddr address) {
  const PhysAddr real = apply_a20(address);
  const PageState state = pmap_.lookup(real).state;
  const bool is_own_ram = state == PageState::Present || state == PageState::Untouched ||
                          state == PageState::Device;
  u8* data = pmap_.resolve(real);
  return {data, data != nullptr && is_own_ram && !tracking_.is_tracked(real)};
}

void PhysicalMemory::set_entry_bits(PhysAddr entry, Width width, u64 bits) {
  write(entry, width, read(entry, width) | bits);
}

void PhysicalMemory::remapped(PhysAddr first, u64 size_bytes) {
  // What was made of code there is of no use any more.
  for (u64 at = 0; at < size_bytes; at += kPageSize) {
    if (tracking_.is_tracked_for(first + at, TrackReason::Code)) {
      tracking_.notify(first + at, kPageSize);
    }
  }
  if (remap_hook_) remap_hook_();
}

bool PhysicalMemory::is_ram(PhysAddr address) const {
  switch (pmap_.lookup(apply_a20(address)).state) {
    case PageState::Untouched:
    case PageState::Present:
    case PageState::Shared:
      return true;
    case PageState::Absent:
    case PageState::ReadOnly:
    case PageState::Device:
      break;
  }
  return false;
}

}  // namespace doppel::mmu
