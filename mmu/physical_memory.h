#pragma once

// What devices, loaders and the page walker see: RAM, ROM, holes and memory-mapped registers,
// behind A20.
//
// All accesses are little endian, may cross pages, and never fail: reads of nothing give ones,
// stores to nothing or to ROM vanish. Stores tell WriteTracking.

#include <cstring>
#include <functional>
#include <optional>
#include <span>

#include "cpu/base/address.h"
#include "mmu/io_map.h"
#include "mmu/pmap.h"
#include "mmu/write_tracking.h"

namespace doppel::mmu {

class PhysicalMemory {
 public:
  PhysicalMemory(Pmap& pmap, IoMap& mmio) : pmap_(pmap), mmio_(mmio) {}

  /// Line 20 of the address bus: off, it reads as zero (bit 20 of every address is cleared).
  bool a20() const { return a20_; }
  void set_a20(bool on) { a20_ = on; }
  PhysAddr apply_a20(PhysAddr address) const {
    return a20_ ? address : PhysAddr(address.value & ~(u64{1} << 20));
  }

  /// A register-sized access, as the processor or a bus master makes it.
  u64 read(PhysAddr address, Width width);
  void write(PhysAddr address, Width width, u64 value);
  template <class T>
  T read(PhysAddr address) {
    const u8* page = pmap_.peek(apply_a20(address));
    if (page == nullptr || address.page_offset() + sizeof(T) > kPageSize) [[unlikely]] {
      return static_cast<T>(read(address, static_cast<Width>(sizeof(T))));
    }
    T value;
    std::memcpy(&value, page + address.page_offset(), sizeof(T));
    return value;
  }

  /// Bulk copies for loaders and DMA: RAM, and ROM for reading. Registers are not reached (they
  /// read as ones), so that a guest cannot make a bus master's copy run into a device, itself
  /// included.
  void read_bytes(PhysAddr address, std::span<u8> out);
  void write_bytes(PhysAddr address, std::span<const u8> bytes);

  /// How the page behind `address` can be reached directly.
  struct HostPage {
    /// First byte of the page; null: not memory (use read/write).
    u8* data = nullptr;
    /// False for ROM, tracked and shared pages: stores must come through write().
    bool writable = false;
  };
  HostPage host_page(PhysAddr address);

  /// Atomically (towards devices) sets bits of a page-table entry: used by the walker for A and D.
  void set_entry_bits(PhysAddr entry, Width width, u64 bits);

  /// What must happen when memory has appeared or vanished: every Mmu forgets what it found.
  void set_remap_hook(std::function<void()> hook) { remap_hook_ = std::move(hook); }
  /// Tells that [first, first + size_bytes) changed its meaning.
  void remapped(PhysAddr first, u64 size_bytes);

  Pmap& pmap() { return pmap_; }
  IoMap& mmio() { return mmio_; }
  WriteTracking& tracking() { return tracking_; }
  bool is_ram(PhysAddr address) const;

  void serialize(Archive& archive) { archive(a20_, pmap_); }

 private:
  u64 read_within_page(PhysAddr address, Width width);
  void write_within_page(PhysAddr address, Width width, u64 value);
  void store(PhysAddr address, const void* bytes, u64 size);

  Pmap& pmap_;
  IoMap& mmio_;
  WriteTracking tracking_;
  std::function<void()> remap_hook_;
  bool a20_ = true;
};

}  // namespace doppel::mmu
