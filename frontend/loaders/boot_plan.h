#pragma once

// What a direct boot does to a machine, as data: bytes to place and the state to start in.
//
// Loaders read a file and produce a plan; they touch no machine. So a loader can be tested with
// hand-made files alone, and a reset boots again from the same plan.

#include <string>
#include <vector>

#include "cpu/base/address.h"
#include "cpu/base/result.h"
#include "cpu/base/types.h"
#include "frontend/loaders/memory_map.h"

namespace doppel::frontend::loaders {

/// Bytes with their place in guest memory.
struct Piece {
  PhysAddr address;
  std::vector<u8> bytes;
  u64 zeros = 0;  ///< So many follow: a file may ask for gigabytes.
  u64 size() const { return bytes.size() + zeros; }
  u64 end() const { return address.value + size(); }
};

/// How the processor is handed over.
struct Entry {
  enum class Mode : u8 {
    Reset,        ///< At the reset vector: firmware decides.
    Real,         ///< CS = `segment`, all other segments `data_segment`; interrupts off.
    Protected32,  ///< Flat 4 GiB segments, paging off.
    Long64,       ///< Paging on with tables at `page_table`, 64-bit code.
  };
  Mode mode = Mode::Reset;
  u16 segment = 0;
  u16 data_segment = 0;
  u64 ip = 0;
  u64 stack_pointer = 0;
  u64 page_table = 0;
  u64 rax = 0;
  u64 rbx = 0;
  u64 rdx = 0;
  u64 rsi = 0;
  u64 rdi = 0;
};

struct BootPlan {
  std::string kind;  ///< "linux 64-bit", "multiboot", ...: for the report.
  std::vector<Piece> pieces;
  Entry entry;
};

/// What a loader may know of the machine.
struct BootContext {
  MemoryMap memory;
  u64 acpi_rsdp = 0;       ///< 0: no tables.
  std::vector<u8> rsdp;    ///< Its bytes, for protocols that pass a copy.
  bool long_mode = false;  ///< The processor model has it.
};

/// A module or initial RAM disk, read.
struct Module {
  std::string name;       ///< As written, for messages.
  std::string arguments;  ///< Multiboot: the name with what follows it.
  std::vector<u8> bytes;
};

/// A kernel with all that was given to it, read.
struct KernelFiles {
  std::string name;
  std::vector<u8> image;
  std::vector<Module> modules;
  std::string append;
};

/// Descriptors for flat boots. Linux names its selectors (10h code, 18h data) and their kind;
/// others leave them open. 08h is the same as 10h.
/// @source Linux, Documentation/arch/x86/boot.rst, "32-bit Boot Protocol", "64-bit Boot Protocol"
namespace boot_gdt {
inline constexpr u16 kCode = 0x10;
inline constexpr u16 kData = 0x18;
inline constexpr u64 kAddress = 0x8000;
inline constexpr u64 kSize = 32;
}  // namespace boot_gdt
Piece gdt_piece(Entry::Mode mode);

/// Page tables at `kPageTables` that map the first 4 GiB to themselves.
inline constexpr u64 kPageTables = 0x9000;
inline constexpr u64 kPageTablesEnd = 0xf000;
Piece identity_map_piece();

/// Checks that no piece lies outside RAM or overlaps another.
Result<void, Error> check_plan(const BootPlan& plan, const MemoryMap& memory);

}  // namespace doppel::frontend::loaders
